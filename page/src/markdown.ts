// Text of a model made into safe markup: no scripts, no styles, no pictures from elsewhere, formulas as MathML.
import DOMPurify from "dompurify";
import { Marked, type TokenizerAndRendererExtension, type Tokens } from "marked";

export type Typeset = (formula: string, display: boolean) => string;

const MATH = /\$[^$\n]+\$|\$\$[\s\S]+?\$\$|\\\(|\\\[/;
export const hasMath = (text: string) => MATH.test(text);

/** Katex, fetched when the first formula comes. */
export async function typesetter(): Promise<Typeset> {
  const { default: katex } = await import("katex");
  return (formula, display) =>
    katex.renderToString(formula, { displayMode: display, output: "mathml", throwOnError: false, trust: false, maxExpand: 200, maxSize: 20 });
}

type Formula = Tokens.Generic & { text: string; display: boolean };

function formulas(typeset: Typeset | null): TokenizerAndRendererExtension[] {
  const kinds: [string, "block" | "inline", RegExp, RegExp, boolean][] = [
    ["shown", "block", /\$\$|\\\[/, /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])(?:\n|$)/, true],
    ["inlineShown", "inline", /\$\$|\\\[/, /^(?:\$\$([^$]+?)\$\$|\\\[([\s\S]+?)\\\])/, true],
    ["inlined", "inline", /\$|\\\(/, /^(?:\$(?![\s\d.,]+\s)((?:\\.|[^$\\\n])+?)(?<!\s)\$(?!\d)|\\\(([\s\S]+?)\\\))/, false],
  ];
  return kinds.map(([name, level, start, whole, display]) => ({
    name,
    level,
    start: (text: string) => {
      const at = text.search(start);
      return at < 0 ? undefined : at;
    },
    tokenizer: (text: string) => {
      const found = whole.exec(text);
      return found ? { type: name, raw: found[0], text: (found[1] ?? found[2] ?? "").trim(), display } : undefined;
    },
    renderer: (token) => {
      const { text, display } = token as Formula;
      return typeset ? typeset(text, display) : `<code>${escaped(text)}</code>`;
    },
  }));
}

const escaped = (text: string) =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** The tags that a model may write itself; all others are shown as they are written. */
const PLAIN = /^<\/?(?:br|sub|sup|b|i|em|strong|u|s|kbd|mark)\s*\/?>$/i;
const ADDRESS = /^(?:https?|mailto):/i;
/** It is asked of every attribute's value, not of addresses alone: one without a scheme is no address. */
const HARMLESS = /^(?:(?:https?|mailto):|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i;

const purify = DOMPurify(window);
purify.addHook("afterSanitizeAttributes", (element) => {
  if (!ADDRESS.test(element.getAttribute("href") ?? "https:")) element.removeAttribute("href"); // none within this server
  if (element.nodeName === "A") {
    element.setAttribute("rel", "noopener noreferrer nofollow");
    element.setAttribute("target", "_blank");
  }
  if (element.nodeName === "PRE" || element.nodeName === "TABLE") element.setAttribute("tabindex", "0");
});

/** In 7*8 the star is a sign of the sum, not the beginning of emphasis. */
function product(text: string, _masked: string, before?: string): Tokens.Em | false {
  const star = /^\*{1,2}(?=[A-Za-z0-9([])/.exec(text)?.[0];
  if (!star || !before || !/[A-Za-z0-9)\]]/.test(before)) return false;
  return { type: "text", raw: star, text: star } as unknown as Tokens.Em; // the parser takes any token here
}

const parsers = new Map<Typeset | null, Marked>();

function parserOf(typeset: Typeset | null): Marked {
  let parser = parsers.get(typeset);
  if (!parser) {
    parser = new Marked({ gfm: true, breaks: true, extensions: undefined });
    parser.use({
      extensions: formulas(typeset),
      tokenizer: { emStrong: product },
      renderer: {
        image: ({ text: words, href }) => escaped(`[${words || href}]`),
        html: ({ text: tag, block }) => (PLAIN.test(tag.trim()) ? tag : block ? `<p>${escaped(tag)}</p>` : escaped(tag)),
      },
    });
    parsers.set(typeset, parser);
  }
  return parser;
}

/** Safe HTML, a piece for each block of the text. Pictures are told by their words, for an address in them would
 * tell others who reads. What can scroll can be reached by keyboard. */
export function blocks(text: string, typeset: Typeset | null): string[] {
  const parser = parserOf(typeset);
  return parser.lexer(text).filter((token) => token.type !== "space" && token.type !== "def").map((token) => safe(parser.parser([token])));
}

const safe = (markup: string) =>
  purify.sanitize(markup, {
    USE_PROFILES: { html: true, mathMl: true },
    ADD_TAGS: ["semantics", "annotation"],
    FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "img", "picture", "video", "audio", "source", "track"],
    FORBID_ATTR: ["style", "class", "id", "name", "srcset", "background"],
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: HARMLESS,
  });

/** All of it in one piece. */
export const html = (text: string, typeset: Typeset | null): string => blocks(text, typeset).join("");
