"""The server as an application in this process, asked without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from system2.options import Options
from system2.server import assets, runs
from system2.server.app import application
from system2.server.opened import opened
from system2.server.served import Served
from system2.server.server import Server, Settings


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its JSON."""
        return json.loads(self.body)

    def events(self) -> list[dict[str, Any]]:
        """The events of a stream that has ended."""
        blocks = self.body.decode().split("\n\n")
        assert blocks[-2:] == ["data: [DONE]", ""]
        lines = [block.split("\n") for block in blocks[:-2] if not block.startswith(":")]
        found = [json.loads(line[1].removeprefix("data: ")) for line in lines]
        assert [f"event: {event['type']}" for event in found] == [line[0] for line in lines]
        return found


@dataclass
class House:
    """A server and its door."""

    server: Server
    app: Any = field(init=False)

    def __post_init__(self) -> None:
        self.app = application(self.server, runs.SPOTS, assets.ROUTES)

    async def ask(self, method: str, path: str, body: Any = None, secret: str = "") -> Answer:
        """One request, to the end of its reply."""
        place, _, query = path.partition("?")
        headers = [(b"host", b"127.0.0.1:1"), (b"content-type", b"application/json")]
        if secret:
            headers.append((b"authorization", f"Bearer {secret}".encode()))
        scope = {
            "type": "http", "method": method, "path": place, "raw_path": place.encode(), "headers": headers,
            "query_string": query.encode(), "http_version": "1.1", "scheme": "http", "root_path": "",
            "server": ("127.0.0.1", 1), "client": ("127.0.0.1", 2), "state": {},
        }  # fmt: skip
        sent = iter([{"type": "http.request", "body": json.dumps(body).encode()}])
        found: list[Any] = []

        async def receive() -> Any:
            if (message := next(sent, None)) is None:
                await asyncio.Event().wait()
            return message

        async def send(message: Any) -> None:
            found.append(message)

        await self.app(scope, receive, send)
        head = found[0]
        names = {name.decode().lower(): value.decode() for name, value in head["headers"]}
        whole = b"".join(message.get("body", b"") for message in found[1:])
        return Answer(head["status"], names, whole)


@asynccontextmanager
async def house(place: Path, **settings: Any) -> AsyncGenerator[House]:
    """A server with the embedded model, whose accounts lie in `place`."""
    told = Settings(database=f"sqlite:///{place}/accounts.db", grace=0.1, **settings)
    async with opened(told, [Served("system2-mini", Options())]) as server:
        yield House(server)
