// The server, as the page calls it. Knows the key, which lives as long as the tab and goes in a header only.
import { Refused, refusal } from "./sse";
import type { Vote } from "./run";
import type { Reply } from "./turn";

const KEY = "system2.key";

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value: string) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

export type Model = {
  id: string;
  pricing?: { prompt: string; completion: string } | null;
  system2?: { efforts?: string[]; default_effort?: string; budgets?: Record<string, number> }; // of tokens, by effort
};
export type Row = {
  id: string;
  created_at: number | null;
  status: string;
  model: string | null;
  question: string;
  effort: string | null;
  answer: string | null;
  why: string | null;
  samples: number | null;
  tokens: number | null;
  cost_usd: string | null;
  seconds: number | null;
};
export type Whole = Row & {
  answers: Vote[];
  system2: { distinct_answers: number; confidence: number | null; nodes: number; max_depth: number };
};
export type Budget = { tokens?: number; usd?: number; seconds?: number };

/** A request with the key, if there is one. The error of a network that fails rises as it is. */
export function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  if (init.body) headers.set("Content-Type", "application/json");
  return fetch(path, { ...init, headers, cache: "no-store" });
}

async function json<T>(path: string, init: RequestInit = {}): Promise<T> {
  const reply = await call(path, init);
  if (!reply.ok) throw await refusal(reply);
  return (await reply.json()) as T;
}

export const RUNS = "/v1/system2/runs";

export const models = async () => (await json<{ data: Model[] }>("/v1/models")).data;
export const runs = (after?: string) =>
  json<{ data: Row[]; has_more: boolean }>(`${RUNS}?limit=50${after ? `&after=${encodeURIComponent(after)}` : ""}`);
export const whole = (run: string) => json<Whole>(`${RUNS}/${encodeURIComponent(run)}`);
export const step = (run: string, node: string) =>
  json<{ text: string }>(`${RUNS}/${encodeURIComponent(run)}/nodes/${encodeURIComponent(node)}`);
export const control = (run: string, action: string, add_budget?: Budget) =>
  json<{ success: boolean; message?: string }>(`${RUNS}/${encodeURIComponent(run)}/control`, {
    method: "POST",
    body: JSON.stringify(add_budget ? { action, add_budget } : { action }),
  });
export const cancel = (response: string) =>
  json<Reply>(`/v1/responses/${encodeURIComponent(response)}/cancel`, { method: "POST" });

/** Is it the key that is missing or wrong? */
export const keyless = (error: unknown) => error instanceof Refused && error.status === 401;
