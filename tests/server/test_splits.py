"""The ledger tells the answer's tokens from the reasoning as the reply's own usage does, however a run ends and goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import ASKED, CHAT, Live, chat, live

from system2.core import Usage
from system2.server.booking import Booking
from system2.server.data import Entry
from system2.server.data.keys import LOCAL
from system2.server.served import Served
from system2.store import folder, read

QUESTION = "What is 17 * 23?"


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def embedded() -> Served:
    """The embedded model."""
    return Served("mini", {}, effort="low")


def split(body: dict[str, Any]) -> tuple[int, int]:
    """Reasoning and visible tokens, as a reply of either API tells them."""
    usage = body["usage"]
    whole = usage.get("completion_tokens", usage.get("output_tokens"))
    details = usage.get("completion_tokens_details") or usage["output_tokens_details"]
    return details["reasoning_tokens"], whole - details["reasoning_tokens"]


@pytest.mark.parametrize("model", ["mini", "pretend"])
@pytest.mark.parametrize(("path", "body"), ASKED)
def test_the_ledger_splits_as_the_reply_does(
    path: str, body: Callable[..., dict[str, Any]], model: str, tmp_path: Path
) -> None:
    async def main(backend: Backend) -> None:
        async with live(tmp_path, backend, models=[embedded()]) as one:
            reply = await one.ask(path, body(False, QUESTION, model=model))
            assert reply.status == 200
            told = split(reply.json())
            await one.idle()
            booked = await one.booked()
            assert (booked.reasoning, booked.answer) == told
            assert booked.answer > 0
            (row,) = await one.server.ledger.usage(["key"])
            assert (row.usage.reasoning, row.usage.answer) == told
            calls = [entry for entry in await one.entries() if entry.call]
            assert row.calls == len(calls)
            assert row.unpriced == 0

    with Backend(Manners()) as backend:
        asyncio.run(main(backend))


def test_of_many_answers_all_are_split(tmp_path: Path) -> None:
    async def main(backend: Backend) -> None:
        async with live(tmp_path, backend, models=[embedded()]) as one:
            body = chat(False, QUESTION, model="mini", n=3, reasoning_effort="medium")
            told = split((await one.ask(CHAT, body)).json())
            await one.idle()
            booked = await one.booked()
            assert (booked.reasoning, booked.answer) == told

    with Backend(Manners()) as backend:
        asyncio.run(main(backend))


async def finished(one: Live) -> str:
    """The name of a run that is over."""
    body = chat(False, QUESTION, model="mini", reasoning_effort="medium")
    return (await one.ask(CHAT, body)).json()["system2"]["run_id"]


def test_a_run_that_goes_on_is_split_anew(tmp_path: Path) -> None:
    async def main(backend: Backend) -> None:
        async with live(tmp_path, backend, models=[embedded()]) as one:
            run = await finished(one)
            for _ in range(2):
                more = {"action": "more", "add_budget": {"tokens": 2_000}}
                reply = await one.ask(f"/v1/system2/runs/{run}/control", more)
                assert reply.status == 200, reply.body
                await one.idle()
            told = (await one.ask(f"/v1/system2/runs/{run}")).json()
            usage = told["system2"]["usage"]["policy"]
            booked = await one.booked()
            assert (booked.reasoning, booked.answer) == (usage["reasoning"], usage["visible"])
            assert min(booked.reasoning, booked.answer) > 0

    with Backend(Manners()) as backend:
        asyncio.run(main(backend))


def test_what_is_caught_up_with_is_split_once(tmp_path: Path) -> None:
    async def main(backend: Backend) -> None:
        async with live(tmp_path, backend, models=[embedded()]) as one:
            run = await finished(one)
            before = await one.entries()
            events = [*read(folder() / f"{run}.jsonl")]
            served = one.server.models.find("mini")[0]
            for _ in range(2):
                again = Booking(one.server.ledger, run, LOCAL, "mini", "req_2", served.price)
                again.catch_up(events)
            assert await one.entries() == before
            assert [entry.call for entry in before].count(0) == 1

    with Backend(Manners()) as backend:
        asyncio.run(main(backend))


def test_a_run_that_ends_without_an_answer_has_nothing_to_split(tmp_path: Path) -> None:
    async def main(backend: Backend) -> list[Entry]:
        async with live(tmp_path, backend, models=[embedded()]) as one:
            body = chat(False, QUESTION, model="mini", max_completion_tokens=3)
            reply = (await one.ask(CHAT, body)).json()
            assert split(reply) == (3, 0)
            await one.idle()
            return await one.entries()

    with Backend(Manners()) as backend:
        entries = asyncio.run(main(backend))
    assert sum((entry.usage for entry in entries), Usage()).answer == 0
    assert all(entry.call for entry in entries)
