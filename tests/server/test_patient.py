"""Connections whose requests never begin are closed, those that answer are kept. Real sockets."""

from __future__ import annotations

import asyncio
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
