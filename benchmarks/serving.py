"""`system2 serve` as a process before the counting backend of server.py, and a client that can leave. Run alone: a trial.

    python benchmarks/serving.py

serving_money.py, serving_leaving.py, serving_load.py and serving_ends.py measure with it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from replies import Manners
from server import Record, Server

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
PATIENCE = 300.0  # seconds that any reply may take
PRICE = "2/8"


@dataclass
class Reply:
    """What came back. times: when the first and the last byte of the body did."""

    status: int
    body: bytes
    began: float
    first: float = 0.0
    ended: float = 0.0

    def json(self) -> Any:
        """The body of a plain reply."""
        return json.loads(self.body)

    def whole(self) -> bool:
        """Has a stream its last event?"""
        return b"data: [DONE]" in self.body or b'data: {"error"' in self.body


@dataclass
class Serving:
    """Both processes, from `with` to the end of it. place: where database and traces lie, for a second life."""

    options: Sequence[str] = ()
    place: str = ""
    backend: Server = field(default_factory=Server)
    log: str = ""

    def __enter__(self) -> Serving:
        self._folder = tempfile.TemporaryDirectory()
        self.place = self.place or self._folder.name
        if not self.backend.url:
            self.backend.__enter__()
            self._own = True
        self.start()
        return self

    def start(self) -> None:
        """Start the server; it has the same data as before."""
        env = {**os.environ, "XDG_DATA_HOME": self.place, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "system2", "serve", "--port", "0", "--model", self.backend.url,
                   "--model-name", "pretend", "--price", PRICE, *self.options]  # fmt: skip
        self.log = f"{self.place}/server.log"
        with Path(self.log).open("a") as log:
            at = log.tell()
            self.process = subprocess.Popen(command, env=env, stderr=log)
        end = time.monotonic() + 120
        while "/v1 (" not in (said := Path(self.log).read_text()[at:]):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start: {said}")
            time.sleep(0.05)
        self.port = int(said.partition("http://127.0.0.1:")[2].partition("/")[0])

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)
        if getattr(self, "_own", False):
            self.backend.__exit__()
        self._folder.cleanup()

    # ---------------------------------------------------------------- the client

    async def open(
        self, path: str, body: Any = None, **headers: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request; HTTP/1.0, so that the reply ends with the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        data = b"" if body is None else json.dumps(body).encode()
        given = {"Host": "127.0.0.1", "Content-Type": "application/json"} | headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        method = "GET" if body is None else "POST"
        head = f"{method} {path} HTTP/1.0\r\n{lines}Content-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        await writer.drain()
        return reader, writer

    async def ask(self, path: str, body: Any = None, **headers: str) -> Reply:
        """A request and its whole reply."""
        began = time.monotonic()
        reader, writer = await self.open(path, body, **headers)
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                found = Reply(int(head.split()[1]), b"", began)
                piece = await reader.read(65_536)
                found.first = time.monotonic()
                pieces = [piece]
                while piece:
                    piece = await reader.read(65_536)
                    pieces.append(piece)
                found.body, found.ended = b"".join(pieces), time.monotonic()
                return found
        finally:
            writer.transport.abort()

    # ---------------------------------------------------------------- what is booked

    def booked(self, since: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The entries of the ledger above a number, and the highest there is."""
        with closing(sqlite3.connect(f"{self.place}/system2/server.db")) as db:
            db.row_factory = sqlite3.Row
            rows = [dict(row) for row in db.execute("SELECT * FROM ledger WHERE number > ?", (since,))]  # fmt: skip
        return rows, max((row["number"] for row in rows), default=since)

    def settled(self, since: int) -> tuple[list[dict[str, Any]], int]:
        """The same, once nothing more is booked for half a second."""
        rows, top = self.booked(since)
        while True:
            time.sleep(0.5)
            more, last = self.booked(since)
            if last == top and len(more) == len(rows):
                return more, last
            rows, top = more, last

    def usage(self) -> dict[str, float]:
        """Memory and CPU time of the server: RSS in MiB, seconds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        rss = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        ticks = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        hertz = os.sysconf("SC_CLK_TCK")
        return {"rss": rss / 1024, "cpu": (int(ticks[11]) + int(ticks[12])) / hertz}


def chat(question: str, stream: bool = False, **fields: Any) -> dict[str, Any]:
    """A chat."""
    messages = [{"role": "user", "content": question}]
    return {"model": "pretend", "messages": messages, "stream": stream, **fields}


def response(question: str, stream: bool = False, **fields: Any) -> dict[str, Any]:
    """The same of the Responses API."""
    return {"model": "pretend", "input": question, "stream": stream, **fields}


def body_of(n: int, stream: bool, tag: str = "") -> tuple[str, dict[str, Any]]:
    """Request number n: of either API in turn."""
    question = f"why {tag}{n}?"
    return (CHAT, chat(question, stream)) if n % 2 else (RESPONSES, response(question, stream))


def completion(rows: list[dict[str, Any]]) -> int:
    """Completion tokens of entries."""
    return sum(row["reasoning"] + row["answer"] for row in rows)


def sent(records: list[Record]) -> int:
    """Completion tokens that the backend sent."""
    return sum(record.sent for record in records)


def share(values: list[float], part: float) -> float:
    """A quantile."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(part * len(ranked)))] if ranked else 0.0


def verdict(fine: bool) -> str:
    """In a word."""
    return "met" if fine else "**MISSED**"


def main() -> None:
    """One request, to show that it runs."""
    with Serving(("--effort", "low")) as one:
        one.backend.behave(Manners())
        reply = asyncio.run(one.ask(CHAT, chat("why?")))
        rows, _ = one.settled(0)
        print(f"answered with {reply.status}; booked {completion(rows)} tokens of {sent(one.backend.counts())}")  # fmt: skip


if __name__ == "__main__":
    main()
