"""A server that is told to end: what runs is answered, what waits in the background goes on in the next process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import CHAT, RESPONSES, Live, chat, response, served, until

from system2.server.process import Process
from system2.server.server import Settings

SIGN = signal.SIGUSR1


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers  # the process takes the root logger
    root.setLevel(level)


@asynccontextmanager
async def process(folder: Path, backend: Backend, grace: float) -> AsyncGenerator[Live]:
    """A server as it is run, up to its own end; `server` is not to be looked at."""
    settings = Settings(database=f"sqlite:///{folder}/server.db", grace=grace)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(256)
    sock.setblocking(False)
    begun = asyncio.Event()
    one = Process(settings, [served(backend.url)], lambda _: begun.set())
    task = asyncio.create_task(one.run(sock, [SIGN]))
    await begun.wait()
    live: Any = Live(None, None, sock.getsockname()[1])  # type: ignore[arg-type]
    while (await live.ask("/health")).status != 200:
        pass
    yield live
    async with asyncio.timeout(60):
        assert await task == 0


def rows(folder: Path) -> dict[str, str]:
    """Stored responses: how they stand."""
    with closing(sqlite3.connect(folder / "server.db")) as db:
        return dict(db.execute("SELECT id, status FROM responses"))


@pytest.mark.parametrize("grace", [20.0, 0.0], ids=["time enough", "none"])
def test_whoever_waits_is_answered(grace: float, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=4 if grace else 400, pace=0.005)) as backend:
            async with process(tmp_path, backend, grace) as one:
                asked = [(path, body(stream, f"why {n}?", store=True))
                         for path, body in ((CHAT, chat), (RESPONSES, response))
                         for stream in (True, False) for n in range(3)]  # fmt: skip
                callers = [await one.begin(path, body) for path, body in asked]
                await until(lambda: len(backend.records) >= len(asked))
                os.kill(os.getpid(), SIGN)
                replies = [await caller.reply() for caller in callers]
        for (path, body), reply in zip(asked, replies, strict=True):
            assert reply.status == 200, reply.body
            if not body["stream"]:
                found = reply.json()
                end = found["status"] if path == RESPONSES else found["choices"][0]["finish_reason"]
            elif path == CHAT:
                end = reply.events()[-1]["choices"][0]["finish_reason"]
            else:
                end = reply.events()[-1]["response"]["status"]
            assert end in ("stop", "length", "completed", "incomplete")
            assert not grace or end in ("stop", "completed")
        assert set(rows(tmp_path).values()) <= {"completed", "incomplete"}

    asyncio.run(main())


def test_what_is_in_the_background_goes_on_in_the_next_process(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=10, pace=0.01)) as backend:
            async with process(tmp_path, backend, 0.0) as one:
                body = response(False, background=True)
                made = (await one.ask(RESPONSES, body)).json()
                follower = await one.begin(f"{RESPONSES}/{made['id']}?stream=true")
                await until(lambda: len(backend.records) == 2)  # thought, and now the reply
                os.kill(os.getpid(), SIGN)
                seen = (await follower.reply()).events()
                assert seen[-1]["type"] == "error"
            assert rows(tmp_path)[made["id"]] in ("queued", "in_progress")
            async with process(tmp_path, backend, 20.0) as one:
                last = seen[-2]["sequence_number"]
                path = f"{RESPONSES}/{made['id']}?stream=true&starting_after={last}"
                events = (await one.ask(path)).events()
                numbers = [event["sequence_number"] for event in events]
                assert numbers == [*range(last + 1, last + 1 + len(numbers))]
                assert events[-1]["type"] == "response.completed"
                os.kill(os.getpid(), SIGN)
            whole = [json.dumps(r.body) for r in backend.records if r.outcome == "done"]
            assert len(whole) == len(set(whole)) == 2

    asyncio.run(main())
