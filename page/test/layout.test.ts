import { describe, expect, it } from "vitest";
import { moved, plan, type Box, type View } from "../src/layout";
import { best, empty, take } from "../src/run";
import { began, end, event, grow, node } from "./events";

const view = (part: Partial<View> = {}): View => ({ toggled: new Map(), more: new Map(), stood: new Set(), ...part });
const apart = (boxes: Box[]) => new Set(boxes.map((box) => `${box.x} ${box.y}`)).size === boxes.length;

describe("the boxes of a tree", () => {
  it("draws a line without forks as one box, and equal answers as one cluster", () => {
    const { boxes } = plan(grow(1024, 5, 4), null, view());
    expect(boxes.map((box) => box.kind)).toEqual(["root", "cluster", "cluster", "cluster", "cluster"]);
    expect(boxes.map((box) => box.members.length)).toEqual([0, 256, 256, 256, 256]);
    expect(boxes[1]!.value).toBe(1);
    expect(boxes[2]!.value).toBe(0);
  });
  it("never draws more than three hundred boxes, and none upon another", () => {
    const run = grow(1024, 3, 1024);
    const all = view({ more: new Map([["n0", 1000]]) });
    for (const one of [plan(run, null, view()), plan(run, null, all)]) {
      expect(one.boxes.length).toBeLessThanOrEqual(300);
      expect(one.hidden).toBeGreaterThan(0);
      expect(apart(one.boxes)).toBe(true);
    }
  });
  it("moves nothing that stands when another line comes", () => {
    const less = plan(grow(5, 3, 5), null, view()).boxes;
    const more = plan(grow(7, 3, 7), null, view()).boxes;
    for (const box of less) expect(more.find((one) => one.id === box.id)).toMatchObject({ x: box.x, y: box.y });
  });
  it("keeps a line's place when a second one joins it in a cluster", () => {
    const one = plan(grow(1, 3, 1), null, view()).boxes[1]!;
    const two = plan(grow(2, 3, 1), null, view()).boxes[1]!;
    expect([one.kind, two.kind, two.id]).toEqual(["line", "cluster", one.id]);
  });
  it("puts the chosen line first and by itself once the run is over", () => {
    const run = take(grow(20, 3, 2), [event("answer.candidate", { answers: [] })]);
    take(run, [{ ...end("n6", "1"), seq: run.seq + 1 }]);
    const { boxes } = plan(run, best(run), view());
    expect(boxes[1]).toMatchObject({ kind: "line", id: "n4", best: true, y: 0 });
    expect(boxes.filter((box) => box.best).map((box) => box.id)).toEqual(["n0", "n4"]);
  });
  it("opens and shuts what a person says, and shows more when asked", () => {
    const run = grow(30, 2, 30);
    expect(plan(run, null, view()).boxes.filter((box) => box.kind === "more")[0]!.members.length).toBe(22);
    expect(plan(run, null, view({ more: new Map([["n0", 3]]) })).boxes.length).toBe(31);
    expect(plan(run, null, view({ toggled: new Map([["n0", false]]) })).boxes.length).toBe(1);
  });
  it("shuts nothing by itself while the tree grows", () => {
    const fork = [node(1, 0), node(2, 1), node(3, 1), node(90, 2), node(91, 2), node(92, 3), node(93, 3)];
    const run = take(empty("r"), [began(), event("node.added", { nodes: fork })]);
    const before = plan(run, null, view());
    const stood = new Set(before.boxes.filter((box) => box.open).map((box) => box.id));
    take(run, [event("node.added", { nodes: [node(94, 3, { kind: "answer", answer: "4", score: 1, status: "solved" })] })]);
    expect(plan(run, best(run), view()).boxes.find((box) => box.id === "n2")!.open).toBe(false);
    expect(plan(run, best(run), view({ stood })).boxes.find((box) => box.id === "n2")!.open).toBe(true);
  });
  it("is walked with the arrow keys", () => {
    const found = plan(grow(3, 2, 3), null, view());
    const ids = found.boxes.map((box) => box.id);
    expect(moved(found, ids[0]!, "ArrowRight")).toBe(ids[1]);
    expect(moved(found, ids[1]!, "ArrowDown")).toBe(ids[2]);
    expect(moved(found, ids[2]!, "ArrowLeft")).toBe(ids[0]);
    expect(moved(found, ids[0]!, "ArrowUp")).toBeNull();
    expect(moved(found, ids[0]!, "End")).toBe(ids[3]);
  });
});
