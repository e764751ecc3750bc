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

from system2.server.patient import Patient

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    )
    await asyncio.sleep(0.3)  # longer than a head may take here
    await send({"type": "http.response.body", "body": b"ok"})


@asynccontextmanager
async def serving() -> AsyncGenerator[int]:
    config, state = uvicorn.Config(hello, lifespan="off", log_config=None), ServerState()
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
