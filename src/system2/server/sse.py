"""Server-sent events, kept alive, and requests that end when their client has gone. Knows nothing about either API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
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
    end  called when all is over, once, even where the client had gone before the generator began
    """

    def __init__(
        self,
        events: AsyncGenerator[bytes],
        *,
        beat: float = BEAT,
        end: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]  # nobody knows how long it will be
        self.events, self.beat, self.end = events, beat, end
        self.last = 0.0  # when anything was sent, by the loop's clock

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Serve the stream. Raises what the generator does, but nothing of a connection that broke."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            headers = self.raw_headers
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            tasks = {asyncio.create_task(left(receive)), asyncio.create_task(self.pump(send))}
            await self.beats(tasks, send)
        finally:
            for task in tasks:
                task.cancel()
            try:
                ends = await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                if self.end:
                    self.end()
        for error in ends:
            if isinstance(error, Exception) and not isinstance(error, OSError):
                raise error

    async def beats(
        self, tasks: set[asyncio.Task[None]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        """Until one of the tasks has ended, break every silence."""
        clock = asyncio.get_running_loop().time
        self.last = clock()
        while True:
            silent = clock() - self.last
            if silent >= self.beat:
                self.last, silent = clock(), 0.0
                await send(body(b": keep-alive\n\n"))
            done, _ = await asyncio.wait(
                tasks, timeout=self.beat - silent, return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                return

    async def pump(self, send: Callable[[Any], Awaitable[None]]) -> None:
        """Write until the generator ends."""
        clock = asyncio.get_running_loop().time
        async with aclosing(self.events):
            async for piece in self.events:
                self.last = clock()
                await send(body(piece))
        self.last = float("inf")  # no comment after the end
        await send({"type": "http.response.body", "body": b"", "more_body": False})


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
