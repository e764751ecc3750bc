"""A body that does not come, and one that is larger than it may be, on a server of this process."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from system2.server.app import application
from system2.server.opened import opened
from system2.server.served import Served
from system2.server.server import Server, Settings
from system2.server.spots import SPOTS

HEAD = b"POST /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def served(folder: Path, change: Callable[[Server], None], sent: bytes) -> bytes:
    """What comes back for these bytes, to the end of the connection or of patience."""

    async def go() -> bytes:
        settings = Settings(database=str(folder / "accounts.db"))
        async with opened(settings, [Served("system2-mini", {})]) as server:
            change(server)
            app = application(server, SPOTS)
            config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_keep_alive=1)
            unicorn = uvicorn.Server(config)
            with socket.create_server(("127.0.0.1", 0)) as sock:
                task = asyncio.create_task(unicorn.serve([sock]))
                reader, writer = await asyncio.open_connection(*sock.getsockname())
                writer.write(sent)
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                writer.close()
                unicorn.should_exit = True
                await task
            return head.partition(b"\r\n")[0] + b"\n" + body

    return asyncio.run(asyncio.wait_for(go(), 60))


def error(reply: bytes) -> tuple[int, Any]:
    """Status and code."""
    line, _, body = reply.partition(b"\n")
    return int(line.split()[1]), json.loads(body)["error"]["code"]


def test_a_body_that_does_not_come(tmp_path: Path):
    def impatient(server: Server) -> None:
        server.slow = 0.2

    reply = served(tmp_path, impatient, HEAD + b'Content-Length: 99\r\n\r\n{"model": ')
    assert error(reply) == (408, "request_timeout")


def test_a_body_that_is_larger_than_it_may_be(tmp_path: Path):
    def small(server: Server) -> None:
        server.largest = 100

    told = HEAD + b"Content-Length: 101\r\n\r\n"
    assert error(served(tmp_path, small, told)) == (413, "request_too_large")
    chunk = b"Transfer-Encoding: chunked\r\n\r\n" + b"33\r\n" + b" " * 51 + b"\r\n"
    twice = HEAD + chunk + b"33\r\n" + b" " * 51 + b"\r\n"
    assert error(served(tmp_path, small, twice)) == (413, "request_too_large")
