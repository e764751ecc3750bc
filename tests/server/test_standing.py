"""A response is told to be over once it is stored: whoever goes on from it at once, anywhere, finds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import RESPONSES, Live, live, response, until


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


class Held:
    """Responses whose ends are not stored until they are let in; `came`: one waits."""

    def __init__(self, responses: Any) -> None:
        self.responses, self.gate, self.came = responses, asyncio.Event(), False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.responses, name)

    async def add(self, response: Any, *words: Any) -> None:
        if response.status != "in_progress":
            self.came = True
            await self.gate.wait()
        await self.responses.add(response, *words)

    async def change(self, *words: Any, **named: Any) -> bool:
        self.came = True
        await self.gate.wait()
        return await self.responses.change(*words, **named)


@asynccontextmanager
async def held_up(folder: Path) -> AsyncGenerator[tuple[Live, Held]]:
    """A server whose responses' ends are not stored until somebody lets them."""
    with Backend(Manners()) as backend:
        async with live(folder, backend) as one:
            held = Held(one.server.stored.responses)
            one.server.stored.responses = held  # type: ignore[assignment]
            try:
                yield one, held
            finally:
                held.gate.set()


@pytest.mark.parametrize("background", [False, True])
def test_the_end_of_a_stream_comes_when_it_is_stored(tmp_path: Path, background: bool) -> None:
    async def main() -> None:
        async with held_up(tmp_path) as (one, held):
            stream = await one.begin(RESPONSES, response(True, background=background))
            ended = asyncio.create_task(stream.read(b"response.completed"))
            await until(lambda: held.came)
            await one.ask("/v1/models")  # all that was to be told has been told
            assert not ended.done() and b"output_text.done" in stream.seen
            held.gate.set()
            await ended
            body = (await stream.reply()).events()[-1]["response"]
            assert (await one.ask(f"{RESPONSES}/{body['id']}")).json() == body

    asyncio.run(main())


def test_one_that_ends_while_it_is_being_cancelled_is_told_as_it_ended(tmp_path: Path) -> None:
    async def main() -> None:
        async with held_up(tmp_path) as (one, held):
            begun = (await one.ask(RESPONSES, response(False, background=True))).json()
            await until(lambda: held.came)  # it is over, and its row does not say so yet
            late = asyncio.create_task(one.ask(f"{RESPONSES}/{begun['id']}/cancel", {}))
            await one.ask("/v1/models")
            held.gate.set()
            assert (await late).json()["status"] == "completed"

    asyncio.run(main())
