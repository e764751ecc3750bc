"""The application: routes, who may, request ids, headers, and errors at their one border."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from system2.server.begin import Begun
from system2.server.errors import ApiError
from system2.server.server import Server
from system2.server.sse import ClientGone
from system2.server.watch.spans import Answering, Heading

VERSION = b"2020-10-01"
GONE = 499  # the client has left; as nginx logs it


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """One endpoint. scope: what a key must be allowed; None: nobody needs a key, and nothing is told.

    The rest is for the schema alone:
    body     the kind of its body
    reply    the kind of its reply; query: of its query string
    example  a body, but for the model
    kinds    media types it may answer with, besides or instead of JSON
    finds    parameters of other paths, and where in its reply a value for them is
    """

    method: str
    path: str
    endpoint: Callable[[Request], Awaitable[Response]]
    scope: str | None
    about: str
    body: type[Any] | None = None
    reply: Any = None
    query: Any = None
    example: Mapping[str, Any] | None = None
    kinds: tuple[str, ...] = ()
    finds: tuple[tuple[str, str], ...] = ()


def application(
    server: Server, spots: Sequence[Spot], others: Sequence[BaseRoute] = (), start: Any = None
) -> Any:
    """The whole of it as an ASGI application. start: an async context that lasts as long as it serves."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[None]:
        if start is None:
            yield
        else:
            async with start(server):
                yield

    routes: list[BaseRoute] = [
        Route(spot.path, guarded(spot), methods=[spot.method]) for spot in merged(spots)
    ]
    app = Starlette(
        routes=[*routes, *others],
        lifespan=lifespan,
        exception_handlers={
            ApiError: failed,
            HTTPException: unknown,
            ClientGone: gone,
            ClientDisconnect: gone,
            Exception: broken,
        },
    )
    app.router.redirect_slashes = (
        False  # a client's POST would become a GET, and its key go with it
    )
    app.state.server = server
    app.state.spots = spots
    return Numbered(app, server)


def merged(spots: Sequence[Spot]) -> Sequence[Spot]:
    """The spots, those without parameters first: `/v1/models/{id}` takes slashes."""
    return sorted(spots, key=lambda spot: "{" in spot.path)


def guarded(spot: Spot) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint behind its door: who asks is known before anything is read."""

    async def endpoint(request: Request) -> Response:
        server: Server = request.app.state.server
        request.scope["spot"] = spot.path
        if spot.scope is not None:
            key = await server.who(request.headers)
            request.state.key = key
            if spot.scope and not key.may(spot.scope):
                raise ApiError(403, f"This key lacks the scope {spot.scope}.", "insufficient_scope")
        return await spot.endpoint(request)

    return endpoint


class Numbered:
    """Every request has an id, every reply the headers that clients read, and both are logged and counted."""

    def __init__(self, app: Any, server: Server) -> None:
        self.app, self.server = app, server
        self.state = app.state
        self.routes = app.routes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection of whatever kind."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        name = f"req_{secrets.token_hex(16)}"
        scope.setdefault("state", {})["request_id"] = name
        status = 0

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            if status == GONE and message["type"].startswith("http.response."):
                return  # there is nobody to be told
            if message["type"] == "http.response.start":
                ms = str(int(1000 * (time.monotonic() - began))).encode()
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", name.encode()),
                    (b"openai-processing-ms", ms),
                    (b"openai-version", VERSION),
                    (b"x-content-type-options", b"nosniff"),
                    *self.limits(scope),
                ]
            await send(message)

        with ExitStack() as stack:
            counted = stack.enter_context(self.server.metrics.request("other"))
            scope["state"] |= {"stack": stack, "counted": counted}
            try:
                await self.app(scope, receive, sending)
            finally:
                counted.endpoint, counted.status = scope.get("spot", "other"), status or GONE
                key = scope["state"].get("key")
                self.server.logs.request(
                    request=name,
                    method=scope["method"],
                    route=counted.endpoint,
                    status=status or GONE,
                    ms=int(1000 * (time.monotonic() - began)),
                    key=key.id if key else None,
                    model=counted.model or None,
                    error=scope["state"].get("error"),
                    **self.cost(scope["state"].get("begun")),
                )

    def cost(self, begun: Begun | None) -> dict[str, Any]:
        """What the searches of a request have cost so far, for its line in the log."""
        if begun is None:
            return {}
        spent = begun.spent()
        return {"run": begun.jobs[0].run, "usage": spent.policy, "cost": spent.dollars}

    def limits(self, scope: Any) -> list[tuple[bytes, bytes]]:
        """What is left of the key's limits."""
        key = scope["state"].get("key")
        if key is None:
            return []
        return [
            (name.lower().encode(), value.encode())
            for name, value in self.server.limits.headers(key).items()
        ]


def first(request: Request) -> Callable[[], None]:
    """Call this when the first piece of a reply goes out."""
    counted, span = request.state.counted, getattr(request.state, "span", None)

    def told() -> None:
        counted.first()
        if span is not None:
            span.first()

    return told


def seen(request: Request, heading: Heading) -> Answering | None:
    """The span of a request, to its end; None where none are wanted."""
    server: Server = request.app.state.server
    request.state.counted.model = heading.model
    if server.spans is None:
        return None
    heading = replace(heading, route=request.scope.get("spot"))
    span = request.state.stack.enter_context(server.spans.request(heading, request.headers))
    request.state.span = span
    return span


async def body_of(request: Request) -> bytes:
    """The body of a JSON request. Raises ApiError 413, 415, 408."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise ApiError(
            415,
            f"Unsupported media type {kind[:60]!r}: send JSON as application/json.",
            "unsupported_media_type",
        )
    return await limited(request)


async def limited(request: Request) -> bytes:
    """The bytes of a body that is neither too large nor too slow. Raises ApiError."""
    server: Server = request.app.state.server
    most = server.largest
    length = request.headers.get("content-length", "")
    if length.isdigit() and len(length) < 20 and int(length) > most:
        raise large(most)
    pieces: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(server.slow):
            async for piece in request.stream():
                size += len(piece)
                if size > most:
                    raise large(most)
                pieces.append(piece)
    except TimeoutError as error:
        raise ApiError(
            408, f"The body had not come after {server.slow:g} seconds.", "request_timeout"
        ) from error
    return b"".join(pieces)


def large(most: int) -> ApiError:
    """A body that is too large."""
    return ApiError(
        413, f"The body is larger than {most:,} bytes; shorten it.", "request_too_large"
    )


def replied(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A reply of JSON."""
    return Response(orjson.dumps(body), status, headers=headers, media_type="application/json")


async def failed(request: Request, error: Exception) -> Response:
    """An error a client is told of."""
    assert isinstance(error, ApiError)
    request.state.error = error.code or error.type
    if error.status == 429:
        server: Server = request.app.state.server
        server.metrics.limited(error.code or "")
    return replied(error.body(), error.status, dict(error.headers))


async def unknown(request: Request, error: Exception) -> Response:
    """No such place, or not with this method."""
    assert isinstance(error, HTTPException)
    place = f"({request.method} {request.url.path[:200]})"
    said = {404: f"Invalid URL {place}", 405: f"Not allowed: {place}"}
    told = ApiError(error.status_code, said.get(error.status_code, error.detail))
    return replied(told.body(), error.status_code, dict(error.headers or {}))


async def gone(request: Request, error: Exception) -> Response:
    """Nobody is there to be told; the status is for our own log."""
    return Response(status_code=GONE)


async def broken(request: Request, error: Exception) -> Response:
    """A fault of ours: it is logged, and the client told no more than that."""
    told = ApiError(
        500,
        "The server had an error while processing your request. Sorry about that!",
        "server_error",
        type="server_error",
    )
    return replied(told.body(), 500)
