// OpenAI's SDK for Node: both APIs, streams, tools, schemas, files, WebSocket, errors.
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI, { toFile } from "openai";
import { zodFunction, zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { ResponsesWS } from "openai/resources/responses/ws";
import { z } from "zod";
import { all, apiKey, baseURL, place, SUM, until, WEATHER } from "./asked.mjs";

const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: "user", content: SUM }];
const Place = z.object({ city: z.string(), people: z.number().int() });
const city = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const over = (response) => !["queued", "in_progress"].includes(response.status);

test("models", async () => {
  assert.deepEqual((await all(client.models.list())).map((one) => one.id), ["system2-mini", "tooled", "qwen3"]);
  assert.equal((await client.models.retrieve("tooled-high")).id, "tooled-high");
});

for (const model of ["system2-mini", "tooled"]) {
  test(`a chat with ${model}`, async () => {
    const done = await client.chat.completions.create({ model, messages });
    assert.equal(done.choices[0].message.content, "391");
    assert.equal(done.choices[0].finish_reason, "stop");
    assert(done.usage.completion_tokens_details.reasoning_tokens > 0);
    assert.match(done._request_id, /^req_/);
    assert(done.system2.run_id);
  });

  test(`a chat with ${model}, streamed`, async () => {
    const chunks = await all(
      await client.chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } }),
    );
    const said = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    assert.equal(said, "391");
    assert.deepEqual(chunks.at(-1).choices, []);
    assert(chunks.at(-1).usage.completion_tokens_details.reasoning_tokens > 0);
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  });

  test(`a response of ${model}`, async () => {
    const done = await client.responses.create({ model, input: SUM, reasoning: { effort: "low", summary: "auto" } });
    assert.equal(done.output_text, "391");
    assert.deepEqual(done.output.map((item) => item.type), ["reasoning", "message"]);
    assert(done.usage.output_tokens_details.reasoning_tokens > 0);
  });

  test(`a response of ${model}, streamed`, async () => {
    const events = await all(await client.responses.create({ model, input: SUM, stream: true, reasoning: { summary: "auto" } }));
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    assert.equal(events[0].type, "response.created");
    assert.equal(events.at(-1).type, "response.completed");
    const said = events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
    assert.equal(said.join(""), "391");
    assert.equal(events.at(-1).response.output_text ?? said.join(""), "391");
  });
}

test("the helper puts a streamed chat together", async () => {
  const stream = client.chat.completions.stream({ model: "tooled", messages, stream_options: { include_usage: true } });
  let said = "";
  stream.on("content", (delta) => (said += delta));
  const done = await stream.finalChatCompletion();
  assert.equal(said, "391");
  assert.equal(done.choices[0].message.content, "391");
  assert((await stream.totalUsage()).total_tokens > 0);
});

test("the helper puts a streamed response together", async () => {
  const stream = client.responses.stream({ model: "tooled", input: SUM, reasoning: { summary: "auto" } });
  const done = await stream.finalResponse();
  assert.equal(done.output_text, "391");
  assert.equal(done.status, "completed");
});

test("several answers", async () => {
  const done = await client.chat.completions.create({ model: "tooled", messages, n: 3 });
  assert.deepEqual(done.choices.map((one) => [one.index, one.message.content]), [[0, "391"], [1, "391"], [2, "391"]]);
});

test("tools of a chat, run by the SDK, whole and streamed", async () => {
  for (const stream of [false, true]) {
    const asked = [];
    const tool = zodFunction({
      name: "weather",
      parameters: z.object({ city: z.string() }),
      function: ({ city }) => { asked.push(city); return `Rain in ${city}.`; },
    });
    const runner = client.chat.completions.runTools({
      model: "tooled", stream, messages: [{ role: "user", content: WEATHER }], tools: [tool],
    });
    assert.equal(await runner.finalContent(), "Rain in Paris.");
    assert.deepEqual(asked, ["Paris"]);
  }
});

test("tools of a response, told by its id or by its items", async () => {
  const tools = [{ type: "function", name: "weather", parameters: city, strict: true }];
  const first = await client.responses.create({ model: "tooled", input: WEATHER, tools });
  const call = first.output.find((item) => item.type === "function_call");
  assert.deepEqual([call.name, JSON.parse(call.arguments)], ["weather", { city: "Paris" }]);
  const result = { type: "function_call_output", call_id: call.call_id, output: "Rain in Paris." };
  const byId = await client.responses.create({ model: "tooled", input: [result], tools, previous_response_id: first.id });
  assert.equal(byId.output_text, "Rain in Paris.");
  const input = [{ role: "user", content: WEATHER }, ...first.output, result];
  const byItems = await client.responses.create({ model: "tooled", input, tools, store: false });
  assert.equal(byItems.output_text, "Rain in Paris.");
});

test("a tool call of a response, streamed", async () => {
  const tools = [{ type: "function", name: "weather", parameters: city, strict: true }];
  const done = await client.responses.stream({ model: "tooled", input: WEATHER, tools }).finalResponse();
  const call = done.output.find((item) => item.type === "function_call");
  assert.deepEqual(JSON.parse(call.arguments), { city: "Paris" });
});

test("a schema, by both APIs, whole and streamed", async () => {
  const asked = { model: "tooled", messages: [{ role: "user", content: "Where?" }], response_format: zodResponseFormat(Place, "place") };
  assert.deepEqual((await client.chat.completions.parse(asked)).choices[0].message.parsed, place);
  assert.deepEqual((await client.chat.completions.stream(asked).finalChatCompletion()).choices[0].message.parsed, place);
  const wanted = { model: "tooled", input: "Where?", text: { format: zodTextFormat(Place, "place") } };
  assert.deepEqual((await client.responses.parse(wanted)).output_parsed, place);
  assert.deepEqual((await client.responses.stream(wanted).finalResponse()).output_parsed, place);
});

test("a background response is polled", async () => {
  const begun = await client.responses.create({ model: "tooled", input: SUM, background: true });
  assert.equal(begun.background, true);
  const done = await until(() => client.responses.retrieve(begun.id), over);
  assert.deepEqual([done.status, done.output_text], ["completed", "391"]);
});

test("a background stream is gone on with after the client has left", async () => {
  const stream = await client.responses.create({ model: "tooled", input: SUM, background: true, stream: true });
  let first;
  for await (const event of stream) { first = event; break; }
  assert.equal(first.type, "response.created");
  const rest = await all(await client.responses.retrieve(first.response.id, { stream: true, starting_after: 0 }));
  assert.deepEqual(rest.map((event) => event.sequence_number), rest.map((_, n) => n + 1));
  assert.equal(rest.at(-1).type, "response.completed");
  const helped = client.responses.stream({ response_id: first.response.id, starting_after: 0 });
  assert.equal((await helped.finalResponse()).status, "completed");
});

test("a background response is cancelled", async () => {
  const begun = await client.responses.create({ model: "tooled", input: "Take your time.", background: true });
  assert.equal((await client.responses.cancel(begun.id)).status, "cancelled");
  assert.equal((await client.responses.retrieve(begun.id)).status, "cancelled");
});

test("what is stored is found, listed and deleted", async () => {
  const made = await client.responses.create({ model: "tooled", input: SUM, metadata: { a: "b" } });
  assert.deepEqual((await client.responses.retrieve(made.id)).metadata, { a: "b" });
  assert.equal((await all(client.responses.inputItems.list(made.id))).length, 1);
  await client.responses.delete(made.id);
  await assert.rejects(client.responses.retrieve(made.id), OpenAI.NotFoundError);
  const chat = await client.chat.completions.create({ model: "tooled", messages, store: true });
  assert.equal((await client.chat.completions.retrieve(chat.id)).id, chat.id);
  assert.equal((await client.chat.completions.messages.list(chat.id)).data[0].content, SUM);
  assert.equal((await client.chat.completions.delete(chat.id)).deleted, true);
});

test("tokens are counted, and a conversation is sealed up", async () => {
  const count = await client.responses.inputTokens.count({ model: "system2-mini", input: SUM });
  const done = await client.responses.create({ model: "system2-mini", input: SUM });
  assert.equal(count.input_tokens, done.usage.input_tokens);
  const sealed = await client.responses.compact({ model: "tooled", input: "My number is 7." });
  const more = await client.responses.create({
    model: "tooled", input: [...sealed.output, { role: "user", content: "What is 3 + 4?" }],
  });
  assert.equal(more.output_text, "7");
});

test("a batch of a file", async () => {
  const line = { custom_id: "one", method: "POST", url: "/v1/chat/completions", body: { model: "tooled", messages } };
  const file = await client.files.create({ purpose: "batch", file: await toFile(Buffer.from(JSON.stringify(line)), "in.jsonl") });
  const begun = await client.batches.create({ input_file_id: file.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
  const done = await until(() => client.batches.retrieve(begun.id), (batch) => ["completed", "failed"].includes(batch.status));
  assert.deepEqual([done.status, done.request_counts.completed], ["completed", 1]);
  const said = JSON.parse(await (await client.files.content(done.output_file_id)).text());
  assert.equal(said.response.body.choices[0].message.content, "391");
});

test("completions and moderations", async () => {
  const done = await client.completions.create({ model: "system2-mini", prompt: SUM, max_tokens: 16, temperature: 0 });
  assert.equal(typeof done.choices[0].text, "string");
  const chunks = await all(await client.completions.create({ model: "system2-mini", prompt: SUM, max_tokens: 16, temperature: 0, stream: true }));
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.text ?? "").join(""), done.choices[0].text);
  assert.equal((await client.moderations.create({ input: "Good morning" })).results[0].flagged, false);
});

test("two turns over a WebSocket", async () => {
  const socket = new ResponsesWS(client);
  try {
    let before;
    for (const [input, answer] of [[SUM, "391"], ["What is 20 - 3?", "17"]]) {
      const done = new Promise((yes, no) => {
        socket.once("response.completed", (event) => yes(event.response));
        socket.once("error", no);
      });
      socket.send({ type: "response.create", model: "tooled", input, previous_response_id: before });
      const response = await done;
      const message = response.output.find((item) => item.type === "message");
      assert.equal(message.content[0].text, answer);
      before = response.id;
    }
  } finally {
    socket.close();
  }
});

test("errors are the exceptions of the SDK", async () => {
  const asked = client.chat.completions.create({ model: "nobody", messages });
  await assert.rejects(asked, (error) => {
    assert(error instanceof OpenAI.NotFoundError);
    assert.deepEqual([error.code, error.param, error.type], ["model_not_found", "model", "invalid_request_error"]);
    assert.match(error.requestID, /^req_/);
    return true;
  });
  const hot = client.chat.completions.create({ model: "tooled", messages, temperature: 9 });
  await assert.rejects(hot, (error) => error instanceof OpenAI.BadRequestError && error.param === "temperature");
  const nobody = client.withOptions({ apiKey: `sk-s2-${"a".repeat(40)}` }).models.list();
  await assert.rejects(nobody, (error) => error instanceof OpenAI.AuthenticationError && error.code === "invalid_api_key");
});

test("a stream that is given up stops its run", async () => {
  const leaving = new AbortController();
  const asked = "Take your time with 3 + 4.";
  const stream = await client.chat.completions.create(
    { model: "tooled", messages: [{ role: "user", content: asked }], stream: true },
    { signal: leaving.signal },
  );
  for await (const chunk of stream) { assert(chunk.id); leaving.abort(); }
  const run = async () => (await client.get("/system2/runs")).data.find((one) => one.question === asked);
  const stopped = await until(run, (found) => found && found.status !== "in_progress");
  assert.equal(stopped.status, "cancelled");
});
