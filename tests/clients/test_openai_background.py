"""OpenAI's Python SDK, in the background: polled, followed from anywhere on, and cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clients.serving import Serving
from clients.toolbackend import Backend

openai = pytest.importorskip("openai")


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[Any]:
    """A client as its documentation makes one."""
    with openai.OpenAI(base_url=serving.url, api_key="sk-local", max_retries=0) as client:
        yield client


@pytest.fixture
def slow(backend: Backend) -> Iterator[None]:
    """The backend does not get on."""
    backend.pause = 30.0
    yield
    backend.pause = 0.0


def polled(client: Any, id: str) -> Any:
    """The response, once it is over."""
    while (found := client.responses.retrieve(id)).status in ("queued", "in_progress"):
        pass
    return found


def test_a_response_is_polled(client: Any):
    begun = client.responses.create(model="tooled", input="What is 17 * 23?", background=True)
    assert begun.background
    assert begun.status in ("queued", "in_progress", "completed")
    done = polled(client, begun.id)
    assert (done.status, done.output_text) == ("completed", "391")
    assert done.usage.total_tokens > 0


def test_a_stream_is_gone_on_with(client: Any):
    stream = client.responses.create(
        model="tooled", input="What is 17 * 23?", background=True, stream=True
    )
    first = next(iter(stream))
    stream.close()
    assert first.type == "response.created"
    done = polled(client, first.response.id)  # nobody followed it, and it was not given up
    assert done.output_text == "391"
    rest = list(
        client.responses.retrieve(done.id, stream=True, starting_after=first.sequence_number)
    )
    assert [event.sequence_number for event in rest] == list(range(1, len(rest) + 1))
    assert rest[-1].type == "response.completed"
    assert rest[-1].response.output_text == "391"


def test_a_response_is_cancelled(client: Any, slow: None):
    begun = client.responses.create(model="tooled", input="What is 1 + 1?", background=True)
    assert client.responses.cancel(begun.id).status == "cancelled"
    assert client.responses.cancel(begun.id).status == "cancelled"
    assert client.responses.retrieve(begun.id).status == "cancelled"


def test_one_in_the_foreground_is_not_cancelled(client: Any):
    done = client.responses.create(model="tooled", input="What is 1 + 1?")
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(done.id)


def test_what_is_not_stored_is_not_done_in_the_background(client: Any):
    with pytest.raises(openai.BadRequestError, match="background can only be used when"):
        client.responses.create(model="tooled", input="a", background=True, store=False)
