// The conversation as state: asks, follows, stops, and finds everything again after a reload.
import { useCallback, useEffect, useRef, useState } from "react";
import { call, cancel, control, keyless, type Budget } from "./api";
import { feedOf } from "./feed";
import type { Language } from "./format";
import { keep, thread as kept } from "./remember";
import { Refused, follow } from "./sse";
import { asked, ended, failed, hear, live, type Turn } from "./turn";

export function useThread(refused: () => void) {
  const [turns, setTurns] = useState<Turn[]>(kept);
  const [lost, setLost] = useState(false);
  const [unreadable, setUnreadable] = useState(false);
  const now = useRef(turns);
  const told = useRef(refused);
  told.current = refused;
  const lines = useRef(new Map<string, AbortController>());

  const change = useCallback((id: string, by: (turn: Turn) => Turn) => {
    now.current = now.current.map((turn) => (turn.id === id ? by(turn) : turn));
    keep(now.current);
    setTurns(now.current);
  }, []);

  /** Follow a turn's stream: `first` asks the question, every later line goes on after what was heard. */
  const attend = useCallback(
    async (id: string, first: ((signal: AbortSignal) => Promise<Response>) | null) => {
      const stop = new AbortController();
      lines.current.set(id, stop);
      let open = first;
      const of = () => now.current.find((turn) => turn.id === id)!;
      try {
        await follow(
          (signal) => {
            const { response, seq } = of();
            if (response) return call(`/v1/responses/${encodeURIComponent(response)}?stream=true&starting_after=${seq}`, { signal });
            if (!open) throw new Refused(410, "");
            const asking = open;
            open = null; // a question is asked once: it may cost money
            return asking(signal);
          },
          (events) => change(id, (turn) => hear(turn, events, Date.now())),
          (line) => setLost(line === "lost"),
          stop.signal,
        );
        const turn = of();
        if (!stop.signal.aborted && turn && live(turn)) change(id, (one) => failed(one, "", "broken"));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.status === 403 && error.code === "insufficient_scope") setUnreadable(true);
        if (keyless(error)) told.current();
        change(id, (turn) => failed(turn, error.message, error.code));
        return error;
      } finally {
        if (lines.current.get(id) === stop) lines.current.delete(id);
        setLost(false);
      }
      return null;
    },
    [change],
  );

  useEffect(() => {
    const held = lines.current;
    for (const turn of now.current) if (live(turn) && !held.has(turn.id)) void attend(turn.id, null); // after a reload
    return () => {
      for (const stop of held.values()) stop.abort();
      held.clear();
    };
  }, [attend]);

  const ask = async (question: string, model: string, effort: string, budget: Budget, raw: boolean, language: Language) => {
    const id = `${Date.now().toString(36)}-${now.current.length}`;
    const before = [...now.current].reverse().find((turn) => turn.response && turn.state !== "failed");
    now.current = [...now.current, asked(id, question, model, effort, budget, Date.now())];
    keep(now.current);
    setTurns(now.current);
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
    if (!turn.response) {
      lines.current.get(turn.id)?.abort();
      change(turn.id, (one) => ({ ...one, state: "stopped" }));
      return;
    }
    try {
      const reply = await cancel(turn.response);
      lines.current.get(turn.id)?.abort();
      change(turn.id, (one) => ({ ...ended(one, reply, Date.now()), state: "stopped" }));
    } catch {
      if (turn.run) await control(turn.run, "stop").catch(() => undefined); // its stream tells the end
    }
  };
  const hurry = (turn: Turn) => {
    if (turn.run) void control(turn.run, "answer_now").catch(() => undefined);
  };

  /** Add to a run's budget; one that was over goes on, and its new answer replaces the old one. */
  const more = async (run: string, budget: Budget) => {
    await control(run, "more", budget);
    const feed = feedOf(run);
    if (!feed.run.end) return;
    feed.run.end = null;
    feed.again();
    const unwatch = feed.watch(() => {
      const end = feed.run.end;
      if (!end) return;
      unwatch();
      for (const turn of now.current)
        if (turn.run === run)
          change(turn.id, (one) => ({
            ...one,
            state: end.answer === null ? one.state : "done",
            answer: end.answer ?? one.answer,
            why: end.why,
            tokens: end.usage.reasoning ?? one.tokens,
            dollars: end.cost === null ? null : Number(end.cost),
            thinking: (one.thinking ?? 0) + end.seconds * 1000,
          }));
    });
  };
  const clear = () => {
    now.current = [];
    keep([]);
    setTurns([]);
  };
  return { turns, lost, unreadable, ask, stop, hurry, more, clear };
}
