// Conversations as state, shared by all parts that show them: asked, followed, stopped, and found again after a reload.
import { useSyncExternalStore } from "react";
import { call, cancel, control, keyless, type Budget } from "./api";
import { feedOf } from "./feed";
import type { Language } from "./format";
import { chats, forget, keep, thread as kept } from "./remember";
import { Refused, follow } from "./sse";
import { asked, concluded, ended, failed, furthered, hear, live, type Turn } from "./turn";

export type Thread = {
  turns: () => Turn[];
  lost: () => boolean;
  ask: (question: string, model: string, effort: string, budget: Budget, raw: boolean, language: Language) => Promise<void>;
  stop: (turn: Turn) => Promise<void>;
  hurry: (turn: Turn) => void;
  onward: (run: string) => void;
  drop: () => void;
  watch: (changed: () => void) => () => void;
  stamp: () => number;
};

const OFTEN = 500; // milliseconds between two times that a growing conversation is written down
const threads = new Map<string, Thread>();
export const door = { refused: () => undefined as void, unreadable: false }; // what holds for the key, whichever the conversation

/** The conversation of that name. Those under way go on while another one is looked at. */
export function threadOf(chat: string): Thread {
  const known = threads.get(chat);
  if (known) return known;
  let turns = kept(chat);
  let lost = false;
  let stamp = 0;
  let pending: ReturnType<typeof setTimeout> | null = null;
  const eyes = new Set<() => void>();
  const lines = new Map<string, AbortController>();
  const tell = () => {
    stamp += 1;
    for (const eye of eyes) eye();
  };
  let dropped = false;
  const write = () => {
    if (pending) clearTimeout(pending);
    pending = null;
    if (!dropped) keep(chat, turns, Date.now());
  };
  const put = (next: Turn[]) => {
    turns = next;
    if (!turns.some(live)) write();
    else pending ??= setTimeout(write, OFTEN);
    tell();
  };
  addEventListener("pagehide", () => pending && write());
  const of = (id: string) => turns.find((turn) => turn.id === id)!;
  const change = (id: string, by: (turn: Turn) => Turn) => put(turns.map((turn) => (turn.id === id ? by(turn) : turn)));

  /** Follow a turn's stream: `first` asks the question, every later line goes on after what was heard. */
  const attend = async (id: string, first: ((signal: AbortSignal) => Promise<Response>) | null) => {
    const stop = new AbortController();
    lines.set(id, stop);
    let open = first;
    try {
      await follow(
        (signal) => {
          const { response, seq } = of(id);
          if (response) return call(`/v1/responses/${encodeURIComponent(response)}?stream=true&starting_after=${seq}`, { signal });
          if (!open) throw new Refused(410, "");
          const asking = open;
          open = null; // a question is asked once: it may cost money
          return asking(signal);
        },
        (events) => change(id, (turn) => hear(turn, events, Date.now())),
        (line) => {
          if (lost === (line === "lost")) return;
          lost = line === "lost";
          tell();
        },
        stop.signal,
      );
      if (!stop.signal.aborted && live(of(id))) change(id, (one) => failed(one, "", "broken"));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.status === 403 && error.code === "insufficient_scope") door.unreadable = true;
      if (keyless(error)) door.refused();
      change(id, (turn) => failed(turn, error.message, error.code));
      return error;
    } finally {
      if (lines.get(id) === stop) lines.delete(id);
      lost = false;
      tell();
    }
    return null;
  };

  /** Follow a turn by its run, which has been given more, to the end of it. */
  const pursue = (id: string) => {
    const feed = feedOf(of(id).run!);
    const unwatch = feed.watch(() => {
      if (!feed.over()) return;
      unwatch();
      change(id, (turn) => concluded(turn, feed.run.end, Date.now()));
    });
  };

  const ask: Thread["ask"] = async (question, model, effort, budget, raw, language) => {
    const id = `${Date.now().toString(36)}-${turns.length}`;
    const before = [...turns].reverse().find((turn) => turn.response && turn.state !== "failed");
    put([...turns, asked(id, question, model, effort, budget, Date.now())]);
    write();
    const body = (visible: "raw" | "summary") =>
      JSON.stringify({
        model,
        input: question,
        ...(before?.response ? { previous_response_id: before.response } : {}),
        reasoning: { effort, summary: "auto" },
        stream: true,
        background: true,
        store: true,
        system2: {
          ...(Object.keys(budget).length ? { budget } : {}),
          reasoning_visibility: visible,
          summary_language: language === "zh" ? "zh-CN" : "en",
        },
      });
    const asking = (visible: "raw" | "summary") => (signal: AbortSignal) =>
      call("/v1/responses", { method: "POST", body: body(visible), signal });
    const error = await attend(id, asking(raw ? "raw" : "summary"));
    if (raw && error?.code === "insufficient_scope") {
      change(id, (turn) => ({ ...turn, state: "waiting", error: null, code: null }));
      await attend(id, asking("summary"));
    }
  };

  const stop = async (turn: Turn) => {
    if (turn.further) return void (await control(turn.run!, "stop").catch(() => undefined)); // its stream tells the end
    if (!turn.response) {
      lines.get(turn.id)?.abort();
      return change(turn.id, (one) => ({ ...one, state: "stopped" }));
    }
    try {
      const reply = await cancel(turn.response);
      lines.get(turn.id)?.abort();
      change(turn.id, (one) => ({ ...ended(one, reply, Date.now()), state: "stopped" }));
    } catch {
      if (turn.run) await control(turn.run, "stop").catch(() => undefined);
    }
  };
  const made: Thread = {
    turns: () => turns,
    lost: () => lost,
    ask,
    stop,
    hurry: (turn) => void (turn.run && control(turn.run, "answer_now").catch(() => undefined)),
    onward(run) {
      const turn = turns.find((one) => one.run === run && !live(one));
      if (!turn) return; // it has not ended: its own stream tells all
      change(turn.id, (one) => furthered(one, Date.now()));
      pursue(turn.id);
    },
    drop() {
      dropped = true;
      forget(chat);
      threads.delete(chat);
      for (const turn of turns) if (live(turn)) void stop(turn);
    },
    watch(changed) {
      eyes.add(changed);
      return () => void eyes.delete(changed);
    },
    stamp: () => stamp,
  };
  threads.set(chat, made);
  for (const turn of turns)
    if (live(turn)) turn.further ? pursue(turn.id) : void attend(turn.id, null); // after a reload
  return made;
}

/** The conversation of that name, kept up to date. */
export function useThread(chat: string): Thread {
  const thread = threadOf(chat);
  useSyncExternalStore(thread.watch, thread.stamp);
  return thread;
}

/** Add to a run's budget; one that was over goes on, wherever it is shown. Raises Refused. */
export async function goOn(run: string, budget: Budget): Promise<void> {
  await control(run, "more", budget);
  feedOf(run).again();
  for (const { id } of chats()) if (threads.has(id) || kept(id).some((turn) => turn.run === run)) threadOf(id).onward(run);
}
