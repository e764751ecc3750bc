"""OpenAI's Python SDK, streaming: chunks and events in order, and the SDK's own checks of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clients.serving import Serving

openai = pytest.importorskip("openai")

SUM: Any = [{"role": "user", "content": "What is 17 * 23?"}]


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[Any]:
    """A client as its documentation makes one."""
    with openai.OpenAI(base_url=serving.url, api_key="sk-local", max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", ["system2-mini", "tooled"])
@pytest.mark.parametrize("n", [1, 3])
def test_chunks_come_in_order(client: Any, model: str, n: int):
    chunks = list(
        client.chat.completions.create(
            model=model, messages=SUM, n=n, stream=True, stream_options={"include_usage": True}
        )
    )
    *deltas, last = chunks
    assert len({(one.id, one.created, one.model, one.object) for one in chunks}) == 1
    assert not last.choices
    assert last.usage.total_tokens == last.usage.prompt_tokens + last.usage.completion_tokens
    assert all(one.usage is None for one in deltas)
    for index in range(n):
        own = [one.choices[0] for one in deltas if one.choices[0].index == index]
        assert own[0].delta.role == "assistant"
        assert [one.finish_reason for one in own if one.finish_reason] == ["stop"]
        assert own[-1].finish_reason == "stop"
        assert "".join(one.delta.content or "" for one in own) == "391"
        told = [
            "thought" if hasattr(one.delta, "reasoning_content") else "text" for one in own[1:-1]
        ]
        assert told == sorted(told, reverse=True)  # no thought once the answer has begun


def test_streamed_or_not_the_usage_is_the_same(client: Any):
    whole = client.chat.completions.create(model="tooled", messages=SUM, seed=1)
    *_, last = client.chat.completions.create(
        model="tooled", messages=SUM, seed=1, stream=True, stream_options={"include_usage": True}
    )
    assert last.usage == whole.usage


def test_the_stream_of_a_chat_as_the_sdk_reads_it(client: Any):
    with client.chat.completions.stream(model="tooled", messages=SUM) as stream:
        kinds = {event.type for event in stream}
        done = stream.get_final_completion()
    assert done.choices[0].message.content == "391"
    assert {"chunk", "content.delta", "content.done"} <= kinds


@pytest.mark.parametrize("model", ["system2-mini", "tooled"])
@pytest.mark.parametrize("summary", [None, "auto"])
def test_events_come_in_order(client: Any, model: str, summary: str | None):
    events = list(
        client.responses.create(
            model=model, input="What is 17 * 23?", stream=True, reasoning={"summary": summary}
        )
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[0].response.output == []
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "391"
    added = [event.item.id for event in events if event.type == "response.output_item.added"]
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert added == [item.id for item in done] == [item.id for item in events[-1].response.output]
    assert done == events[-1].response.output
    said = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(said) == "391"
    if summary and model == "system2-mini":
        assert done[0].summary
    elif not summary:
        assert not done[0].summary


@pytest.mark.parametrize("model", ["system2-mini", "tooled"])
def test_the_stream_in_which_the_sdk_checks_every_event(client: Any, model: str):
    with client.responses.stream(
        model=model, input="What is 17 * 23?", reasoning={"summary": "auto"}
    ) as stream:
        assert list(stream)
        assert stream.get_final_response().output_text == "391"


def test_a_stream_that_runs_out_of_budget(client: Any):
    *_, last = client.responses.create(
        model="system2-mini", input="What is 17 * 23?", max_output_tokens=5, stream=True
    )
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"
    chunks = list(
        client.chat.completions.create(
            model="system2-mini", messages=SUM, max_completion_tokens=5, stream=True
        )
    )
    assert chunks[-1].choices[0].finish_reason == "length"
