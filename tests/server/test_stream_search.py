"""`system2.stream_search`: the search's own events in the stream of its response, and no other event moved by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from clients.serving import Serving

CONFIG = '[[model]]\nname = "system2-mini"\neffort = "medium"\n'


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, at a server of the embedded model."""
    with Serving(tmp_path_factory.mktemp("tree"), CONFIG) as serving:
        yield openai.OpenAI(base_url=serving.url, api_key="none", max_retries=0)


def events(client: openai.OpenAI, **own: Any) -> list[Any]:
    """The events of one response."""
    stream = client.responses.create(
        model="system2-mini",
        input="Use the numbers 3, 7, 8, 12 once each with + - * / to reach 24.",
        stream=True,
        extra_body={"system2": {"seed": 5, **own}},
    )
    return list(stream)


def test_the_tree_is_told_beside_the_response(client: openai.OpenAI):
    plain, both = events(client), events(client, stream_search=True)
    ours = [event for event in both if event.type.startswith("system2:")]
    theirs = [event for event in both if not event.type.startswith("system2:")]
    assert [event.type for event in theirs] == [event.type for event in plain]
    assert [event.sequence_number for event in theirs] == list(range(len(theirs)))
    assert not [event for event in plain if event.type.startswith("system2:")]
    kinds = {event.type for event in ours}
    assert "system2:run.started" in kinds
    assert theirs[-1].response.output_text == plain[-1].response.output_text
