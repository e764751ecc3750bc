"""langchain-openai: both APIs, plain, streamed, with tools, and with a schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clients.pages import need, run
from clients.serving import Serving

need("langchain_openai", "langchain-openai")

import pydantic  # noqa: E402
from langchain_core.messages import HumanMessage  # noqa: E402  # pyright: ignore
from langchain_core.tools import tool  # noqa: E402  # pyright: ignore
from langchain_openai import ChatOpenAI  # noqa: E402  # pyright: ignore

RESPONSES = {
    "use_responses_api": True,
    "reasoning": {"effort": "low", "summary": "auto"},
    "output_version": "responses/v1",
}
APIS = pytest.mark.parametrize("api", [{}, RESPONSES], ids=["chat", "responses"])


class Place(pydantic.BaseModel):
    """Where somebody lives."""

    city: str
    people: int


@tool
def weather(city: str) -> str:
    """How the weather is."""
    return f"Rain in {city}."


def model(serving: Serving, name: str, api: dict[str, Any], **more: Any) -> Any:
    """A model as its documentation makes one."""
    return ChatOpenAI(model=name, base_url=serving.url, api_key="sk-local", **api, **more)


@APIS
@pytest.mark.parametrize("name", ["system2-mini", "tooled"])
def test_plain(serving: Serving, api: dict[str, Any], name: str):
    reply = model(serving, name, api).invoke("What is 17 * 23?")
    assert reply.text == "391"
    assert reply.usage_metadata["output_token_details"]["reasoning"] > 0


@APIS
@pytest.mark.parametrize("name", ["system2-mini", "tooled"])
def test_streamed(serving: Serving, api: dict[str, Any], name: str):
    chunks = list(model(serving, name, api, stream_usage=True).stream("What is 17 * 23?"))
    whole = chunks[0]
    for one in chunks[1:]:
        whole += one
    assert whole.text == "391"
    assert whole.usage_metadata["total_tokens"] > 0


@APIS
def test_tools(serving: Serving, api: dict[str, Any]):
    able = model(serving, "tooled", api).bind_tools([weather])
    asked = [HumanMessage("How is the weather in Paris?")]
    called = able.invoke(asked)
    assert [(one["name"], one["args"]) for one in called.tool_calls] == [
        ("weather", {"city": "Paris"})
    ]
    results = [weather.invoke(one) for one in called.tool_calls]
    assert able.invoke([*asked, called, *results]).text == "Rain in Paris."


@APIS
def test_a_schema(serving: Serving, api: dict[str, Any]):
    able = model(serving, "tooled", api).with_structured_output(Place)
    assert able.invoke("Where?") == Place(city="Paris", people=4)


def test_the_page(serving: Serving, tmp_path: Path):
    run("langchain.md", serving, tmp_path)
