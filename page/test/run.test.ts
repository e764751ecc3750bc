import { describe, expect, it } from "vitest";
import { best, children, empty, path, shares, take } from "../src/run";
import { began, budget, end, event, grow, node } from "./events";

const vote = (answer: string, votes: number) => ({ answer, votes, weight: votes, score: null });

describe("a run folded from its events", () => {
  it("grows a tree, counts, and knows where the answer stands", () => {
    const run = take(empty("r"), [
      began(),
      event("node.added", { nodes: [node(1, 0), node(2, 1, { kind: "answer", answer: "4", score: 1, status: "solved" })] }),
      event("node.added", { nodes: [node(3, 1, { kind: "answer", answer: "5", score: 0, status: "failed" })] }),
      event("node.updated", { nodes: [{ id: "n1", visits: 2, value: 0.5 }] }),
    ]);
    expect(children(run, "n0")).toEqual(["n1"]);
    expect(children(run, "n1")).toEqual(["n2", "n3"]);
    expect(run.nodes.get("n1")).toMatchObject({ visits: 2, value: 0.5, title: "step 1" });
    expect(best(run)).toBe("n2");
    take(run, [end("n3", "5")]);
    expect(path(run, best(run))).toEqual(["n1", "n3"]);
  });
  it("leaves what it has heard: a stream that is resumed too early changes nothing", () => {
    const events = [began(), event("node.added", { nodes: [node(1, 0)] }), budget(10)];
    const run = take(empty("r"), events);
    take(run, events);
    expect(children(run, "n0")).toEqual(["n1"]);
    expect(run.seq).toBe(2);
  });
  const resumed = () => event("run.started", { question: "Why?", settings: {}, raw: true, resumed: true });
  it("goes on: what there was is shown until as much has grown again, and stands as it was told", () => {
    const run = grow(3, 2, 1);
    take(run, [
      event("node.updated", { nodes: [{ id: "n1", summary: "Trying" }] }), event("answer.candidate", { answers: [vote("0", 3)] }), budget(90),
      end("n2", "0"), resumed(), event("node.added", { nodes: [node(1, 0), node(2, 1)] }), event("answer.candidate", { answers: [vote("0", 1)] }),
    ]);
    expect([run.nodes.size, run.answers, run.end, run.past]).toEqual([6, [vote("0", 3)], null, 2.5]);
    take(run, [event("node.added", { nodes: [node(3, 0), node(4, 3), node(5, 0), node(6, 5), node(7, 0)] }), event("answer.candidate", { answers: [vote("0", 4)] })]);
    expect([run.nodes.size, run.answers, run.nodes.get("n1")?.summary]).toEqual([7, [vote("0", 4)], "Trying"]);
    expect(children(run, "n0")).toEqual(["n1", "n3", "n5", "n7"]);
  });
  it("keeps tree and vote when it is stopped before all has grown again", () => {
    const run = grow(3, 2, 1);
    take(run, [event("answer.candidate", { answers: [vote("0", 3)] }), end(null, null), resumed(), event("node.added", { nodes: [node(1, 0)] }), end(null, null)]);
    expect([run.nodes.size, run.answers, run.regrown, run.past]).toEqual([6, [vote("0", 3)], null, 2.5]);
  });
  it("believes the new tree where the answer stands in another place", () => {
    const run = grow(3, 2, 1);
    take(run, [end(null, null), resumed(), event("node.added", { nodes: [node(1, 0, { tokens: 9, answer: "8" })] }), end("n1", "8")]);
    expect([run.nodes.size, best(run)]).toEqual([1, "n1"]);
  });
  it("remembers how the vote stood at what cost", () => {
    const run = take(empty("r"), [
      began(), budget(5),
      event("answer.candidate", { answers: [vote("4", 1)] }), budget(10, "0.1"),
      event("answer.candidate", { answers: [vote("5", 3), vote("4", 1)] }), budget(40, null),
    ]);
    expect(shares(run, "4")).toEqual([{ tokens: 10, dollars: 0.1, share: 1 }, { tokens: 40, dollars: null, share: 0.25 }]);
  });
});
