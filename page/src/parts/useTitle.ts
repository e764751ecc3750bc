// The name of the window, which is also what the browser's history shows.
import { useEffect } from "react";

const LONGEST = 60; // characters

export function useTitle(title: string): void {
  useEffect(() => {
    const line = title.replace(/\s+/g, " ").trim();
    document.title = (line.length > LONGEST ? line.slice(0, LONGEST - 1) + "…" : line) + (line ? " · " : "") + "system2";
  }, [title]);
}
