"""Several processes on one database: what one works at is its own until it is gone."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import server
from openai import OpenAI
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import RESPONSES, live, response, traces, until

import system2
from system2.server.data import Database, Processes, Response, Stored
from system2.server.owner import Owner
from system2.server.revived import revive

ONE = Response("resp_1", "k", "m", "in_progress", 1, {"a": 1}, run="r", background=True)


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


@asynccontextmanager
async def owner(db: Database, place: Path) -> AsyncGenerator[Owner]:
    one = await Owner(Processes(db), place, lease=60).begin()
    try:
        yield one
    finally:
        await one.close()


def test_a_process_lives_until_it_ends(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with Database.open(url) as db, owner(db, tmp_path / "p") as me:
            async with owner(db, tmp_path / "p") as other:
                assert not await me.gone(other.id) and not await other.gone(me.id)
                assert not await me.gone(
                    other.id, time.time() + 10**6
                )  # slow, but its file is locked
                assert not await me.gone(me.id)
            assert await me.gone(other.id)
            assert await me.gone(None) and await me.gone("process_nobody_knows")
            assert [path.name for path in (tmp_path / "p").iterdir()] == [me.id]

    asyncio.run(main())


def test_a_process_of_another_machine_lives_as_long_as_its_lease(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with Database.open(url) as db, owner(db, tmp_path / "here") as me:
            async with owner(db, tmp_path / "there") as other:
                assert not await me.gone(other.id)
                assert not await me.gone(other.id, time.time() + 55)
                assert await me.gone(other.id, time.time() + 65)
            assert await me.gone(other.id)

    asyncio.run(main())


def test_a_process_that_was_killed_is_gone_at_once(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with Database.open(url) as db, owner(db, tmp_path / "p") as me:
            other = await Owner(Processes(db), tmp_path / "p", lease=10**6).begin()
            assert other._task and other._file and not await me.gone(other.id)
            other._task.cancel()
            os.close(other._file)  # as the system does
            assert await me.gone(other.id)
            await me.tidy(int(time.time()) + 10**8)
            assert [path.name for path in (tmp_path / "p").iterdir()] == [me.id]

    asyncio.run(main())


def test_a_response_is_taken_up_once_and_its_first_owner_cannot_change_it(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            a, b, c = (Stored(db, name).responses for name in ("a", "b", "c"))
            await a.add(ONE)
            await a.append(ONE.id, [(0, {"n": 0})])
            assert await b.owners() == {"a"} and await b.unfinished("c") == []
            assert await b.unfinished("a", None) == [replace(ONE, owner="a")]
            took = await asyncio.gather(b.claim(ONE.id, "a"), c.claim(ONE.id, "a"))
            assert sorted(took) == [False, True]
            winner = b if took[0] else c
            await a.append(ONE.id, [(1, {"n": "late"})])
            assert not await a.change(ONE.id, status="failed", body={})
            await winner.append(ONE.id, [(1, {"n": 1})])
            done = {"status": "completed", "body": {"b": 2}, "events": [(2, {"n": 2})]}
            assert await winner.change(ONE.id, **done)  # type: ignore[arg-type]
            assert await a.events(ONE.id) == [(0, {"n": 0}), (1, {"n": 1}), (2, {"n": 2})]
            assert not await c.claim(ONE.id, winner.owner) and await a.owners() == set()

    asyncio.run(main())


def test_who_gives_it_up_leaves_it_to_anybody(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            a, b = (Stored(db, name).responses for name in ("a", "b"))
            await a.add(ONE)
            await b.yield_up(ONE.id)
            assert await b.owners() == {"a"}  # it is not b's to give up
            await a.yield_up(ONE.id)
            assert await b.owners() == {None} and await b.claim(ONE.id, None)

    asyncio.run(main())


@pytest.mark.parametrize("background", [True, False], ids=["background", "a client waits"])
def test_a_second_server_leaves_what_the_first_is_at(
    url: str, background: bool, tmp_path: Path
) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=8, pace=0.003)) as backend:
            async with live(tmp_path, backend, database=url) as one:
                caller = await one.begin(RESPONSES, response(False, background=background))
                await until(lambda: bool(backend.records and one.server.under_way))
                (id,) = [*one.server.under_way]
                async with live(tmp_path, backend, database=url) as two:
                    assert await revive(two.server) == 0
                    assert not two.server.jobs.running
                    seen = await two.ask(f"{RESPONSES}/{id}")
                    if background:
                        assert seen.json()["status"] == "in_progress"
                    else:  # it is stored when it ends
                        assert seen.status == 404
                    reply = await caller.reply()
                    assert reply.status == 200
                    await one.idle()
                    seen = (await two.ask(f"{RESPONSES}/{id}")).json()
                    assert seen["status"] == "completed" and len(traces()) == 1
                    assert all(record.outcome == "done" for record in backend.records)

    asyncio.run(main())


def test_what_a_killed_server_was_at_goes_on_in_one_that_runs(url: str, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=30, pace=0.01)) as backend:
            async with live(tmp_path, backend, database=url, lease=0.3) as one:
                process = await asyncio.to_thread(start, tmp_path, backend.url, url)
                try:
                    port = re.search(r":(\d+)/v1", process[1])
                    assert port
                    client = OpenAI(base_url=f"http://127.0.0.1:{port[1]}/v1", api_key="none")
                    ask = client.responses.create
                    made = await asyncio.to_thread(
                        ask, model="pretend-medium", input="why?", background=True
                    )
                    await until(lambda: bool(backend.records))
                    assert not one.server.under_way
                finally:
                    process[0].send_signal(signal.SIGKILL)
                    await asyncio.to_thread(process[0].communicate)
                await until(lambda: made.id in one.server.under_way)
                backend.manners.pace = 0.0
                await one.idle()
                seen = (await one.ask(f"{RESPONSES}/{made.id}")).json()
                assert seen["status"] == "completed" and len(traces()) == 1

    asyncio.run(main())


def start(folder: Path, backend: str, url: str) -> tuple[subprocess.Popen[bytes], str]:
    """Another process on this database; and what it says when it serves."""
    tests = Path(server.__file__).parent if server.__file__ else Path(server.__path__[0])
    source = Path(system2.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, str(tests / "batch_process.py"), str(folder), backend, url, "pretend"],
        stdout=subprocess.PIPE,
        env={**os.environ, "XDG_DATA_HOME": str(folder), "PYTHONPATH": str(source)},
    )
    assert process.stdout
    return process, process.stdout.readline().decode()
