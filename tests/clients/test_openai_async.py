"""OpenAI's Python SDK, asynchronous: many requests at once, and one that is given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from clients.serving import Serving

openai = pytest.importorskip("openai")


def test_twenty_at_once(serving: Serving):
    async def one(client: Any, n: int) -> str:
        ask = f"What is {n} + {n}?"
        if n % 2:
            done = await client.responses.create(model="tooled", input=ask)
            return str(done.output_text)
        messages: Any = [{"role": "user", "content": ask}]
        done = await client.chat.completions.create(model="tooled", messages=messages)
        return str(done.choices[0].message.content)

    async def go() -> list[str]:
        async with openai.AsyncOpenAI(base_url=serving.url, api_key="sk-local") as client:
            return await asyncio.gather(*(one(client, n) for n in range(20)))

    assert asyncio.run(go()) == [str(2 * n) for n in range(20)]


def test_a_stream_that_is_closed_early(serving: Serving):
    async def go() -> str:
        async with openai.AsyncOpenAI(base_url=serving.url, api_key="sk-local") as client:
            stream = await client.responses.create(
                model="tooled", input="What is 1 + 1?", stream=True
            )
            async for event in stream:
                assert event.type == "response.created"
                await stream.close()
                break
            done = await client.responses.create(model="tooled", input="What is 2 + 2?")
            return str(done.output_text)

    assert asyncio.run(go()) == "4"
