// One turn of the chat, folded from the Responses stream. Pure: knows no network; the clock is handed in.
import type { Heard } from "./sse";
import type { Budget } from "./api";
import type { End } from "./run";

export type State = "waiting" | "thinking" | "answering" | "done" | "incomplete" | "stopped" | "failed";
export type Turn = {
  id: string;
  question: string;
  model: string;
  effort: string;
  budget: Budget;
  response: string | null;
  run: string | null;
  seq: number;
  state: State;
  began: number; // milliseconds, by this machine's clock
  thinking: number | null; // milliseconds, once it is over; of all goes together
  past: number; // milliseconds of earlier goes at the same run
  further: boolean; // its run goes on past the reply: it is the run that is followed then
  summaries: string[];
  raw: string;
  answer: string;
  tokens: number | null; // of thoughts
  dollars: number | null;
  why: string | null;
  error: string | null;
  code: string | null;
};

export function asked(id: string, question: string, model: string, effort: string, budget: Budget, now: number): Turn {
  return {
    id, question, model, effort, budget, response: null, run: null, seq: -1, state: "waiting", began: now, thinking: null,
    past: 0, further: false, summaries: [], raw: "", answer: "", tokens: null, dollars: null, why: null, error: null, code: null,
  };
}

export const live = (turn: Turn) => turn.state === "waiting" || turn.state === "thinking" || turn.state === "answering";

/** A response object, as far as the page reads it. */
export type Reply = {
  id: string;
  status: string;
  error?: { message?: string; code?: string } | null;
  output?: { type: string; content?: { type: string; text?: string; refusal?: string }[] }[];
  usage?: { output_tokens_details?: { reasoning_tokens?: number }; cost?: number | null } | null;
  incomplete_details?: { reason?: string } | null;
  system2?: { run_id?: string; thinking_ms?: number; stop_reason?: string } | null;
};

/** The turn after these events; those it has heard already are left. */
export function hear(turn: Turn, events: Heard[], now: number): Turn {
  let next = turn;
  for (const event of events) {
    const number = event.sequence_number;
    if (typeof number === "number") {
      if (number <= next.seq) continue;
      next = { ...next, seq: number };
    }
    next = one(next, event, now);
  }
  return next;
}

function one(turn: Turn, event: Heard, now: number): Turn {
  const delta = typeof event.delta === "string" ? event.delta : "";
  switch (event.type) {
    case "response.created":
    case "response.queued":
    case "response.in_progress": {
      const reply = event.response as Reply;
      const state = turn.state === "waiting" ? "thinking" : turn.state;
      return { ...turn, response: reply.id, run: reply.system2?.run_id ?? turn.run, state };
    }
    case "response.reasoning_summary_text.delta":
      return { ...turn, summaries: added(turn.summaries, event.summary_index as number, delta) };
    case "response.reasoning_summary_text.done":
      return { ...turn, summaries: put(turn.summaries, event.summary_index as number, event.text as string) };
    case "response.reasoning_text.delta":
    case "response.reasoning.delta":
      return { ...turn, raw: turn.raw + delta };
    case "response.output_text.delta":
    case "response.refusal.delta":
      return { ...turn, state: "answering", thinking: turn.thinking ?? now - turn.began, answer: turn.answer + delta };
    case "response.output_text.done":
      return { ...turn, answer: (event.text as string) ?? turn.answer };
    case "response.completed":
    case "response.incomplete":
    case "response.failed":
    case "response.cancelled":
      return ended(turn, event.response as Reply, now);
    case "error": // the flat form and the nested one
      return failed(turn, String(event.message ?? (event.error as { message?: string })?.message ?? ""), null);
    default:
      return turn;
  }
}

/** The turn when the whole reply is there, by a stream or by asking for it. */
export function ended(turn: Turn, reply: Reply, now: number): Turn {
  const text = (reply.output ?? [])
    .filter((item) => item.type === "message")
    .flatMap((item) => item.content ?? [])
    .map((part) => part.text ?? part.refusal ?? "")
    .join("");
  const states: Record<string, State> = { completed: "done", incomplete: "incomplete", cancelled: "stopped", failed: "failed" };
  return {
    ...turn,
    response: reply.id ?? turn.response,
    run: reply.system2?.run_id ?? turn.run,
    state: states[reply.status] ?? "failed",
    answer: text || turn.answer,
    thinking: reply.system2?.thinking_ms ?? turn.thinking ?? now - turn.began,
    tokens: reply.usage?.output_tokens_details?.reasoning_tokens ?? turn.tokens,
    dollars: reply.usage?.cost ?? null,
    why: reply.system2?.stop_reason ?? reply.incomplete_details?.reason ?? null,
    error: reply.error?.message ?? null,
    code: reply.error?.code ?? null,
  };
}

export const failed = (turn: Turn, message: string, code: string | null): Turn => ({
  ...turn, state: "failed", error: message, code,
});

/** The turn whose run has been given more and goes on. What it had answered stands until there is better. */
export const furthered = (turn: Turn, now: number): Turn =>
  live(turn) ? turn : { ...turn, state: "thinking", further: true, past: turn.thinking ?? 0, thinking: null, began: now, why: null, error: null, code: null };

/** The turn when its run, which went on, has come to an end; null: the server told of none. */
export function concluded(turn: Turn, end: End | null, now: number): Turn {
  if (!end) return { ...failed(turn, "", "broken"), further: false, thinking: turn.past + now - turn.began };
  const answer = end.answer ?? turn.answer;
  return {
    ...turn,
    further: false,
    state: end.why === "cancelled" ? "stopped" : end.why === "failed" ? "failed" : answer ? "done" : "incomplete",
    answer,
    why: end.why,
    tokens: end.usage.reasoning ?? turn.tokens,
    dollars: end.cost === null ? null : Number(end.cost),
    thinking: turn.past + end.seconds * 1000,
  };
}

const put = (list: string[], at: number, text: string) => Object.assign([...list], { [at]: text }) as string[];
const added = (list: string[], at: number, text: string) => put(list, at, (list[at] ?? "") + text);

/** The bold title of the newest summary. */
export function label(turn: Turn): string | null {
  for (const text of [...turn.summaries].reverse()) {
    const title = /^\s*\*\*([^*\n]+)\*\*/.exec(text ?? "")?.[1]?.trim();
    if (title) return title;
  }
  return null;
}
