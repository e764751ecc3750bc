// What a browser remembers: choices for good, the conversation until it is cleared (with a key: as long as the tab).
import { key } from "./api";
import type { Turn } from "./turn";
import type { Budget } from "./api";
import type { Language } from "./format";

export type Theme = "system" | "light" | "dark";
export type Choices = {
  model: string | null;
  effort: string | null;
  budget: Budget;
  raw: boolean;
  language: Language;
  theme: Theme;
  list: boolean;
};

const CHOICES = "system2.choices";
const THREAD = "system2.thread";
const LONGEST = 50; // turns

const chinese = () => navigator.language.toLowerCase().startsWith("zh");

export function choices(): Choices {
  const rest: Choices = {
    model: null, effort: null, budget: {}, raw: false, language: chinese() ? "zh" : "en", theme: "system", list: false,
  };
  return { ...rest, ...(read(localStorage, CHOICES) as Partial<Choices> | null) };
}

export const choose = (value: Choices) => write(localStorage, CHOICES, value);

const place = () => (key.get() ? sessionStorage : localStorage);

export const thread = () => (read(place(), THREAD) as Turn[] | null) ?? [];
export const keep = (turns: Turn[]) => write(place(), THREAD, turns.slice(-LONGEST));

function read(store: Storage, name: string): unknown {
  try {
    return JSON.parse(store.getItem(name) ?? "null");
  } catch {
    return null; // another version wrote it
  }
}

function write(store: Storage, name: string, value: unknown): void {
  try {
    store.setItem(name, JSON.stringify(value));
  } catch {
    // a full or forbidden store: the page works on, and forgets
  }
}
