"""Stored chat completions, and those told to answer now: with OpenAI's own client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from clients.asking import ask, refused
from clients.serving import Serving
from openai import NotFoundError, OpenAI

MODEL = "system2-mini"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    config = f'[[model]]\nname = "{MODEL}"\neffort = "none"\n[[model]]\nname = "other"\n'
    with Serving(tmp_path_factory.mktemp("chats"), config) as serving:
        yield serving
    assert not serving.faults()


@pytest.fixture
def client(serving: Serving) -> Iterator[OpenAI]:
    with OpenAI(base_url=serving.url, api_key="none", max_retries=0) as client:
        yield client


def chat(client: OpenAI, text: Any, *, model: str = MODEL, **given: Any) -> Any:
    return client.chat.completions.create(
        model=model, messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}], **given
    )  # fmt: skip


def test_what_was_stored_is_found_labelled_and_forgotten(client: OpenAI):
    parts = [{"type": "text", "text": "7"}, {"type": "text", "text": "+1=?"}]
    one = chat(client, parts, store=True, metadata={"kind": "a", "nr": "1"})
    two = chat(client, "2+2=?", store=True, metadata={"kind": "a"})
    three = chat(client, "3+3=?", store=True, model="other")
    assert chat(client, "4+4=?").id not in [c.id for c in client.chat.completions.list()]
    ids = [one.id, two.id, three.id]
    assert [c.id for c in client.chat.completions.list(limit=1)] == ids  # page by page
    assert [c.id for c in client.chat.completions.list(order="desc")] == ids[::-1]
    assert [c.id for c in client.chat.completions.list(metadata={"kind": "a"})] == ids[:2]
    assert [c.id for c in client.chat.completions.list(metadata={"kind": "a", "nr": "1"})] == ids[
        :1
    ]
    assert [c.id for c in client.chat.completions.list(model="other")] == ids[2:]
    assert [c.id for c in client.chat.completions.list(after=one.id)] == ids[1:]
    found = client.chat.completions.retrieve(one.id)
    assert found.choices[0].message.content == one.choices[0].message.content
    assert found.usage == one.usage and found.metadata == {"kind": "a", "nr": "1"}  # type: ignore[attr-defined]
    said = client.chat.completions.messages.list(one.id).data
    assert [m.role for m in said] == ["system", "user"]  # type: ignore[comparison-overlap]
    assert said[1].content == "7+1=?" and said[1].content_parts and len(said[1].content_parts) == 2
    assert [m.id for m in client.chat.completions.messages.list(one.id, order="desc", limit=1)] == [
        said[1].id, said[0].id
    ]  # fmt: skip
    changed = client.chat.completions.update(one.id, metadata={"kind": "b"})
    assert changed.metadata == {"kind": "b"}  # type: ignore[attr-defined]
    assert [c.id for c in client.chat.completions.list(metadata={"kind": "b"})] == [one.id]
    assert client.chat.completions.delete(one.id).deleted
    for call in (
        lambda: client.chat.completions.retrieve(one.id),
        lambda: client.chat.completions.delete(one.id),
        lambda: client.chat.completions.update(one.id, metadata={}),
        lambda: client.chat.completions.messages.list(one.id),
    ):
        with pytest.raises(NotFoundError):
            call()


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "limit=-1", "order=up"])
def test_a_list_has_its_limits(serving: Serving, query: str):
    refused(ask(serving, "GET", f"/v1/chat/completions?{query}", b""), 400)


def control(serving: Serving, body: Any) -> Any:
    return ask(serving, "POST", "/v1/chat/completions/control", json.dumps(body).encode())


def test_a_search_answers_when_it_is_told_to(client: OpenAI, serving: Serving):
    """A hundred thousand lines would take minutes; told to answer, it does so with what it has."""
    given: dict[str, Any] = {"system2": {"samples": 100_000, "budget": {"tokens": 10**9}}}
    stream = chat(
        client, "Use 3, 5, 6 and 9 to reach 57.", model="other", stream=True, extra_body=given, reasoning_effort="high",
        stream_options={"include_usage": True},
    )  # fmt: skip
    id = next(stream).id
    late = threading.Timer(120, stream.close)
    late.start()
    told = control(serving, {"id": id, "action": "reasoning_end"})
    assert told.status == 200 and told.json == {"success": True}
    chunks = [*stream]
    late.cancel()
    assert chunks[-1].system2["stop_reason"] == "answer_now"
    assert chunks[-1].usage.completion_tokens < 10**6
    again = control(serving, {"id": id, "action": "reasoning_end"}).json
    assert again["success"] is False and again["message"]
    refused(control(serving, {"id": id, "action": "dance"}), 400)
    refused(control(serving, {"action": "reasoning_end"}), 400)
    refused(control(serving, {"id": 5, "action": "reasoning_end"}), 400)
