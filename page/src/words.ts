// The language of the page, where every part can read it.
import { createContext, useContext } from "react";
import type { Language } from "./format";
import { en, type Words } from "./words/en";
import { zh } from "./words/zh";

export const LANGUAGES: Record<Language, Words> = { en, zh };
export const Tongue = createContext<Language>("en");
export const useLanguage = (): Language => useContext(Tongue);
export const useWords = (): Words => LANGUAGES[useContext(Tongue)];
