// Events as the server tells them, for the tests. `grow` makes a run of many lines from few words.
import { empty, take, type Run, type Step } from "../src/run";
import type { Heard } from "../src/sse";

export function node(id: number, parent: number, rest: Partial<Step> = {}): Step {
  return {
    id: `n${id}`, parent: `n${parent}`, depth: 1, kind: "thought", status: "expanded", visits: 1, value: null, prior: 0.9,
    score: null, tokens: 7, title: `step ${id}`, answer: null, count: 1, text: `step ${id}`, ...rest,
  };
}

let seq = 0;
export const event = (type: string, body: object): Heard => ({ type: `system2:${type}`, seq: seq++, ...body });

export const began = (): Heard => {
  seq = 0;
  return event("run.started", { run: "r", question: "Why?", model: "m", settings: { effort: "high" }, budget: {}, raw: true });
};

export const budget = (tokens: number, dollars: string | null = "0") =>
  event("budget", { tokens, dollars, seconds: null, calls: 1, roles: { policy: tokens }, caps: { tokens: 1000, dollars: null, seconds: null } });

export const end = (chosen: string | null, answer: string | null) =>
  event("run.finished", { answer, why: "converged", samples: 3, cost: "0", seconds: 2.5, chosen, usage: { reasoning: 40 } });

/** `lines` lines of `long` steps each below the root; line n ends with answer n modulo `kinds`. */
export function grow(lines: number, long: number, kinds: number): Run {
  const steps: Step[] = [];
  for (let n = 0; n < lines; n++)
    for (let k = 0; k < long; k++) {
      const id = 1 + n * long + k;
      const last = k === long - 1;
      const ending: Partial<Step> = last ? { kind: "answer", status: "solved", answer: String(n % kinds), score: n % kinds ? 0 : 1 } : {};
      steps.push(node(id, k ? id - 1 : 0, { depth: k + 1, value: n % kinds ? 0 : 1, ...ending }));
    }
  return take(empty("r"), [began(), event("node.added", { nodes: steps })]);
}
