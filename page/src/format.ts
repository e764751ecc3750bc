// Numbers as people read them, in the language of the page. Pure.

export type Language = "en" | "zh";
const LOCALE = { en: "en-US", zh: "zh-CN" };

export const whole = (n: number, language: Language) => Math.round(n).toLocaleString(LOCALE[language]);

/** 1,234 → 1.2 k, where room is short. */
export const short = (n: number, language: Language) =>
  n < 10_000 ? whole(n, language) : new Intl.NumberFormat(LOCALE[language], { notation: "compact", maximumFractionDigits: 1 }).format(n);

/** Dollars: enough digits to tell one from another. */
export function dollars(amount: number, language: Language): string {
  const digits = amount === 0 || amount >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(amount)));
  return "$" + amount.toLocaleString(LOCALE[language], { minimumFractionDigits: Math.min(2, digits), maximumFractionDigits: digits });
}

export function seconds(ms: number, language: Language): string {
  const s = Math.round(ms / 1000);
  const [minute, second] = language === "zh" ? [" 分 ", " 秒"] : [" min ", " s"];
  if (ms < 1000) return (language === "zh" ? "不到 1" : "less than 1") + second;
  return s < 60 ? s + second : Math.floor(s / 60) + minute + (s % 60) + second;
}

export const percent = (share: number, language: Language) =>
  share.toLocaleString(LOCALE[language], { style: "percent", maximumFractionDigits: share < 0.1 ? 1 : 0 });

export const when = (unix: number | null, language: Language) =>
  unix === null ? "" : new Date(unix * 1000).toLocaleString(LOCALE[language], { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

/** A line of Markdown without its marks, where there is room for a line only. */
export const plain = (line: string) => line.replace(/\*\*|`|^\s*#+\s+/g, "");
