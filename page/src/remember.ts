// What a browser remembers: choices for good, conversations until they are deleted (with a key: as long as the tab).
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
/** A conversation in the list: its first question, and when it was last written to (Unix milliseconds). */
export type Chat = { id: string; title: string; at: number };

const CHOICES = "system2.choices";
const CHATS = "system2.chats";
const THREAD = "system2.thread.";
const LONGEST = 50; // turns
const MOST = 50; // conversations
const TITLE = 120; // characters

const chinese = () => navigator.language.toLowerCase().startsWith("zh");

export function choices(): Choices {
  const rest: Choices = {
    model: null, effort: null, budget: {}, raw: false, language: chinese() ? "zh" : "en", theme: "system", list: false,
  };
  return { ...rest, ...(read(localStorage, CHOICES) as Partial<Choices> | null) };
}

export const choose = (value: Choices) => write(localStorage, CHOICES, value);

const place = () => (key.get() ? sessionStorage : localStorage);

/** The conversations, the newest first. */
export const chats = () => (read(place(), CHATS) as Chat[] | null) ?? [];

export const thread = (chat: string) => (read(place(), THREAD + chat) as Turn[] | null) ?? [];

/** Keep a conversation; the oldest ones make room. */
export function keep(chat: string, turns: Turn[], now: number): void {
  const first = turns[0];
  if (!first) return;
  const all = chats();
  const known = all.find((one) => one.id === chat);
  const title = known?.title ?? first.question.slice(0, TITLE);
  const rest = all.filter((one) => one.id !== chat);
  for (const old of rest.splice(MOST - 1)) place().removeItem(THREAD + old.id);
  write(place(), CHATS, [{ id: chat, title, at: now }, ...rest]);
  write(place(), THREAD + chat, turns.slice(-LONGEST));
}

export function forget(chat: string): void {
  place().removeItem(THREAD + chat);
  write(place(), CHATS, chats().filter((one) => one.id !== chat));
}

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
