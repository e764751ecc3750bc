// Which boxes of a tree are drawn, and where: lines without a fork are one box, equal answers are one cluster,
// never more than MOST boxes. Pure. Places follow from the order of birth, so that nothing jumps while it grows.
import { hierarchy } from "d3-hierarchy";
import { ROOT, children, path, worth, type Run, type Step } from "./run";

export const WIDE = 216;
export const HIGH = 54;
const COLUMN = WIDE + 56;
const ROW = HIGH + 14;
const MOST = 300; // boxes drawn at once
const FAN = 8; // boxes below one, before "more"
const YOUNG = 40; // forks among the first steps stand open as long as there is no answer

export type Box = {
  id: string;
  kind: "root" | "line" | "cluster" | "more";
  steps: string[]; // of a line, from the fork on; of a cluster, those of its first line
  members: string[]; // first steps of the lines of a cluster
  parent: string | null;
  below: number; // boxes it could show
  open: boolean;
  best: boolean;
  visits: number;
  value: number | null;
  answer: string | null;
  failed: boolean;
  depth: number;
  x: number;
  y: number;
};
export type View = {
  toggled: ReadonlyMap<string, boolean>; // what a person opened or shut
  more: ReadonlyMap<string, number>; // how many pages of children they asked for
  stood: ReadonlySet<string>; // boxes that stood open a moment ago: while it grows, nothing shuts by itself
};
export type Plan = { boxes: Box[]; hidden: number };

/** The steps from `id` on, up to the next fork. */
export function line(run: Run, id: string): string[] {
  const found = [id];
  for (let next = children(run, id); next.length === 1; next = children(run, next[0]!)) found.push(next[0]!);
  return found;
}

type Item = { id: string; heads: string[]; best: boolean };

/** The lines below a step: those that end in the same answer taken together, the chosen one by itself and first. */
function items(run: Run, at: string, chosen: Set<string>): Item[] {
  const found = new Map<string, Item>();
  for (const head of children(run, at)) {
    const steps = line(run, head);
    const last = run.nodes.get(steps[steps.length - 1]!)!;
    const ended = children(run, last.id).length === 0 && last.status !== "open";
    const own = chosen.has(head) && run.end !== null;
    const group = own || !ended ? head : last.answer === null ? last.status : "=" + last.answer;
    const known = found.get(group);
    if (known) {
      known.heads.push(head);
      known.best ||= chosen.has(head);
    } else found.set(group, { id: head, heads: [head], best: chosen.has(head) }); // a box keeps the name of its first line
  }
  const all = [...found.values()];
  return run.end ? [...all.filter((item) => item.best), ...all.filter((item) => !item.best)] : all;
}

const number = (id: string) => Number(id.slice(1));

/** The boxes to draw. `best`: the step where the answer stands, or null. */
export function plan(run: Run, best: string | null, view: View): Plan {
  const chosen = new Set(path(run, best));
  const root = make(run, { id: ROOT, heads: [], best: chosen.size > 0 }, null, "root");
  const boxes = new Map<string, Box>([[ROOT, root]]);
  const below = new Map<string, string[]>();
  const queue: Box[] = [root];
  let hidden = 0;
  for (let box = queue.shift(); box; box = queue.shift()) {
    const inside = within(run, box, chosen);
    box.below = inside.length;
    const last = box.steps[box.steps.length - 1] ?? ROOT;
    const asked = view.toggled.get(box.id);
    const usual = box === root || chosen.has(last) || (chosen.size === 0 && number(last) <= YOUNG);
    box.open = inside.length > 0 && (asked ?? (box.kind !== "cluster" && (usual || (!run.end && view.stood.has(box.id)))));
    const shown = inside.slice(0, FAN * (1 + (view.more.get(box.id) ?? 0)));
    if (!box.open || boxes.size + shown.length >= MOST) {
      box.open = false;
      hidden += inside.length;
      continue;
    }
    const made = shown.map((item) => make(run, item, box, item.heads.length > 1 ? "cluster" : "line"));
    if (inside.length > shown.length) {
      const rest = inside.slice(shown.length);
      made.push({ ...make(run, { id: `${box.id}+`, heads: rest.flatMap((item) => item.heads), best: false }, box, "more") });
      hidden += rest.length;
    }
    for (const one of made) boxes.set(one.id, one);
    below.set(box.id, made.map((one) => one.id));
    const open = made.filter((one) => one.kind !== "more");
    queue.unshift(...open.filter((one) => one.best)); // the best line is drawn whatever else is
    queue.push(...open.filter((one) => !one.best));
  }
  return { boxes: placed(boxes, below), hidden };
}

function within(run: Run, box: Box, chosen: Set<string>): Item[] {
  if (box.kind === "cluster") return box.members.map((id) => ({ id: `${box.id}.${id}`, heads: [id], best: chosen.has(id) }));
  return items(run, box.steps[box.steps.length - 1] ?? ROOT, chosen);
}

function make(run: Run, item: Item, parent: Box | null, kind: Box["kind"]): Box {
  const heads = item.heads.map((id) => run.nodes.get(id)).filter((step): step is Step => step !== undefined);
  const first = heads[0];
  const steps = first && kind !== "more" ? line(run, first.id) : [];
  const last = run.nodes.get(steps[steps.length - 1] ?? "");
  const values = heads.map((step) => [worth(step), step.visits] as const).filter(([value]) => value !== null);
  const weight = values.reduce((sum, [, visits]) => sum + visits, 0);
  return {
    id: item.id,
    kind,
    steps,
    members: kind === "cluster" || kind === "more" ? item.heads : [],
    parent: parent?.id ?? null,
    below: 0,
    open: false,
    best: item.best,
    visits: heads.reduce((sum, step) => sum + step.visits, 0),
    value: weight ? values.reduce((sum, [value, visits]) => sum + value! * visits, 0) / weight : null,
    answer: last?.answer ?? null,
    failed: last?.status === "failed",
    depth: parent ? parent.depth + 1 : 0,
    x: 0,
    y: 0,
  };
}

/** Left to right; a box stands level with the first one below it, the others as close under it as there is room. */
function placed(boxes: Map<string, Box>, below: Map<string, string[]>): Box[] {
  const tree = hierarchy(boxes.get(ROOT)!, (box) => below.get(box.id)?.map((id) => boxes.get(id)!));
  const spans = new Map<Box, [number, number][]>(); // first and last row taken, column by column from the box on
  tree.eachAfter((node) => {
    const own: [number, number][] = [[0, 0]];
    let last = -1;
    for (const child of node.children ?? []) {
      const rows = spans.get(child.data)!;
      const fits = rows.map(([top], n) => (own[n + 1] ? own[n + 1]![1] + 1 - top : 0));
      const row = Math.max(last + 1, ...fits);
      rows.forEach(([top, bottom], n) => (own[n + 1] = [own[n + 1]?.[0] ?? row + top, row + bottom]));
      child.data.y = row;
      last = row;
    }
    spans.set(node.data, own);
  });
  const order: Box[] = [];
  tree.eachBefore((node) => {
    order.push(node.data);
    node.data.x = node.depth * COLUMN;
    node.data.y = (node.parent?.data.y ?? 0) + node.data.y * ROW;
  });
  return order;
}

/** Where an arrow key leads from a box. */
export function moved(plan: Plan, from: string, key: string): string | null {
  const at = plan.boxes.findIndex((box) => box.id === from);
  const box = plan.boxes[at];
  if (!box) return plan.boxes[0]?.id ?? null;
  if (key === "ArrowLeft") return box.parent;
  if (key === "ArrowRight") return plan.boxes.find((one) => one.parent === box.id)?.id ?? null;
  if (key === "Home") return plan.boxes[0]!.id;
  if (key === "End") return plan.boxes[plan.boxes.length - 1]!.id;
  if (key === "ArrowDown") return plan.boxes[at + 1]?.id ?? null;
  if (key === "ArrowUp") return plan.boxes[at - 1]?.id ?? null;
  return null;
}
