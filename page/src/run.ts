// A run as the page knows it: the tree, the vote, the meter, folded from the events of its stream. Pure.
import type { Heard } from "./sse";

export type Step = {
  id: string;
  parent: string;
  depth: number;
  kind: "thought" | "tool" | "answer" | "merge";
  status: "open" | "expanded" | "pruned" | "duplicate" | "solved" | "failed";
  visits: number;
  value: number | null;
  prior: number | null;
  score: number | null;
  tokens: number;
  title: string;
  summary?: string;
  answer: string | null;
  count: number;
  text?: string;
  more?: boolean;
};
export type Vote = { answer: string; votes: number; weight: number; score: number | null };
export type Caps = { tokens?: number | null; dollars?: string | null; seconds?: number | null };
export type Meter = {
  tokens: number;
  dollars: string | null;
  seconds: number | null;
  calls: number;
  roles: Record<string, number>;
  caps: Caps;
};
export type End = {
  answer: string | null;
  why: string;
  samples: number;
  cost: string | null;
  seconds: number;
  chosen: string | null;
  usage: Record<string, number>;
};
/** What a failed call or a step withheld leaves behind. role: whose; text: the server's own words. */
export type Remark = { role: string; text: string };
type Grown = { nodes: Map<string, Step>; below: Map<string, string[]>; answers: Vote[] };
/** What was spent when the vote stood so. */
export type Moment = { tokens: number; dollars: number | null; votes: Vote[] };
export type Run = Grown & {
  id: string;
  question: string;
  model: string | null;
  settings: Record<string, string>;
  raw: boolean;
  seq: number;
  version: number;
  regrown: Grown | null; // of a run that goes on: what has come again, until it is as much as is shown
  past: number; // seconds of earlier goes
  meter: Meter | null;
  notes: Remark[];
  end: End | null;
  course: Moment[];
};

export const ROOT = "n0";

export function empty(id: string): Run {
  return {
    id, question: "", model: null, settings: {}, raw: false, seq: -1, version: 0, nodes: new Map(), below: new Map(),
    answers: [], regrown: null, past: 0, meter: null, notes: [], end: null, course: [],
  };
}

/** Take events in, in place: a tree of thousands is not copied for every word. Those known already are left. */
export function take(run: Run, events: Heard[]): Run {
  for (const event of events) {
    const seq = event.seq as number;
    if (typeof seq !== "number" || seq <= run.seq) continue;
    run.seq = seq;
    one(run, event);
  }
  run.version += 1;
  return run;
}

function one(run: Run, event: Heard): void {
  const at = run.regrown ?? run;
  switch (event.type) {
    case "system2:run.started":
      run.question = event.question as string;
      run.model = (event.model as string) ?? null;
      run.settings = event.settings as Record<string, string>;
      run.raw = event.raw === true;
      if (event.resumed === true) goesOn(run);
      break;
    case "system2:node.added":
      for (const node of event.nodes as Step[]) {
        at.nodes.set(node.id, node);
        const siblings = at.below.get(node.parent);
        if (siblings) siblings.push(node.id);
        else at.below.set(node.parent, [node.id]);
      }
      if (run.regrown && run.regrown.nodes.size >= run.nodes.size) show(run, run.regrown);
      break;
    case "system2:node.updated":
      for (const part of event.nodes as (Partial<Step> & { id: string })[]) {
        const known = at.nodes.get(part.id);
        if (known) at.nodes.set(part.id, { ...known, ...part, summary: part.summary || known.summary });
      }
      break;
    case "system2:answer.candidate":
      at.answers = event.answers as Vote[];
      break;
    case "system2:note":
      run.notes.push({ role: (event.role as string) ?? "", text: event.text as string });
      break;
    case "system2:budget": {
      const meter = event as unknown as Meter;
      run.meter = { ...meter, seconds: meter.seconds ?? run.meter?.seconds ?? null };
      if (run.answers.length && !run.regrown) {
        const dollars = meter.dollars === null ? null : Number(meter.dollars);
        run.course.push({ tokens: meter.tokens, dollars, votes: run.answers });
      }
      break;
    }
    case "system2:run.finished":
      run.end = event as unknown as End;
      if (run.regrown) settle(run, run.regrown);
      break;
  }
}

/** The run goes on: its tree grows anew, from what was paid for, and the old one is shown meanwhile. */
function goesOn(run: Run): void {
  run.past += run.end?.seconds ?? run.meter?.seconds ?? 0;
  if (run.meter) run.meter = { ...run.meter, seconds: 0 };
  run.end = null;
  run.regrown = { nodes: new Map(), below: new Map(), answers: [] };
}

const same = (one: Step | undefined, two: Step | undefined) =>
  one !== undefined && two !== undefined && one.parent === two.parent && one.tokens === two.tokens && one.title === two.title && one.answer === two.answer;
const voters = (answers: Vote[]) => answers.reduce((sum, vote) => sum + vote.votes, 0);

/** Show the tree that grew anew. What summaries said of a step is told once only, and is kept. */
function show(run: Run, grown: Grown): void {
  for (const [id, step] of grown.nodes) {
    const before = run.nodes.get(id);
    if (!step.summary && before?.summary && same(before, step)) grown.nodes.set(id, { ...step, summary: before.summary });
  }
  run.nodes = grown.nodes;
  run.below = grown.below;
  if (voters(grown.answers) >= voters(run.answers)) run.answers = grown.answers;
  run.regrown = null;
}

/** It ended before all had come again: the larger tree stays, if it is the same one; and the larger vote. */
function settle(run: Run, grown: Grown): void {
  const chosen = run.end?.chosen;
  if (chosen && !same(run.nodes.get(chosen), grown.nodes.get(chosen))) show(run, grown);
  else if (voters(grown.answers) > voters(run.answers)) run.answers = grown.answers;
  run.regrown = null;
}

export const children = (run: Run, id: string): string[] => run.below.get(id) ?? [];

/** How good a step looks, from 0 to 1: the verifier's word; null: nobody has said. */
export const worth = (step: Step): number | null => step.value ?? step.score;

/** Where the answer stands, or the most promising line so far. */
export function best(run: Run): string | null {
  if (run.end) return run.end.chosen;
  const leading = run.answers[0]?.answer;
  let found: Step | null = null;
  for (const step of run.nodes.values()) {
    if (step.kind !== "answer" || step.answer === null) continue;
    if (found && (step.score ?? 0.5) <= (found.score ?? 0.5)) continue;
    if (step.score === 1 || step.answer === leading) found = step;
  }
  return found?.id ?? null;
}

/** A step and all above it, from the first thought on. */
export function path(run: Run, id: string | null): string[] {
  const found: string[] = [];
  for (let at = id ? run.nodes.get(id) : undefined; at; at = run.nodes.get(at.parent)) found.push(at.id);
  return found.reverse();
}

/** The share of the votes that an answer had at every moment of the run. */
export function shares(run: Run, answer: string | null): { tokens: number; dollars: number | null; share: number }[] {
  return run.course.map(({ tokens, dollars, votes }) => {
    const all = votes.reduce((sum, vote) => sum + vote.votes, 0);
    const own = votes.find((vote) => vote.answer === answer)?.votes ?? 0;
    return { tokens, dollars, share: all ? own / all : 0 };
  });
}
