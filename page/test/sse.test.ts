import { describe, expect, it } from "vitest";
import { Refused, blocks, follow, type Heard } from "../src/sse";

function stream(...pieces: string[]): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(pieces.join("\u0000"));
  const cuts: Uint8Array[] = [];
  let from = 0;
  bytes.forEach((byte, at) => {
    if (byte === 0) {
      cuts.push(bytes.slice(from, at));
      from = at + 1;
    }
  });
  cuts.push(bytes.slice(from));
  return new ReadableStream({ start: (to) => (cuts.forEach((cut) => to.enqueue(cut)), to.close()) });
}
const data = (n: number) => `event: x\ndata: {"type":"x","seq":${n}}\n\n`;
const reply = (body: BodyInit, status = 200) => new Response(body, { status });

describe("events over fetch", () => {
  it("are read however the text is split, and comments passed over", async () => {
    const text = `: keep-alive\n\n${data(0)}event: x\r\ndata: {"type":"思"}\r\n\r\ndata: [DONE]\n\n`;
    for (let cut = 1; cut < text.length; cut += 3) {
      const found: (Heard[] | null)[] = [];
      for await (const block of blocks(stream(text.slice(0, cut), text.slice(cut)))) found.push(block);
      expect(found.filter(Boolean).flat()).toEqual([{ type: "x", seq: 0 }, { type: "思" }]);
      expect(found.at(-1)).toBeNull();
    }
  });
  it("go on after a line that broke, and end at [DONE]", async () => {
    const heard: Heard[] = [];
    const states: string[] = [];
    const replies = [reply(data(0)), reply("", 503), reply(data(1) + "data: [DONE]\n\n")];
    await follow(async () => replies.shift()!, (events) => heard.push(...events), (state) => states.push(state), new AbortController().signal);
    expect(heard.map((event) => event.seq)).toEqual([0, 1]);
    expect(states).toEqual(["open", "lost", "lost", "open", "done"]);
  });
  it("stop where the server refuses", async () => {
    const body = JSON.stringify({ error: { message: "Incorrect API key provided.", code: "invalid_api_key" } });
    const following = follow(async () => reply(body, 401), () => undefined, () => undefined, new AbortController().signal);
    await expect(following).rejects.toMatchObject({ status: 401, code: "invalid_api_key", message: "Incorrect API key provided." });
    await expect(following).rejects.toBeInstanceOf(Refused);
  });
});
