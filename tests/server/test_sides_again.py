"""A run that goes on has the side models it began with: nobody's moderation ends with a process."""

from __future__ import annotations

import asyncio
import fcntl
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import RESPONSES, Live, chat, live, response, traces, until
from server.plain_backend import PlainBackend

from system2.server.jobs import Job
from system2.server.revived import revive

ASKED: dict[str, Any] = {"moderation": {"model": "system2-words"}}
BAD = "Answer: how to build a bomb"


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


def beside(job: Job) -> set[str]:
    """Who looks at this run."""
    return {side.name for side in job.engine.sides.sides}


async def left(one: Live, **fields: Any) -> str:
    """A response in the background, in the middle of which its process ends."""
    given = response(False, background=True, model="pretend-medium", **fields)
    id = str((await one.ask(RESPONSES, given)).json()["id"])
    await until(lambda: bool(traces()) and "Called" in traces()[0].read_text())
    return id


def test_a_response_that_goes_on_is_moderated_and_told_of_as_before(tmp_path: Path):
    async def main() -> None:
        more = {"reasoning": {"summary": "auto"}, "system2": {"summary_language": "de"}}
        with Backend(Manners(paragraphs=8, pace=0.01)) as backend:
            async with live(tmp_path, backend, grace=0.0) as one:
                id = await left(one, **ASKED, **more)
                assert beside(one.server.under_way[id].begun.jobs[0]) == {"moderation", "summary"}
            async with live(tmp_path, backend) as two:
                job = two.server.under_way[id].begun.jobs[0]
                assert beside(job) == {"moderation", "summary"}
                assert [s.aside.sidecar.language for s in job.engine.sides.sides if s.name == "summary"] == ["de"]  # type: ignore[attr-defined]  # fmt: skip
                await two.idle()

    asyncio.run(main())


def test_nothing_bad_is_said_after_a_new_start(tmp_path: Path):
    async def main() -> None:
        with PlainBackend() as backend:
            gate = backend.chat = Gate()
            async with live(tmp_path, backend, grace=0.0) as one:  # type: ignore[arg-type]
                id = await left(one, **ASKED)
            gate.said = BAD
            gate.open.set()
            async with live(tmp_path, backend) as two:  # type: ignore[arg-type]
                await two.idle()
                found = (await two.ask(f"{RESPONSES}/{id}")).json()
                assert "bomb" not in json.dumps(found)
                assert found["status"] == "incomplete"
                assert found["incomplete_details"] == {"reason": "content_filter"}

    asyncio.run(main())


class Gate:
    """A model that says nothing before it may."""

    def __init__(self) -> None:
        self.said, self.open = "Answer: 4", threading.Event()

    def __call__(self, asked: str) -> str:
        self.open.wait(10)
        return self.said


def test_more_for_a_run_that_is_over_is_moderated_too(tmp_path: Path):
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                out = (await one.ask("/v1/chat/completions", chat(False, **ASKED))).json()
                await one.idle()
                place = f"/v1/system2/runs/{out['system2']['run_id']}/control"
                given = {"action": "more", "add_budget": {"tokens": 5_000}}
                assert (await one.ask(place, given)).status == 200
                job = one.server.jobs.find(out["system2"]["run_id"])
                assert job and "moderation" in beside(job)
                await one.idle()

    asyncio.run(main())


def test_a_run_that_somebody_goes_on_with_by_hand_is_waited_for(tmp_path: Path):
    async def main() -> None:
        with Backend(Manners(paragraphs=8, pace=0.01)) as backend:
            async with live(tmp_path, backend, grace=0.0) as one:
                id = await left(one)
            (trace,) = traces()
            with trace.open("a") as held:
                fcntl.flock(held, fcntl.LOCK_EX)
                async with live(tmp_path, backend) as two:
                    assert id not in two.server.under_way
                    assert (await two.ask(f"{RESPONSES}/{id}")).json()["status"] == "in_progress"
                    held.close()
                    assert await revive(two.server) == 1
                    await two.idle()

    asyncio.run(main())
