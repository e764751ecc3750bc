"""Requests that are over: their reply takes the place of all that was held of them, and is told again from there."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from system2.server.exchange import Exchange
from system2.server.retries import Retries, Said
from system2.server.sse import DONE, HEADERS, data, event
from system2.server.wire.retold import chunks, merged


def settling(kept: Retries[Exchange], held: Exchange, name: str, *, stream: bool) -> None:
    """Once a response is over, keep its events where they are streamed, else what it came to."""

    def over(_: Any) -> None:
        if held.begun.jobs[0].left or held.paused:
            kept.leave(name, held)
        elif held.error or not held.over:  # whoever asks again may have more luck
            kept.settle(name, held, None)
        else:
            told = merged(held.events) if stream else held.body
            kept.settle(name, held, Said(orjson.dumps(told)))

    if held.task:
        held.task.add_done_callback(over)


def response_again(said: Said, *, stream: bool) -> Response:
    """A response that is over."""
    if not stream:
        return Response(said.body, media_type="application/json")
    told = orjson.loads(said.body)
    return Response(b"".join([*map(event, told), DONE]), headers=HEADERS)


def chat_again(said: Said, *, stream: bool, usage: bool) -> Response:
    """A chat completion that is over. usage: its stream was asked to end with it."""
    if not stream:
        return Response(said.body, media_type="application/json")
    told = chunks(orjson.loads(said.body), usage=usage)
    return Response(b"".join([*map(data, told), DONE]), headers=HEADERS)
