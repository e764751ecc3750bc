"""A server on a socket of 127.0.0.1 before a backend that counts, and a client that can leave at any time."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import uvicorn

from system2.core import Price, Usage
from system2.server import assets, sockets
from system2.server.app import application
from system2.server.data.ledger import Entry
from system2.server.opened import opened
from system2.server.served import Served
from system2.server.server import Server, Settings
from system2.server.spots import SPOTS

PRICE = Price(Decimal(2), Decimal(8))
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
PATIENCE = 15.0  # seconds: the machine may be busy


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    def events(self) -> list[dict[str, Any]]:
        """Those of a stream; its `[DONE]` is asserted, and left out."""
        lines = [one[6:] for one in self.body.decode().splitlines() if one.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]


@dataclass
class Caller:
    """One request under way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: bytes = b""

    async def read(self, sign: bytes) -> None:
        """Until this has come."""
        async with asyncio.timeout(PATIENCE):
            while sign not in self.seen:
                piece = await self.reader.read(65_536)
                assert piece, self.seen
                self.seen += piece

    async def reply(self) -> Reply:
        """All of it."""
        async with asyncio.timeout(PATIENCE):
            self.seen += await self.reader.read()
        self.leave()
        head, _, body = self.seen.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        return Reply(int(first.split()[1]), headers, body)

    def leave(self) -> None:
        """Hang up."""
        self.writer.transport.abort()


@dataclass
class Live:
    """The server, and how to reach it."""

    server: Server
    app: Any
    port: int

    async def begin(
        self, path: str, body: Any = None, *, method: str = "", **headers: str
    ) -> Caller:
        """Send a request; HTTP/1.0, so that the body ends with the connection and has no frames."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        data = b"" if body is None else json.dumps(body).encode()
        given = {"Host": f"127.0.0.1:{self.port}", "Content-Length": str(len(data))}
        given |= {"Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        method = method or ("GET" if body is None else "POST")
        version = "1.1" if "Upgrade" in given else "1.0"
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        writer.write(f"{method} {path} HTTP/{version}\r\n{lines}\r\n".encode() + data)
        await writer.drain()
        return Caller(reader, writer)

    async def ask(self, path: str, body: Any = None, **headers: str) -> Reply:
        """A request and its whole reply."""
        return await (await self.begin(path, body, **headers)).reply()

    async def visit(self, path: str, body: Any, cut: int) -> int:
        """A client that goes once so many messages were sent to it, without any socket; how many were."""
        data, sent = json.dumps(body).encode(), 0
        waiting = [{"type": "http.request", "body": data, "more_body": False}]
        gone = asyncio.Event()
        if not cut:
            gone.set()

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal sent
            sent += 1
            if sent >= cut:
                gone.set()

        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        scope |= {"http_version": "1.1", "scheme": "http", "query_string": b"", "root_path": ""}
        await self.app({**scope, "raw_path": path.encode()}, receive, send)
        return sent

    async def entries(self) -> list[Entry]:
        """All that is booked."""
        runs = [path.stem for path in traces()]
        return [one for run in runs for one in await self.server.ledger.entries(run)]

    async def booked(self) -> Usage:
        """Their sum."""
        return sum((one.usage for one in await self.entries()), Usage())

    async def idle(self) -> None:
        """Wait until no search runs and nobody is answered any more."""
        await until(lambda: not self.server.jobs.running and not self.server.under_way)


def traces() -> list[Path]:
    """The traces that this test's server wrote."""
    from system2.store import folder

    return sorted(folder().glob("*.jsonl"))


async def until(holds: Callable[[], bool]) -> None:
    """Wait until this holds; that it never does is a failure."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.005)


def served(url: str, **options: Any) -> Served:
    """The model on offer."""
    given: Any = {"model": url, "model_name": "pretend", "price": PRICE, **options}
    return Served("pretend", given, effort="low")


class Addressed(Protocol):
    """A backend, whatever it is."""

    @property
    def url(self) -> str: ...


@asynccontextmanager
async def live(
    folder: Path,
    backend: Addressed,
    *,
    keys: bool = False,
    most: int = 256,
    grace: float = 5.0,
    database: str = "",
    lease: float = 60.0,
    models: Sequence[Served] = (),
    **options: Any,
) -> AsyncGenerator[Live]:
    """Serve; at the end nothing that was begun is left. models: on offer besides the backend's."""
    settings = Settings(
        database=database or f"sqlite:///{folder}/server.db",
        grace=grace, keys=keys, most=most, lease=lease,
    )  # fmt: skip
    async with opened(settings, [served(backend.url, **options), *models]) as server:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        sock.listen(256)
        sock.setblocking(False)
        app = application(server, SPOTS, [*assets.ROUTES, *sockets.ROUTES])
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
        )
        unicorn = uvicorn.Server(config)
        task = asyncio.create_task(unicorn._serve([sock]))  # pyright: ignore[reportPrivateUsage]
        await until(lambda: unicorn.started)
        try:
            yield Live(server, app, sock.getsockname()[1])
        finally:
            unicorn.should_exit = True
            await task


def chat(stream: bool, question: str = "why?", **fields: Any) -> dict[str, Any]:
    """A chat."""
    messages = [{"role": "user", "content": question}]
    return {"model": "pretend", "messages": messages, "stream": stream, **fields}


def response(stream: bool, question: str = "why?", **fields: Any) -> dict[str, Any]:
    """The same of the Responses API."""
    return {"model": "pretend", "input": question, "stream": stream, **fields}


ASKED: tuple[tuple[str, Callable[..., dict[str, Any]]], ...] = (
    (CHAT, chat),
    (RESPONSES, response),
)
