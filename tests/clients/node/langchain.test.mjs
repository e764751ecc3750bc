// LangChain for JavaScript: both APIs, plain, streamed, with tools, with a schema, as an agent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createAgent, HumanMessage, providerStrategy, tool } from "langchain";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";
import { all, apiKey, baseURL, place, SUM, WEATHER } from "./asked.mjs";

const APIS = { chat: {}, responses: { useResponsesApi: true, reasoning: { effort: "low", summary: "auto" } } };
const Place = z.object({ city: z.string(), people: z.number().int() });
const weather = tool(({ city }) => `Rain in ${city}.`, {
  name: "weather", description: "How the weather is.", schema: z.object({ city: z.string() }),
});

for (const [api, more] of Object.entries(APIS)) {
  const of = (model) => new ChatOpenAI({ model, apiKey, configuration: { baseURL }, maxRetries: 0, ...more });

  for (const name of ["system2-mini", "tooled"]) {
    test(`${api}: ${name} answers, whole and streamed`, async () => {
      const reply = await of(name).invoke(SUM);
      assert.equal(reply.text, "391");
      assert(reply.usage_metadata.output_token_details.reasoning > 0);
      const chunks = await all(await of(name).stream(SUM));
      const whole = chunks.reduce((before, one) => before.concat(one));
      assert.equal(whole.text, "391");
      assert(whole.usage_metadata.output_token_details.reasoning > 0);
      const thoughts = reply.contentBlocks.filter((block) => block.type === "reasoning");
      assert.equal(thoughts.length > 0, api === "responses"); // its chat API drops them
    });
  }

  test(`${api}: tools`, async () => {
    const able = of("tooled").bindTools([weather]);
    const asked = [new HumanMessage(WEATHER)];
    const called = await able.invoke(asked);
    assert.deepEqual(called.tool_calls.map((call) => [call.name, call.args]), [["weather", { city: "Paris" }]]);
    const result = await weather.invoke(called.tool_calls[0]);
    assert.equal((await able.invoke([...asked, called, result])).text, "Rain in Paris.");
    const chunks = await all(await able.stream(asked));
    const whole = chunks.reduce((before, one) => before.concat(one));
    assert.deepEqual(whole.tool_calls.map((call) => call.args), [{ city: "Paris" }]);
  });

  for (const method of ["jsonSchema", "functionCalling"]) {
    test(`${api}: a schema, by ${method}`, async () => {
      assert.deepEqual(await of("tooled").withStructuredOutput(Place, { method }).invoke("Where?"), place);
    });
  }

  test(`${api}: an agent, whole and streamed`, async () => {
    const agent = createAgent({ model: of("tooled"), tools: [weather], systemPrompt: "Ask the tool." });
    const asked = { messages: [{ role: "user", content: WEATHER }] };
    assert.equal((await agent.invoke(asked)).messages.at(-1).text, "Rain in Paris.");
    const said = await all(await agent.stream(asked, { streamMode: "messages" }));
    const texts = said.filter(([, told]) => told.langgraph_node !== "tools").map(([chunk]) => chunk.text);
    assert.equal(texts.join(""), "Rain in Paris.");
  });

  test(`${api}: an agent that answers by a schema`, async () => {
    const agent = createAgent({ model: of("tooled"), tools: [], responseFormat: providerStrategy(Place) });
    const done = await agent.invoke({ messages: [{ role: "user", content: "Where?" }] });
    assert.deepEqual(done.structuredResponse, place);
  });
}
