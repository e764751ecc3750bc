"""How the process starts: warm before it says that it serves, and not ready before its backend answers."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import CHAT, Live, chat, served

from system2.policies.local import LocalPolicy
from system2.server.process import Process
from system2.server.served import Served
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
async def process(
    folder: Path, offered: list[Served], lines: list[str], begun: Any = None
) -> AsyncGenerator[Live]:
    """A server as it is run; what it says goes to `lines`."""
    settings = Settings(database=f"sqlite:///{folder}/server.db", grace=0.0, pace=0.01)
    serves = asyncio.Event()

    def said(text: str) -> None:
        lines.append(text)
        if begun:
            begun()
        serves.set()

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        task = asyncio.create_task(Process(settings, offered, said, lines.append).run(sock, [SIGN]))
        await asyncio.wait(
            {task, asyncio.create_task(serves.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        if task.done():
            task.result()
        one: Any = Live(None, None, sock.getsockname()[1])  # type: ignore[arg-type]
        yield one
        os.kill(os.getpid(), SIGN)
        async with asyncio.timeout(60):
            assert await task == 0


def test_the_embedded_model_has_written_before_anybody_is_let_in(tmp_path: Path):
    async def main() -> None:
        one = Served("system2-mini", {})
        policy = one.policy(one.options)
        assert isinstance(policy, LocalPolicy)
        before, rows = policy.model.decoder.stats().rows, list[int]()
        lines: list[str] = []
        begun = lambda: rows.append(policy.model.decoder.stats().rows)  # noqa: E731
        async with process(tmp_path, [one], lines, begun):
            pass
        assert rows[0] > before
        assert "system2-mini is made ready" in lines[0] and "serves" in lines[-1]

    asyncio.run(main())


def test_a_backend_that_comes_later(tmp_path: Path):
    async def main() -> None:
        with socket.socket() as held:  # a port where nobody listens
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
            lines: list[str] = []
            offered = served(f"http://127.0.0.1:{port}/v1")
            async with process(tmp_path, [offered], lines) as one:
                assert "pretend" in lines[0] and "no server answers" in lines[0]
                assert "requests fail until it answers" in lines[0] and "serves" in lines[1]
                found = {path: await one.ask(path) for path in ("/readyz", "/health", "/livez")}
                assert [reply.status for reply in found.values()] == [503, 503, 200]
                assert found["/readyz"].json() == {"status": "waiting"}
                assert (await one.ask(CHAT, chat(False))).status >= 500
                held.close()
                with Backend(port=port):
                    async with asyncio.timeout(30):
                        while (await one.ask("/readyz")).status != 200:
                            pass
                    assert lines[-1].endswith("answers now")
                    assert (await one.ask(CHAT, chat(False))).status == 200

    asyncio.run(main())


@pytest.mark.parametrize(
    ("manners", "answers"),
    [(Manners(), True), (Manners(key="sk-other"), True), (Manners(status=503), False)],
    ids=["it has no list", "it refuses the key", "a gateway without anybody behind"],
)
def test_what_an_answer_is(tmp_path: Path, manners: Manners, answers: bool):
    async def main() -> None:
        with Backend(manners) as backend:
            lines: list[str] = []
            async with process(tmp_path, [served(backend.url)], lines) as one:
                assert (await one.ask("/readyz")).status == (200 if answers else 503)
                assert len(lines) == (1 if answers else 2)
            assert not backend.records  # nothing was asked of it that might cost

    asyncio.run(main())
