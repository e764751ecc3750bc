"""No order of requests gets past a limit; who is refused learns when to come again; time is told, never waited for."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import Usage
from system2.server.data import LOCAL, Database, Entry, Key, Ledger, Limits, Ticket
from system2.server.data.limits import duration
from system2.server.errors import ApiError

NOON = 1_795_348_800  # 2026-11-22 12:00 UTC
DAY = 86_400
KEY = Key("key_a", "a")
CENT = Decimal("0.01")


class World:
    """Limits over a database, at a time that is told; books what tickets cost."""

    def __init__(self, ledger: Ledger) -> None:
        self.now: float = NOON
        self.ledger = ledger
        self.limits = Limits(ledger, clock=lambda: self.now)
        self.calls = 0

    def pay(self, key: Key, dollars: Decimal) -> None:
        """A call that cost this much."""
        self.calls += 1
        self.ledger.put(
            Entry(
                int(self.now),
                "r",
                "r",
                key.id,
                "m",
                "policy",
                self.calls,
                Usage(1),
                dollars=dollars,
            )
        )

    async def refused(
        self, key: Key, tokens: int = 1, dollars: Decimal | None = Decimal(0)
    ) -> ApiError:
        """The error of a request that is not admitted."""
        with pytest.raises(ApiError) as raised:
            await self.limits.admit(key, tokens, dollars)
        return raised.value


@asynccontextmanager
async def world(url: str | Path) -> AsyncGenerator[World]:
    """A new one."""
    async with Database.open(str(url)) as db, Ledger.open(db) as ledger:
        yield World(ledger)


def test_without_limits_everything_is_admitted(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path / "a.db") as here:
            for _ in range(30):
                await here.limits.admit(LOCAL, 10**9, None)
            assert here.limits.headers(LOCAL) == {}

    asyncio.run(main())


def test_requests_a_minute(tmp_path: Path) -> None:
    async def main() -> None:
        key = replace(KEY, requests_per_minute=3)
        async with world(tmp_path / "a.db") as here:
            assert here.limits.headers(key) == {
                "x-ratelimit-limit-requests": "3",
                "x-ratelimit-remaining-requests": "3",
                "x-ratelimit-reset-requests": "0s",
            }
            for _ in range(3):
                (await here.limits.admit(key, 1, None)).settle(1)
            error = await here.refused(key)
            assert (error.status, error.type, error.code) == (
                429,
                "requests",
                "rate_limit_exceeded",
            )
            assert error.headers["Retry-After"] == "20"
            assert "Limit 3 requests a minute" in error.message and "20s" in error.message
            here.now += 5.4
            headers = here.limits.headers(key)
            assert headers["x-ratelimit-remaining-requests"] == "0"
            assert headers["x-ratelimit-reset-requests"] == "54.6s"
            assert (await here.refused(key)).headers["Retry-After"] == "15"
            here.now += 14.6
            await here.limits.admit(key, 1, None)
            here.now -= 3600  # a clock that is set back takes nothing away and gives nothing
            await here.refused(key)

    asyncio.run(main())


def test_tokens_a_minute_are_set_aside_and_given_back(tmp_path: Path) -> None:
    async def main() -> None:
        key = replace(KEY, tokens_per_minute=600, requests_per_minute=600)
        async with world(tmp_path / "a.db") as here:
            ticket = await here.limits.admit(key, 500, None)
            error = await here.refused(key, 200)
            assert (error.type, error.headers["Retry-After"]) == ("tokens", "10")
            assert here.limits.headers(key)["x-ratelimit-remaining-tokens"] == "100"
            assert here.limits.headers(key)["x-ratelimit-remaining-requests"] == "599"  # not by it
            ticket.settle(50)
            ticket.settle(50)  # a second time nothing
            headers = here.limits.headers(key)
            assert headers["x-ratelimit-remaining-tokens"] == "550"
            assert headers["x-ratelimit-reset-tokens"] == "5s"
            error = await here.refused(key, 601)
            assert "Request too large" in error.message
            assert error.headers["x-should-retry"] == "false"
            ticket = await here.limits.admit(key, 550, None)
            ticket.settle(3000)  # more than was foreseen: a debt
            assert here.limits.headers(key)["x-ratelimit-remaining-tokens"] == "0"
            assert (await here.refused(key, 1)).headers[
                "Retry-After"
            ] == "120"  # no client waits longer
            here.now += 300
            await here.limits.admit(key, 550, None)

    asyncio.run(main())


def test_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        key = replace(KEY, at_once=2)
        async with world(tmp_path / "a.db") as here:
            tickets = [await here.limits.admit(key, 1, None) for _ in range(2)]
            error = await here.refused(key)
            assert error.code == "rate_limit_exceeded" and "2 requests of this key" in error.message
            assert 1 <= int(error.headers["Retry-After"]) <= 120
            await here.limits.admit(replace(key, id="key_b"), 1, None)  # another's are another's
            tickets[0].settle(1)
            await here.limits.admit(key, 1, None)

    asyncio.run(main())


def test_dollars_a_request_and_prices_nobody_knows(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(tmp_path / "a.db") as here:
            key = replace(KEY, dollars_a_request=CENT)
            await here.limits.admit(key, 1, CENT)
            error = await here.refused(key, dollars=2 * CENT)
            assert (error.status, error.code) == (403, "budget_not_allowed")
            assert "$0.02" in error.message and "$0.01" in error.message
            for capped in (
                key,
                replace(KEY, dollars_a_day=CENT),
                replace(KEY, dollars_a_month=CENT),
            ):
                error = await here.refused(capped, dollars=None)
                assert error.status == 403 and "prices.toml" in error.message

    asyncio.run(main())


def test_dollars_a_day_and_a_month(url: str) -> None:
    async def main() -> None:
        key = replace(KEY, dollars_a_day=3 * CENT, dollars_a_month=5 * CENT)
        async with world(url) as here:
            ticket = await here.limits.admit(key, 1, 3 * CENT)
            error = await here.refused(key, dollars=CENT)
            assert (error.status, error.type, error.code) == (429, *["insufficient_quota"] * 2)
            assert error.headers["x-should-retry"] == "false" and "a day" in error.message
            here.pay(key, CENT)
            ticket.booked(CENT)  # it counts once: in the ledger, no longer here
            assert "may cost $0.03" in (await here.refused(key, dollars=CENT)).message
            here.pay(key, CENT)
            ticket.settle(1, 2 * CENT)
            await here.refused(key, dollars=2 * CENT)
            (await here.limits.admit(key, 1, CENT)).settle(1, Decimal(0))
            here.now += DAY
            for _ in range(3):
                ticket = await here.limits.admit(key, 1, CENT)
                here.pay(key, CENT)
                ticket.settle(1, CENT)
            here.now += DAY
            error = await here.refused(key, dollars=CENT)
            assert "$0.05 of $0.05 a month" in error.message
            other = Limits(here.ledger, clock=lambda: here.now)  # after a restart
            with pytest.raises(ApiError, match=r"\$0.05 of \$0.05 a month"):
                await other.admit(key, 1, CENT)
            here.now += 8 * DAY  # December
            await here.limits.admit(key, 1, CENT)

    asyncio.run(main())


STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 3)), min_size=50, max_size=50
)


@settings(max_examples=12)
@given(STEPS, st.integers(1, 12), st.integers(1, 8), st.randoms(use_true_random=False))
def test_fifty_at_once_never_get_past_a_cap(
    steps: list[tuple[int, int, int]], cap: int, at_once: int, order: object
) -> None:
    """Each sets aside some cents, yields some times, spends no more than that; whatever the order."""

    async def main(folder: str) -> None:
        key = replace(
            KEY, dollars_a_month=cap * CENT, at_once=at_once, tokens_per_minute=60,
            requests_per_minute=40,
        )  # fmt: skip
        async with world(f"{folder}/a.db") as here:
            held: list[Ticket] = []
            spent: list[Decimal] = []
            most = tokens = admitted = 0

            async def one(most_cents: int, waits: int, cents: int) -> None:
                nonlocal most, tokens, admitted
                for _ in range(waits):
                    await asyncio.sleep(0)
                try:
                    ticket = await here.limits.admit(key, 5, most_cents * CENT)
                except ApiError as error:
                    assert error.status == 429
                    return
                admitted += 1
                tokens += 5
                held.append(ticket)
                most = max(most, len(held))
                cost = min(most_cents, cents) * CENT
                assert sum(spent) + sum(one.dollars for one in held) <= cap * CENT
                for _ in range(waits + 1):
                    await asyncio.sleep(0)
                here.pay(key, cost)
                held.remove(ticket)
                spent.append(cost)
                ticket.settle(5, cost)

            order.shuffle(steps)  # type: ignore[attr-defined]
            await asyncio.gather(*(one(*step) for step in steps))
            assert sum(spent) <= cap * CENT and most <= at_once
            assert tokens <= 60 and admitted <= 40
            assert await here.ledger.spent(key.id) == sum(spent)
            full = cap * CENT - sum(spent)
            here.now += 60
            await here.limits.admit(key, 1, full)  # what was set aside has all come back
            with pytest.raises(ApiError, match="quota"):
                await here.limits.admit(key, 1, CENT)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(folder))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"), (0.006, "6ms"), (0.0001, "1ms"), (0.9999, "1s"), (1, "1s"), (8.64, "8.64s"),
        (59.9999, "1m0s"), (86.4, "1m26.4s"), (360, "6m0s"), (3600, "1h0m0s"), (5430.5, "1h30m30.5s"),
    ],
)  # fmt: skip
def test_durations(seconds: float, said: str) -> None:
    assert duration(seconds) == said
