"""A key's limits in dollars hold whatever is sent: negative budgets, long prompts, many answers, more and more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import CHAT, Live, chat, live, until

from system2.server.data.keys import Key

CENT = Decimal("0.01")


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


async def key_of(one: Live, *scopes: str, **limits: Any) -> tuple[Key, dict[str, str]]:
    """A new key with these limits, and the header that shows it."""
    wanted = Key(name="a", scopes=frozenset(scopes or ("chat",)), **limits)
    made = await one.server.keys.create(wanted)
    return made.key, {"Authorization": f"Bearer {made.secret}"}


async def cost(one: Live, key: Key) -> Decimal:
    """What the key has spent, by the ledger."""
    await one.idle()
    return await one.server.ledger.spent(key.id, 0)


@pytest.mark.parametrize("usd", [-1000.0, -1, "NaN", 1e300])
def test_a_budget_that_is_no_amount_is_refused(usd: Any, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                _, who = await key_of(one, dollars_a_day=CENT)
                body = chat(False, system2={"budget": {"usd": usd}})
                reply = await one.ask(CHAT, body, **who)
                assert reply.status == 400, reply.body
                assert not backend.records

    asyncio.run(main())


@pytest.mark.parametrize("limit", ["dollars_a_request", "dollars_a_day", "dollars_a_month"])
@pytest.mark.parametrize("n", [1, 3])
def test_prompts_count_in_dollars(limit: str, n: int, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=6)) as backend:
            async with live(tmp_path, backend) as one:
                key, who = await key_of(one, **{limit: CENT})
                long = "why is that so? " * 2_000
                for _ in range(3):
                    reply = await one.ask(
                        CHAT, chat(False, long, n=n, system2={"samples": 12}), **who
                    )
                    assert reply.status < 500, reply.body
                    if limit == "dollars_a_request":
                        assert await cost(one, key) <= CENT
                        return
                assert await cost(one, key) <= CENT

    asyncio.run(main())


def test_a_short_question_is_answered_under_a_cap_and_leaves_room_for_others(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        with Backend(Manners(pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                key, who = await key_of(one, dollars_a_day=Decimal(5))
                asked = [one.ask(CHAT, chat(False), **who) for _ in range(3)]
                replies = await asyncio.gather(*asked)
                assert [reply.status for reply in replies] == [200] * 3
                finish = {reply.json()["choices"][0]["finish_reason"] for reply in replies}
                assert finish == {"stop"}
                assert 0 < await cost(one, key) < CENT

    asyncio.run(main())


def test_each_answer_of_a_request_is_a_search_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                _, who = await key_of(one, at_once=3)
                reply = await one.ask(CHAT, chat(False, n=4), **who)
                assert reply.status == 429 and reply.headers["x-should-retry"] == "false"
                first = await one.begin(CHAT, chat(False, n=2), **who)
                await until(lambda: bool(one.server.jobs.running))
                assert (await one.ask(CHAT, chat(False, "so?", n=2), **who)).status == 429
                assert (await one.ask(CHAT, chat(False, "so?"), **who)).status == 200
                assert (await first.reply()).status == 200
                assert (await one.ask(CHAT, chat(False, "then?", n=3), **who)).status == 200

    asyncio.run(main())


@pytest.mark.parametrize("running", [True, False], ids=["running", "over"])
def test_more_for_a_run_is_admitted_for_all_it_may_cost(running: bool, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=40, pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                key, who = await key_of(one, dollars_a_request=CENT)
                body = chat(True, max_completion_tokens=100)
                first = await one.begin(CHAT, body, **who)
                await until(lambda: bool(backend.records))
                if not running:
                    await first.reply()
                    await one.idle()
                (run,) = one.server.jobs.known
                place = f"/v1/system2/runs/{run}/control"
                for usd, status in ((0.0001, 403), (0.02, 403)):
                    much = {"action": "more", "add_budget": {"usd": usd, "tokens": 10**6}}
                    reply = await one.ask(place, much, **who)
                    assert reply.status == status, reply.body
                statuses = [
                    (
                        await one.ask(
                            place, {"action": "more", "add_budget": {"usd": 0.004}}, **who
                        )
                    ).status
                    for _ in range(6)
                ]
                assert 403 in statuses and statuses[-1] in (403, 409), statuses
                if running:
                    first.leave()
                for job in one.server.jobs.known.values():
                    job.cancel()
                assert await cost(one, key) <= CENT

    asyncio.run(main())


def test_more_needs_the_effort_and_the_model(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=4)) as backend:
            async with live(tmp_path, backend) as one:
                key, who = await key_of(one)
                assert (await one.ask(CHAT, chat(False), **who)).status == 200
                (run,) = one.server.jobs.known
                more = {"action": "more", "add_budget": {"tokens": 100}}
                for limits in ({"most_effort": "none"}, {"models": ("another",)}):
                    await one.server.keys.change(Key(key.id, "a", **limits))
                    reply = await one.ask(f"/v1/system2/runs/{run}/control", more, **who)
                    assert reply.status == 403, reply.body

    asyncio.run(main())
