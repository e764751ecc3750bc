"""Whoever leaves is not thought for any longer: whole replies and streams, at every point."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import ASKED, CHAT, Live, chat, live, until

LONG = Manners(paragraphs=200, pace=0.01)


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("path", "body"), ASKED, ids=["chat", "responses"])
def test_a_client_that_leaves_stops_what_it_asked_for(
    path: str, body: Callable[..., dict[str, Any]], stream: bool, tmp_path: Path
) -> None:
    dice = Random(f"{path} {stream}")

    async def leaves(one: Live, backend: Backend, n: int) -> None:
        caller = await one.begin(path, body(stream, f"why {n}?"))
        for _ in range(dice.choice((0, 0, 1, 3, 10, 30, 100, 300))):  # turns of the loop
            await asyncio.sleep(0)
        if n % 2:  # when the backend is in the middle of it
            await until(lambda: any(f"why {n}?" in str(r.body) and sum(r.sent) > dice.randrange(9) for r in backend.records))  # fmt: skip
        caller.leave()

    async def main() -> None:
        with Backend(LONG) as backend:
            async with live(tmp_path, backend) as one:
                await one.ask("/health")
                before = len(asyncio.all_tasks())
                await asyncio.gather(*(leaves(one, backend, n) for n in range(16)))
                await until(lambda: len(asyncio.all_tasks()) <= before + 2)
                await one.idle()
                await until(lambda: all(r.outcome == "gone" for r in backend.records))
                booked = await one.booked()
                assert booked.completion <= backend.sent <= booked.completion + booked.unseen
                calls = len(backend.records)
                assert len(await one.entries()) >= calls

    asyncio.run(main())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("path", "body"), [*ASKED, (CHAT, lambda s: chat(s, n=3))], ids=["chat", "responses", "three"])  # fmt: skip
def test_nobody_is_too_early_to_leave(
    path: str, body: Callable[..., dict[str, Any]], stream: bool, tmp_path: Path
) -> None:
    async def main() -> None:
        with Backend(LONG) as backend:
            async with live(tmp_path, backend) as one:
                for cut in range(
                    3 if stream else 1
                ):  # the opening events; more come with the reply
                    await one.visit(path, body(stream), cut)
                    await one.idle()
                    ends = [job.finished for job in one.server.jobs.known.values()]
                    assert {end.why for end in ends if end} <= {"cancelled"}

    asyncio.run(main())
