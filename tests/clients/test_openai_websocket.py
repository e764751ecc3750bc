"""OpenAI's Python SDK over a WebSocket: several responses on one connection, unstored ones gone on with."""

from __future__ import annotations

from typing import Any

import pytest
from clients.serving import Serving

openai = pytest.importorskip("openai")
pytest.importorskip(
    "websockets", reason="websockets is not installed: pip install 'openai[realtime]'"
)

# The SDK opens connections in a way that websockets 17 advises against.
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")


def turn(connection: Any, **body: Any) -> list[Any]:
    """The events of one response."""
    connection.response.create(model="tooled", **body)
    events: list[Any] = []
    while not events or events[-1].type not in ("response.completed", "response.failed", "error"):
        events.append(connection.recv())
    return events


def test_two_responses_on_one_connection(serving: Serving):
    client = openai.OpenAI(base_url=serving.url, api_key="sk-local")
    with client.responses.connect() as connection:
        first = turn(connection, input="What is 17 * 23?", store=False)
        assert [event.sequence_number for event in first] == list(range(len(first)))
        assert first[-1].response.output_text == "391"
        then = turn(
            connection,
            input="And what is 2 + 2?",
            store=False,
            previous_response_id=first[-1].response.id,
        )
        assert then[-1].response.output_text == "4"


def test_what_was_not_stored_is_gone_with_its_connection(serving: Serving):
    client = openai.OpenAI(base_url=serving.url, api_key="sk-local")
    with client.responses.connect() as connection:
        first = turn(connection, input="What is 17 * 23?", store=False)
    with client.responses.connect() as connection:
        (event,) = turn(connection, input="a", previous_response_id=first[-1].response.id)
        assert event.type == "error"
        assert event.error.code == "previous_response_not_found"
        assert turn(connection, input="What is 3 + 4?")[-1].response.output_text == "7"


def test_a_client_that_goes_is_no_fault(serving: Serving):
    client = openai.OpenAI(base_url=serving.url, api_key="sk-local")
    with client.responses.connect() as connection:
        connection.response.create(model="tooled", input="What is 1 + 1?")
    with client.responses.connect() as connection:  # the server is well
        assert turn(connection, input="What is 3 + 4?")[-1].response.output_text == "7"
    assert not serving.faults()
