"""What one can do with a response later: follow it, get it, end it, forget it. Knows no search."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response

from system2.server.app import replied
from system2.server.data.keys import Key
from system2.server.data.responses import items_of
from system2.server.errors import ApiError, invalid
from system2.server.exchange import Exchange
from system2.server.paging import paged, paging
from system2.server.server import Server
from system2.server.sse import DONE, EventStream, event
from system2.server.wire.response_writer import Told


async def streamed(
    held: Exchange, after: int, first: Callable[[], None] | None = None
) -> AsyncGenerator[bytes]:
    """Its events from here on, as they come. first: called at the first that says something."""
    async with aclosing(held.told(after)) as told:
        async for one in told:
            if first and "delta" in one:
                first()
            yield event(one)
    if held.paused:
        yield event(interrupted(len(held.events)))
    yield DONE


def interrupted(count: int) -> Told:
    """The last event of a stream whose server ends before the response does."""
    return {
        "type": "error",
        "code": "server_error",
        "message": "The server is shutting down. The response goes on with the next one: follow it again "
        f"with starting_after={count - 1}.",
        "param": None,
        "sequence_number": count,
    }


def running(server: Server, id: str, key: Key) -> Exchange | None:
    """The response, while it is under way in this process."""
    held = server.under_way.get(id)
    return held if held is not None and held.begun.key.id == key.id else None


async def ended(held: Exchange | None) -> None:
    """Wait until a response that is over is stored."""
    if held is not None and held.over and held.task:
        await asyncio.wait({held.task})


async def get(request: Request) -> Response:
    """A response as it stands, or its events from one on."""
    server, key, id = place(request)
    held = running(server, id, key)
    query = request.query_params
    if query.get("stream", "").lower() in ("true", "1"):
        after = whole(query.get("starting_after", "-1"), "starting_after")
        if held is not None:
            return EventStream(streamed(held, after), beat=server.beat)
        await stored(server, id, key)
        return EventStream(replayed(server, id, after), beat=server.beat)
    if held is not None and not held.over:
        return replied({**held.body, "output": held.writer.body["output"]})
    await ended(held)
    return replied(await stored(server, id, key))


async def replayed(server: Server, id: str, after: int) -> AsyncGenerator[bytes]:
    """The stored events of a response that is over."""
    while found := await server.stored.responses.events(id, after):
        for number, one in found:
            yield event(one)
            after = number
    yield DONE


async def stored(server: Server, id: str, key: Key) -> Told:
    """A stored response. Raises ApiError 404."""
    found = await server.stored.responses.get(id, key.id)
    if found is None:
        raise unknown(id)
    return {**found.body}


def unknown(id: str) -> ApiError:
    """There is no such response."""
    return ApiError(404, f"Response with id '{id[:80]}' not found.", None, "response_id")


async def delete(request: Request) -> Response:
    """Forget a response; one that is under way is ended first."""
    server, key, id = place(request)
    held = running(server, id, key)
    if held is not None:
        await held.cancel()
    if not await server.stored.responses.delete(id, key.id):
        raise unknown(id)
    return replied({"id": id, "object": "response", "deleted": True})


async def cancel(request: Request) -> Response:
    """End a response in the background; it stays cancelled, and nothing more is spent on it."""
    server, key, id = place(request)
    held = running(server, id, key)
    body = held.body if held is not None else await stored(server, id, key)
    if not body.get("background"):
        raise invalid("Cannot cancel a synchronous response.", "response_id")
    return replied(body if held is None else await held.cancel())


async def input_items(request: Request) -> Response:
    """What a response was asked with, a page at a time."""
    server, key, id = place(request)
    after, limit, order = paging(request)
    if held := running(server, id, key):
        found = items_of(held.input, after=after, limit=limit, order=order)
    else:
        found = await server.stored.responses.input_items(
            id, key.id, after=after, limit=limit, order=order
        )
    if found is None:
        raise unknown(id)
    return replied(paged([dict(entry) for entry in found.entries], found.more))


def place(request: Request) -> tuple[Server, Key, str]:
    """Where a request about one response goes."""
    return request.app.state.server, request.state.key, request.path_params["id"]


def whole(given: str, name: str) -> int:
    """A whole number of the query. Raises ApiError 400."""
    bare = given.removeprefix("-")
    if not bare.isascii() or not bare.isdigit() or len(bare) > 9:
        raise invalid(f"Invalid type for '{name}': expected an integer.", name, "invalid_type")
    return int(given)
