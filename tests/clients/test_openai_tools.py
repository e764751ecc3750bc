"""OpenAI's Python SDK, tools: a call is asked for, made, and its result read, by both APIs, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from clients.serving import Serving

openai = pytest.importorskip("openai")

FUNCTION: Any = {
    "name": "weather",
    "description": "How the weather is.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
NESTED: Any = [{"type": "function", "function": FUNCTION}]
FLAT: Any = [{"type": "function", "strict": True, **FUNCTION}]
ASK: Any = [{"role": "user", "content": "How is the weather in Paris?"}]


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[Any]:
    """A client as its documentation makes one."""
    with openai.OpenAI(base_url=serving.url, api_key="sk-local", max_retries=0) as client:
        yield client


def test_a_chat_calls_and_reads_the_result(client: Any):
    done = client.chat.completions.create(model="tooled", messages=ASK, tools=NESTED)
    choice = done.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    (call,) = choice.message.tool_calls
    assert call.id.startswith("call_")
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather",
        {"city": "Paris"},
    )
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
    more = client.chat.completions.create(
        model="tooled", messages=[*ASK, choice.message, result], tools=NESTED
    )
    assert more.choices[0].message.content == "Rain."


def test_a_response_calls_and_reads_the_result(client: Any):
    done = client.responses.create(model="tooled", input="Weather in Paris?", tools=FLAT)
    call = done.output[-1]
    assert (call.type, call.name, json.loads(call.arguments)) == (
        "function_call", "weather", {"city": "Paris"},
    )  # fmt: skip
    assert call.id != call.call_id
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
    more = client.responses.create(
        model="tooled", input=[result], previous_response_id=done.id, tools=FLAT
    )
    assert more.output_text == "Rain."


def test_unstored_calls_are_replayed_by_the_client(client: Any):
    asked: Any = [{"role": "user", "content": "Weather in Paris?"}]
    done = client.responses.create(model="tooled", input=asked, tools=FLAT, store=False)
    call = done.output[-1]
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
    more = client.responses.create(
        model="tooled", input=[*asked, *done.output, result], tools=FLAT, store=False
    )
    assert more.output_text == "Rain."


def test_a_chat_streams_its_call(client: Any):
    chunks = list(
        client.chat.completions.create(model="tooled", messages=ASK, tools=NESTED, stream=True)
    )
    pieces = [call for one in chunks for call in one.choices[0].delta.tool_calls or ()]
    assert pieces[0].id.startswith("call_")
    assert pieces[0].function.name == "weather"
    assert json.loads("".join(one.function.arguments for one in pieces)) == {"city": "Paris"}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_response_streams_its_call(client: Any):
    with client.responses.stream(model="tooled", input="Weather in Paris?", tools=FLAT) as stream:
        events = list(stream)
        done = stream.get_final_response()
    assert json.loads(done.output[-1].arguments) == {"city": "Paris"}
    kinds = [event.type for event in events]
    assert "response.function_call_arguments.delta" in kinds
    assert "response.function_call_arguments.done" in kinds


@pytest.mark.parametrize(
    "choice", ["none", "auto", "required", {"type": "function", "name": "weather"}]
)
def test_whether_a_tool_is_called_is_for_the_client_to_say(client: Any, choice: Any):
    done = client.responses.create(
        model="tooled", input="What is 2 + 2?", tools=FLAT, tool_choice=choice
    )
    assert done.output[-1].type == ("message" if choice == "none" else "function_call")
    nested = (
        {"type": "function", "function": {"name": "weather"}}
        if isinstance(choice, dict)
        else choice
    )
    chat = client.chat.completions.create(
        model="tooled", messages=ASK, tools=NESTED, tool_choice=nested
    )
    assert (chat.choices[0].finish_reason == "tool_calls") == (choice != "none")


def test_tools_that_are_not_there(client: Any):
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="tooled", input="a", tools=[{"type": "web_search"}])
    with pytest.raises(openai.BadRequestError):
        client.responses.create(
            model="tooled", input="a", tools=FLAT, tool_choice={"type": "function", "name": "other"}
        )
