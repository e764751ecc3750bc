// Vercel's AI SDK: its OpenAI provider on both APIs, and its provider for servers like OpenAI's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateObject, generateText, Output, stepCountIs, streamObject, streamText, tool, ToolLoopAgent } from "ai";
import { z } from "zod";
import { all, apiKey, baseURL, place, SUM, WEATHER } from "./asked.mjs";

const openai = createOpenAI({ baseURL, apiKey });
const compatible = createOpenAICompatible({
  name: "system2", baseURL, apiKey, includeUsage: true, supportsStructuredOutputs: true,
});
const KINDS = {
  responses: (model) => openai.responses(model),
  chat: (model) => openai.chat(model),
  compatible: (model) => compatible.chatModel(model),
};
const THOUGHTS = { openai: { reasoningEffort: "low", reasoningSummary: "auto", forceReasoning: true }, system2: { reasoningEffort: "low" } };
const Place = z.object({ city: z.string(), people: z.number().int() });
const weather = tool({ description: "How the weather is.", inputSchema: z.object({ city: z.string() }), execute: ({ city }) => `Rain in ${city}.` });

/** What streams wrongly is told here, and nowhere else. */
const loud = { maxRetries: 0, onError: ({ error }) => { throw error; } };

for (const [kind, of] of Object.entries(KINDS)) {
  for (const model of ["system2-mini", "tooled"]) {
    test(`${kind}: ${model} answers, and tells its thoughts`, async () => {
      const done = await generateText({ model: of(model), prompt: SUM, maxRetries: 0, providerOptions: THOUGHTS });
      assert.equal(done.text, "391");
      assert.equal(done.finishReason, "stop");
      assert(done.usage.outputTokenDetails.reasoningTokens > 0);
      assert.deepEqual(done.warnings, []);
      if (model === "system2-mini") assert.equal(Boolean(done.reasoningText), kind !== "chat"); // its chat model drops them
    });

    test(`${kind}: ${model} streams`, async () => {
      const done = streamText({ model: of(model), prompt: SUM, providerOptions: THOUGHTS, ...loud });
      const parts = await all(done.fullStream);
      const kinds = new Set(parts.map((part) => part.type));
      assert.equal(await done.text, "391");
      assert(!kinds.has("error"), JSON.stringify(parts.filter((part) => part.type === "error")));
      if (model === "system2-mini") assert.equal(kinds.has("reasoning-delta"), kind !== "chat");
      assert((await done.usage).outputTokenDetails.reasoningTokens > 0);
      const page = await all(streamText({ model: of(model), prompt: SUM, ...loud }).toUIMessageStream());
      assert.equal(page.filter((part) => part.type === "text-delta").map((part) => part.delta).join(""), "391");
    });
  }

  test(`${kind}: tools are called and answered`, async () => {
    const asked = { model: of("tooled"), prompt: WEATHER, tools: { weather }, stopWhen: stepCountIs(3) };
    const done = await generateText({ ...asked, maxRetries: 0 });
    assert.equal(done.text, "Rain in Paris.");
    assert.deepEqual(done.steps[0].toolCalls.map((call) => [call.toolName, call.input]), [["weather", { city: "Paris" }]]);
    const streamed = streamText({ ...asked, ...loud });
    await streamed.consumeStream();
    assert.equal(await streamed.text, "Rain in Paris.");
  });

  test(`${kind}: an agent`, async () => {
    const agent = new ToolLoopAgent({ model: of("tooled"), instructions: "Ask the tool.", tools: { weather } });
    assert.equal((await agent.generate({ prompt: WEATHER })).text, "Rain in Paris.");
  });

  test(`${kind}: a conversation goes on`, async () => {
    const first = await generateText({ model: of("tooled"), prompt: SUM, maxRetries: 0, providerOptions: THOUGHTS });
    const messages = [{ role: "user", content: SUM }, ...first.response.messages, { role: "user", content: "What is 20 - 3?" }];
    const then = await generateText({ model: of("tooled"), messages, maxRetries: 0 });
    assert.equal(then.text, "17");
    assert(then.usage.inputTokens > first.usage.inputTokens);
  });

  test(`${kind}: a schema`, async () => {
    const asked = { model: of("tooled"), prompt: "Where?", schema: Place };
    assert.deepEqual((await generateObject({ ...asked, maxRetries: 0 })).object, place);
    const streamed = streamObject({ ...asked, ...loud });
    assert.deepEqual((await all(streamed.partialObjectStream)).at(-1), place);
    assert.deepEqual(await streamed.object, place);
    const output = await generateText({ model: of("tooled"), prompt: "Where?", maxRetries: 0, output: Output.object({ schema: Place }) });
    assert.deepEqual(output.output, place);
  });

  test(`${kind}: errors say what is wrong`, async () => {
    const asked = generateText({ model: of("nobody"), prompt: SUM, maxRetries: 0 });
    await assert.rejects(asked, (error) => {
      assert(APICallError.isInstance(error));
      assert.equal(error.statusCode, 404);
      assert.match(error.message, /nobody/);
      return true;
    });
  });
}

test("responses: what is not stored goes on with sealed thoughts", async () => {
  const providerOptions = { openai: { store: false, include: ["reasoning.encrypted_content"], forceReasoning: true, reasoningSummary: "auto" } };
  const model = openai.responses("tooled");
  const first = await generateText({ model, prompt: SUM, maxRetries: 0, providerOptions });
  const messages = [{ role: "user", content: SUM }, ...first.response.messages, { role: "user", content: "What is 20 - 3?" }];
  const then = await generateText({ model, messages, maxRetries: 0, providerOptions });
  assert.deepEqual([then.text, then.warnings], ["17", []]);
});

test("responses: a stored one is gone on with by its id", async () => {
  const model = openai.responses("tooled");
  const first = await generateText({ model, prompt: SUM, maxRetries: 0 });
  const previousResponseId = first.providerMetadata.openai.responseId;
  const then = await generateText({ model, prompt: "What is 20 - 3?", maxRetries: 0, providerOptions: { openai: { previousResponseId } } });
  assert.equal(then.text, "17");
  assert(then.usage.inputTokens > first.usage.inputTokens);
});

test("compatible: what is ours goes in as it stands", async () => {
  const providerOptions = { system2: { system2: { samples: 2, budget: { tokens: 20000 } } } };
  const done = await generateText({ model: compatible.chatModel("system2-mini"), prompt: SUM, maxRetries: 0, providerOptions });
  assert.equal(done.text, "391");
  assert(done.response.body.system2.samples <= 2);
});
