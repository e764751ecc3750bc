"""Connections whose requests never begin are closed, those that answer are kept. Real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.asyncio.client import connect

from system2.server.patient import Patient

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await asyncio.sleep(0.3)  # longer than a head may take here
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving(app: Any = hello) -> AsyncGenerator[int]:
    config, state = (
        uvicorn.Config(app, lifespan="off", log_config=None, ws="websockets-sansio"),
        ServerState(),
    )
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Patient(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for one in [*state.connections]:
        one.transport.abort()  # type: ignore[union-attr]
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "begun", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: "]
)
@pytest.mark.parametrize("before", [False, True])
def test_a_head_that_never_ends(begun: bytes, before: bool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Patient, "head", 0.1)

    async def run() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            if before:
                writer.write(GET)
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            writer.write(begun)
            for _ in range(3):  # a byte now and then is no head
                await asyncio.sleep(0.02)
                writer.write(b"a" if begun else b"")
            assert await asyncio.wait_for(reader.read(), 30) == b""
            writer.close()

    asyncio.run(run())


def test_a_slow_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Patient, "head", 0.1)

    async def run() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(GET)
                assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            writer.close()

    asyncio.run(run())


def test_one_connection_too_many(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Patient, "most", 2)

    async def run() -> None:
        async with serving() as port:
            held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
            held[0][1].write(GET)
            assert b"200" in await held[0][0].readuntil(b"ok")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            for _, one in [*held, (reader, writer)]:
                one.close()

    asyncio.run(run())


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"GET /", b"a" * 4096),
        (HEAD + b"X-A: ", b"a" * 4096),
        (HEAD, b"X-A: b\r\n" * 500),
        (CHUNKED + b"0\r\nX-A: ", b"a" * 4096),
        (CHUNKED + b"0\r\n", b"X-A: b\r\n" * 500),
        (CHUNKED + b"1;", b"a" * 4096),
    ],
)
def test_what_is_no_body_has_an_end(begun: bytes, more: bytes):
    async def run() -> None:
        async with serving() as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begun)
            sent = 0
            with suppress(ConnectionError):
                while sent < 8 * 2**20:
                    writer.write(more)
                    sent += len(more)
                    await writer.drain()
                    await asyncio.sleep(0)
            assert sent < 8 * 2**20  # nobody reads it to the end
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "said", [b"X / HTTP/1.1\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01"]
)
def test_what_is_no_request_is_told_so(said: bytes):
    async def run() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400") and b"application/json" in head
            assert json.loads(body)["error"]["type"] == "invalid_request_error"
            writer.close()

    asyncio.run(run())


def test_blank_lines_keep_no_connection(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Patient, "head", 0.3)

    async def run() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            assert b"200" in await reader.readuntil(b"ok")

            async def blank() -> None:
                while True:
                    writer.write(b"\r\n")
                    await asyncio.sleep(0.02)

            writing = asyncio.create_task(blank())
            with suppress(ConnectionResetError):
                assert await asyncio.wait_for(reader.read(), 30) == b""
            writing.cancel()
            writer.close()

    asyncio.run(run())


def test_a_websocket_outlives_the_time_for_a_head(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Patient, "head", 0.2)

    async def run() -> None:
        async with serving() as port, connect(f"ws://127.0.0.1:{port}/") as wire:
            for _ in range(5):
                await wire.send("x")
                assert await wire.recv() == "x"
                await asyncio.sleep(0.1)

    asyncio.run(run())


@pytest.mark.parametrize(
    "line", [b"X-A: " + b"a" * 9_000, b"\r\n".join([b"X-A: b"] * 200), b"Content-Length: 5"]
)
def test_a_head_that_no_websocket_would_answer(line: bytes):
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + line
    assert asyncio.run(answers(head + b"\r\n\r\nabcde", 1)).startswith(b"HTTP/1.1 400")


async def answers(said: bytes, count: int, *more: bytes) -> bytes:
    """What comes back, until it holds so many replies or the connection ends; `more` follows a moment later."""
    out = b""
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for part in (said, *more):
            writer.write(part)
            await asyncio.sleep(0.05)
        while out.count(b"HTTP/1.1 ") < count or not out.endswith((b"ok", b"}")):
            if not (piece := await asyncio.wait_for(reader.read(65536), 30)):
                break
            out += piece
        writer.close()
    return out


def test_what_is_answered_has_its_time_though_the_next_request_has_begun(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(Patient, "head", 0.1)
    assert asyncio.run(answers(GET + b"GET /", 1)).count(b"200 OK") == 1
    assert asyncio.run(answers(GET + GET + b"GET /", 2)).count(b"200 OK") == 2


@pytest.mark.parametrize("apart", [False, True])
def test_a_body_behind_a_wish_for_another_protocol_is_a_body(apart: bool):
    """As Java's client sends it; else its body would be a request of its own."""
    seen: list[tuple[str, bytes]] = []

    async def hear(scope: Any, receive: Any, send: Any) -> None:
        body, message = b"", {"more_body": True}
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        seen.append((scope["path"], body))
        names = [name for name, _ in scope["headers"]]
        assert b"upgrade" not in names and b"connection" not in names
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
        )
        await send({"type": "http.response.body", "body": b"ok"})

    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    head = (
        b"POST /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAE\r\nContent-Length: %d\r\n\r\n" % len(body)
    )

    async def run() -> None:
        async with serving(hear) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for part in (head, body) if apart else (head + body,):
                writer.write(part)
                await asyncio.sleep(0.05)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            writer.write(GET)
            assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
            writer.close()

    asyncio.run(run())
    assert seen == [("/1", body), ("/", b"")]


@pytest.mark.parametrize("told", [True, False])
def test_an_old_client_gets_no_chunks(told: bool):
    async def speak(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"5")] if told else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in (b"he", b"llo"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def run() -> None:
        async with serving(speak) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert body == b"hello" and b"transfer-encoding" not in head
            writer.close()

    asyncio.run(run())
