"""An event loop that cannot keep up takes nothing new; what runs goes on, and whoever looks is told that it lives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import ASKED, RESPONSES, live, response, until

from system2.server.lateness import TICK, Lateness
from system2.server.revived import revive


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


def looked(pauses: list[float]) -> list[bool]:
    """Was it over after each of these times that the loop was held up?"""
    now, found, left = 100.0, list[bool](), [*pauses]

    async def sleep(seconds: float) -> None:
        nonlocal now
        if len(left) < len(pauses):
            found.append(one.over)
        if not left:
            raise asyncio.CancelledError
        now += seconds + left.pop(0)

    one = Lateness(2.0, 5.0, lambda: now, sleep)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(one.watch())
    return found


def test_it_takes_a_while():
    assert looked([3.0] * 4) == [False, False, True, True]
    assert looked([30.0, 0.0, 30.0, 0.0]) == [False] * 4  # one pause, however long, is no overload
    assert looked([1.9] * 50) == [False] * 50
    assert looked([3.0, 3.0, 3.0, 1.5, 1.5, 0.5, 1.5]) == [False, False, True, True, True, False, False]  # fmt: skip


@given(st.lists(st.floats(0, 10), max_size=40))
def test_it_is_over_only_after_a_spell_and_never_while_the_loop_keeps_up(pauses: list[float]):
    for n, over in enumerate(looked(pauses)):
        if pauses[n] < 1.0:
            assert not over
        if over:
            run = list(pauses[: n + 1])
            while run and run[-1] >= 1.0:
                run.pop()
            since = pauses[len(run) : n + 1]
            assert max(since) >= 2.0 and sum(since[1:]) + TICK * len(since[1:]) >= 5.0


@pytest.mark.parametrize(("path", "body"), ASKED, ids=["chat", "responses"])
def test_nothing_new_while_what_runs_goes_on(path: str, body, tmp_path: Path):  # type: ignore[no-untyped-def]
    async def main() -> None:
        with Backend(Manners(paragraphs=6, pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                lateness = one.server.jobs.lateness
                stream = await one.begin(path, body(True))
                await until(lambda: bool(backend.records))
                lateness.late, lateness.spell = 0.0, 0.0  # whatever its watch sees is too much
                lateness.note(3.0, 1.0)
                assert lateness.over
                refused = await one.ask(path, body(False, "something new?"))
                assert refused.status == 503 and int(refused.headers["retry-after"]) >= 1
                error = json.loads(refused.body)["error"]
                assert error["code"] == "overloaded" and error["type"] == "server_error"
                for look in ("/health", "/livez", "/readyz", "/v1/models"):
                    assert (await one.ask(look)).status == 200
                again = await one.ask(path, body(True), **{"x-stainless-retry-count": "1"})
                assert again.status == 200 and again.events()  # it joins what runs
                assert (await stream.reply()).events()
                lateness.late = lateness.spell = 100.0
                lateness.note(0.0, 2.0)
                assert (await one.ask(path, body(False, "something new?"))).status == 200

    asyncio.run(main())


def test_what_is_to_go_on_waits_for_better_times(tmp_path: Path):
    async def main() -> None:
        with Backend(Manners(paragraphs=8, pace=0.01)) as backend:
            async with live(tmp_path, backend) as one:
                kept = one.server.stored.responses
                made = (await one.ask(RESPONSES, response(False, background=True))).json()
                await until(lambda: bool(backend.records))
                held = one.server.under_way[made["id"]]
                held.pause()
                await until(lambda: made["id"] not in one.server.under_way)
                await kept.yield_up(made["id"])
                one.server.jobs.lateness.over, one.server.jobs.lateness.late = True, 0.0
                assert await revive(one.server) == 0
                found = await kept.get(made["id"], "local")
                assert found and found.status == "in_progress" and found.owner is None
                one.server.jobs.lateness.late = 100.0
                one.server.jobs.lateness.note(0.0, 0.0)
                assert await revive(one.server) == 1
                await one.idle()
                found = await kept.get(made["id"], "local")
                assert found and found.status in ("completed", "incomplete")

    asyncio.run(main())
