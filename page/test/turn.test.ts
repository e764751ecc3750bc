import { describe, expect, it } from "vitest";
import type { Heard } from "../src/sse";
import { asked, concluded, furthered, hear, label, live } from "../src/turn";

let number = 0;
const event = (type: string, body: object): Heard => ({ type: `response.${type}`, sequence_number: number++, ...body });
const reply = (status: string, rest: object = {}) => ({ id: "resp_1", status, output: [], system2: { run_id: "r1" }, ...rest });
const fresh = () => ((number = 0), asked("t", "Why?", "m", "high", {}, 1_000));
const summary = (index: number, delta: string) => event("reasoning_summary_text.delta", { summary_index: index, delta });

describe("a turn folded from the Responses stream", () => {
  it("thinks, answers and ends, with the time and the bill of the server", () => {
    let turn = hear(fresh(), [event("created", { response: reply("queued") }), summary(0, "**Try"), summary(0, "ing**\n\nOne."), summary(1, "**Check**\n\nTwo.")], 2_000);
    expect([turn.state, turn.run, turn.summaries, label(turn)]).toEqual(["thinking", "r1", ["**Trying**\n\nOne.", "**Check**\n\nTwo."], "Check"]);
    turn = hear(turn, [event("output_text.delta", { delta: "4" })], 5_000);
    expect([turn.state, turn.thinking]).toEqual(["answering", 4_000]);
    const usage = { output_tokens_details: { reasoning_tokens: 1536 }, cost: 0.018 };
    turn = hear(turn, [event("completed", { response: reply("completed", { usage, system2: { run_id: "r1", thinking_ms: 3_900, stop_reason: "converged" } }) })], 9_000);
    expect(turn).toMatchObject({ state: "done", answer: "4", tokens: 1536, dollars: 0.018, thinking: 3_900, why: "converged" });
    expect(live(turn)).toBe(false);
  });
  it("hears nothing twice, so that a line which breaks may be taken up anywhere", () => {
    const events = [event("created", { response: reply("in_progress") }), event("output_text.delta", { delta: "ab" })];
    const turn = hear(hear(fresh(), events, 0), events, 0);
    expect(turn.answer).toBe("ab");
  });
  it("tells a budget that was spent in thought from a failure", () => {
    const spent = hear(fresh(), [event("incomplete", { response: reply("incomplete", { incomplete_details: { reason: "max_output_tokens" } }) })], 0);
    expect([spent.state, spent.answer, spent.why]).toEqual(["incomplete", "", "max_output_tokens"]);
    const broke = hear(fresh(), [event("failed", { response: reply("failed", { error: { message: "no", code: "server_error" } }) })], 0);
    expect([broke.state, broke.error]).toEqual(["failed", "no"]);
  });
  it("goes on with its run as one turn: the time adds up, the old answer stands until there is a better one", () => {
    const stopped = { ...fresh(), state: "stopped" as const, thinking: 5_000, answer: "3", run: "r1", why: "cancelled" };
    const going = furthered(stopped, 20_000);
    expect([live(going), going.past, going.began, going.answer, going.why]).toEqual([true, 5_000, 20_000, "3", null]);
    expect(furthered(going, 30_000)).toBe(going);
    const end = { answer: null, why: "cancelled", samples: 2, cost: "0.1", seconds: 4, chosen: null, usage: { reasoning: 90 } };
    expect(concluded(going, end, 0)).toMatchObject({ state: "stopped", answer: "3", thinking: 9_000, tokens: 90, dollars: 0.1, why: "cancelled", further: false });
    expect(concluded(going, { ...end, answer: "4", why: "converged" }, 0)).toMatchObject({ state: "done", answer: "4" });
    expect(concluded(going, null, 21_000)).toMatchObject({ state: "failed", code: "broken", thinking: 6_000 });
  });
});
