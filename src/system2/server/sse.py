"""Server-sent events, kept alive, and requests that end when their client has gone. Knows nothing about either API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

Found = TypeVar("Found")
BEAT = 10.0  # seconds of silence after which a comment is sent: proxies cut what is silent
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}
DONE = b"data: [DONE]\n\n"


class ClientGone(Exception):  # noqa: N818  no fault of anybody
    """The client closed the connection before it had its answer."""


def data(body: Mapping[str, Any]) -> bytes:
    """An event of chat completions: data alone."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


def event(body: Mapping[str, Any]) -> bytes:
    """An event of the Responses API: its name is its type."""
    return b"event: " + str(body["type"]).encode() + b"\n" + data(body)


class EventStream(Response):
    """Sends what the generator yields, a comment in silence, and closes it as soon as the client goes.

    The generator is closed in the same task that ran it, so that what it follows is left at once.
    """

    def __init__(self, events: AsyncGenerator[bytes], *, beat: float = BEAT) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]  # nobody knows how long it will be
        self.events, self.beat = events, beat

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Serve the stream."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        gone = asyncio.create_task(left(receive))
        pump = asyncio.create_task(self.pump(start, send))
        try:
            await asyncio.wait({gone, pump}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, pump):
                task.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await pump
            with suppress(asyncio.CancelledError):
                await gone

    async def pump(self, start: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        """Write until the generator ends."""
        await send(start)
        following: asyncio.Future[bytes] | None = None
        try:
            while True:
                following = following or asyncio.ensure_future(anext(self.events))
                await asyncio.wait({following}, timeout=self.beat)
                if not following.done():
                    await send(body(b": keep-alive\n\n"))
                    continue
                try:
                    piece = following.result()
                except StopAsyncIteration:
                    break
                following = None
                await send(body(piece))
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            if following and not following.done():
                following.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await following
            await self.events.aclose()


def body(piece: bytes) -> dict[str, Any]:
    """A piece of a body that goes on."""
    return {"type": "http.response.body", "body": piece, "more_body": True}


async def left(receive: Callable[[], Awaitable[Any]]) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def unless_gone(request: Request, work: Coroutine[Any, Any, Found]) -> Found:
    """What the work comes to; it is cancelled, and ClientGone raised, when the client goes first."""
    gone = asyncio.create_task(left(request.receive))
    task = asyncio.create_task(work)
    try:
        await asyncio.wait({gone, task}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        for one in (gone, task):
            one.cancel()
        await asyncio.gather(gone, task, return_exceptions=True)
