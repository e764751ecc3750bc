"""WS /v1/responses: responses asked for one after another on one connection. Knows the same exchange as POST."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import aclosing, suppress
from typing import Any

import orjson
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from system2.server.data.keys import Key
from system2.server.errors import ApiError, invalid
from system2.server.exchange import Exchange
from system2.server.responses import exchange
from system2.server.server import Server
from system2.server.wire.check import checked, parsed
from system2.server.wire.responses_request import ResponseRequest

LONGEST = 3_600.0  # seconds of one connection
LARGEST = 8 * 2**20  # bytes of one message, and of all that wait for their turn
WAITING = 4_096  # messages that may wait
IGNORED = ("type", "stream", "stream_options", "background")


class Connection:
    """One client. `remembered`: what its responses were made of, so that unstored ones can be gone on from."""

    def __init__(self, socket: WebSocket, server: Server, key: Key) -> None:
        self.socket, self.server, self.key = socket, server, key
        self.remembered: dict[str, list[dict[str, Any]]] = {}
        self.held: Exchange | None = None
        self.waiting = 0  # bytes of messages whose turn has not come

    async def serve(self) -> None:
        """One response after another, until the client goes or an hour has passed."""
        began = time.monotonic()
        wishes: asyncio.Queue[bytes | None] = asyncio.Queue()
        reader = asyncio.create_task(self.read(wishes))
        try:
            while True:
                left = LONGEST - (time.monotonic() - began)
                try:
                    async with asyncio.timeout(max(0.0, left)):
                        wish = await wishes.get()
                except TimeoutError:
                    await self.fail(
                        ApiError(
                            400,
                            "This connection is an hour old; open another.",
                            "websocket_connection_limit_reached",
                        )
                    )
                    return
                if wish is None:
                    return
                self.waiting -= len(wish)
                if not await self.turn(wish, reader):
                    return
        finally:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def read(self, wishes: asyncio.Queue[bytes | None]) -> None:
        """What the client sends, read at once, so that it is noticed when it goes.

        One that sends more than can wait is let go.
        """
        try:
            while True:
                message = await self.socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                text = message.get("text")
                wish = text.encode("utf-8", "replace") if text else message.get("bytes") or b""
                self.waiting += len(wish)
                if wishes.qsize() >= WAITING or self.waiting > LARGEST:
                    return
                wishes.put_nowait(wish)
        except (WebSocketDisconnect, RuntimeError):
            return
        finally:
            wishes.put_nowait(None)

    async def turn(self, wish: bytes, reader: asyncio.Task[None]) -> bool:
        """One response; False: the client has gone."""
        try:
            self.key = await admitted(self.socket)  # it may have been revoked since
        except ApiError as error:
            await self.fail(error)
            return False
        answer = asyncio.create_task(self.answer(wish))
        await asyncio.wait({answer, reader}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
        try:
            await answer
        except asyncio.CancelledError:
            return False
        except ApiError as error:
            await self.fail(error)
        except (WebSocketDisconnect, RuntimeError):
            return False
        return True

    async def answer(self, wish: bytes) -> None:
        """The events of one response. Raises ApiError."""
        body = parsed(wish)
        kind = body.get("type")
        if kind != "response.create":
            raise invalid(f"Unknown event {str(kind)[:60]!r}; send response.create.", "type")
        asked = checked(
            ResponseRequest, {name: value for name, value in body.items() if name not in IGNORED}
        )
        before = asked.previous_response_id
        try:
            held = await exchange(
                self.server,
                self.key,
                asked,
                f"req_{secrets.token_hex(16)}",
                language=self.socket.headers.get("accept-language"),
                remembered=self.remembered,
            )
        except ApiError:
            self.remembered.pop(before or "", None)  # what could not be gone on from is forgotten
            raise
        async with aclosing(held.told()) as told:
            async for one in told:
                await self.send(one)
        self.remember(held)

    def remember(self, held: Exchange) -> None:
        """Keep the last response alone: with what it said, the next can go on from it."""
        made = self.remembered.pop(held.id, [])
        self.remembered.clear()
        if held.body.get("status") in ("completed", "incomplete"):
            self.remembered[held.id] = [*made, *held.body["output"]]

    async def send(self, body: dict[str, Any]) -> None:
        """One message."""
        await self.socket.send_text(orjson.dumps(body).decode())

    async def fail(self, error: ApiError) -> None:
        """Tell of an error; the connection stays."""
        if self.socket.application_state == WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self.send({"type": "error", "status": error.status, **error.body()})


async def admitted(socket: WebSocket) -> Key:
    """Whose connection this is, now. Raises ApiError 401, 403."""
    server: Server = socket.app.state.server
    key = await server.who(socket.headers)
    if not key.may("chat"):
        raise ApiError(403, "This key lacks the scope chat.", "insufficient_scope")
    return key


async def connect(socket: WebSocket) -> None:
    """A client that wants to stay: who it is, is asked before it is let in."""
    server: Server = socket.app.state.server
    try:
        key = await admitted(socket)
    except ApiError as error:
        from starlette.responses import Response

        await socket.send_denial_response(
            Response(orjson.dumps(error.body()), error.status, media_type="application/json")
        )
        return
    await socket.accept()
    await Connection(socket, server, key).serve()
    if socket.application_state == WebSocketState.CONNECTED:
        with suppress(RuntimeError, WebSocketDisconnect):
            await socket.close()


ROUTES = [WebSocketRoute("/v1/responses", connect)]
