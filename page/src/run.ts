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
/** What was spent when the vote stood so. */
export type Moment = { tokens: number; dollars: number | null; votes: Vote[] };
export type Run = {
  id: string;
  question: string;
  model: string | null;
  settings: Record<string, string>;
  raw: boolean;
  seq: number;
  version: number;
  nodes: Map<string, Step>;
  below: Map<string, string[]>;
  answers: Vote[];
  meter: Meter | null;
  notes: string[];
  end: End | null;
  course: Moment[];
};

export const ROOT = "n0";

export function empty(id: string): Run {
  return {
    id, question: "", model: null, settings: {}, raw: false, seq: -1, version: 0, nodes: new Map(), below: new Map(),
    answers: [], meter: null, notes: [], end: null, course: [],
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
  switch (event.type) {
    case "system2:run.started":
      run.question = event.question as string;
      run.model = (event.model as string) ?? null;
      run.settings = event.settings as Record<string, string>;
      run.raw = event.raw === true;
      run.nodes.clear(); // a run that goes on grows anew
      run.below.clear();
      run.answers = [];
      run.end = null;
      run.course = [];
      break;
    case "system2:node.added":
      for (const node of event.nodes as Step[]) {
        run.nodes.set(node.id, node);
        const siblings = run.below.get(node.parent);
        if (siblings) siblings.push(node.id);
        else run.below.set(node.parent, [node.id]);
      }
      break;
    case "system2:node.updated":
      for (const part of event.nodes as (Partial<Step> & { id: string })[]) {
        const known = run.nodes.get(part.id);
        if (known) run.nodes.set(part.id, { ...known, ...part });
      }
      break;
    case "system2:answer.candidate":
      run.answers = event.answers as Vote[];
      break;
    case "system2:note":
      run.notes.push(event.text as string);
      break;
    case "system2:budget": {
      const meter = event as unknown as Meter;
      run.meter = { ...meter, seconds: meter.seconds ?? run.meter?.seconds ?? null };
      if (run.answers.length) {
        const dollars = meter.dollars === null ? null : Number(meter.dollars);
        run.course.push({ tokens: meter.tokens, dollars, votes: run.answers });
      }
      break;
    }
    case "system2:run.finished":
      run.end = event as unknown as End;
      break;
  }
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
