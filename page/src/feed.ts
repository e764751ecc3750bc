// Runs being watched: one stream for each, shared by all parts that show it; it ends when nobody looks.
import { useSyncExternalStore } from "react";
import { RUNS, call } from "./api";
import { empty, take, type Run } from "./run";
import { Refused, follow, type Line } from "./sse";

export type Feed = {
  run: Run;
  line: Line | "refused";
  trouble: Refused | null; // why it is refused; null: there is no such run
  watch: (changed: () => void) => () => void;
  again: () => void;
  stamp: () => number;
  over: () => boolean; // has the server told all there is, as far as is known?
};

const TOGETHER = 80; // milliseconds: a run that is over comes in many pieces, and is drawn once
const feeds = new Map<string, Feed>();

export function feedOf(id: string): Feed {
  const known = feeds.get(id);
  if (known) return known;
  const eyes = new Set<() => void>();
  let stop: AbortController | null = null;
  let stamp = 0;
  const feed: Feed = {
    run: empty(id),
    line: "lost",
    trouble: null,
    over: () => feed.line === "done" || feed.line === "refused",
    stamp: () => stamp,
    watch(changed) {
      eyes.add(changed);
      if (!stop && !feed.over()) begin();
      return () => {
        eyes.delete(changed);
        setTimeout(() => eyes.size === 0 && end(), 1_000);
      };
    },
    again() {
      end();
      feed.line = "open";
      begin();
      tell();
    },
  };
  let soon: ReturnType<typeof setTimeout> | null = null;
  const tell = () => {
    if (soon) clearTimeout(soon);
    soon = null;
    stamp += 1;
    for (const eye of eyes) eye();
  };
  const end = () => {
    stop?.abort();
    stop = null;
  };
  const begin = () => {
    const own = (stop = new AbortController());
    follow(
      (signal) => call(`${RUNS}/${encodeURIComponent(id)}/events?starting_after=${feed.run.seq}`, { signal }),
      (events) => {
        take(feed.run, events);
        soon ??= setTimeout(tell, TOGETHER);
      },
      (line) => {
        feed.line = line;
        tell();
      },
      own.signal,
    )
      .catch((error: unknown) => {
        if (!(error instanceof Refused)) throw error;
        feed.line = "refused";
        feed.trouble = error.status === 404 ? null : error;
        tell();
      })
      .finally(() => {
        if (stop === own) stop = null;
      });
  };
  feeds.set(id, feed);
  return feed;
}

const NONE: Feed = { run: empty(""), line: "done", trouble: null, watch: () => () => undefined, again: () => undefined, stamp: () => 0, over: () => true };

/** The run of that name, kept up to date. */
export function useFeed(id: string | null): Feed {
  const feed = id ? feedOf(id) : NONE;
  useSyncExternalStore(feed.watch, feed.stamp);
  return feed;
}
