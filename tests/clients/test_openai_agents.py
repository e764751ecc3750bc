"""openai-agents: both of its model classes, plain, with tools, with an output type, whole and streamed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from clients.pages import need, run
from clients.serving import Serving

need("agents", "openai-agents")

import agents  # noqa: E402  # pyright: ignore
import openai  # noqa: E402
import pydantic  # noqa: E402

agents.set_tracing_disabled(True)
KINDS = [agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel]


class Place(pydantic.BaseModel):
    """Where somebody lives."""

    city: str
    people: int


@agents.function_tool
def weather(city: str) -> str:
    """How the weather is."""
    return f"Rain in {city}."


def asked(serving: Serving, kind: Any, question: str, *, stream: bool, **more: Any) -> Any:
    """What an agent comes to."""

    async def go() -> Any:
        async with openai.AsyncOpenAI(base_url=serving.url, api_key="sk-local") as client:
            model = kind(model=more.pop("model", "tooled"), openai_client=client)
            agent = agents.Agent(name="one", instructions="Be brief.", model=model, **more)
            if not stream:
                return (await agents.Runner.run(agent, question)).final_output
            result = agents.Runner.run_streamed(agent, question)
            async for _ in result.stream_events():
                pass
            return result.final_output

    return asyncio.run(go())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True])
class TestAgents:
    """Every kind of run."""

    @pytest.mark.parametrize("model", ["system2-mini", "tooled"])
    def test_plain(self, serving: Serving, kind: Any, stream: bool, model: str):
        assert asked(serving, kind, "What is 17 * 23?", stream=stream, model=model) == "391"

    def test_tools(self, serving: Serving, kind: Any, stream: bool):
        said = asked(serving, kind, "Weather in Paris?", stream=stream, tools=[weather])
        assert said == "Rain in Paris."

    def test_an_output_type(self, serving: Serving, kind: Any, stream: bool):
        said = asked(serving, kind, "Where?", stream=stream, output_type=Place)
        assert said == Place(city="Paris", people=4)

    def test_a_summary_of_thoughts(self, serving: Serving, kind: Any, stream: bool):
        settings = agents.ModelSettings(reasoning={"effort": "low", "summary": "auto"})
        said = asked(
            serving, kind, "What is 17 * 23?", stream=stream, model="system2-mini",
            model_settings=settings,
        )  # fmt: skip
        assert said == "391"


def test_the_page(serving: Serving, tmp_path: Path):
    run("openai-agents.md", serving, tmp_path)
