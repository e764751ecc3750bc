"""What was spent is booked once, to the last digit, and adds up."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import Usage
from system2.server.data import Database, Entry, Ledger, Spent
from system2.server.data import database as module

NOON = 1_795_348_800  # 2026-11-22 12:00 UTC
DAY = 86_400
USAGE = Usage(prompt=10, cached=4, reasoning=7, answer=3, aborted=2, failed=1, unseen=5)
ONE = Entry(
    NOON, "req_1", "run_1", "key_a", "m", "policy", 1, USAGE, dollars=Decimal("0.000000123")
)


def test_an_entry_is_read_as_it_was_booked(url: str) -> None:
    entries = [
        ONE,
        replace(ONE, call=2, dollars=None, estimated=True),
        replace(ONE, call=2, attempt=2, counted=12, dollars=Decimal("1E-12")),
        replace(ONE, role="sidecar", dollars=Decimal(0)),
    ]

    async def main() -> list[Entry]:
        async with Database.open(url) as db, Ledger.open(db) as ledger:
            await ledger.book(entries)
            return await ledger.entries("run_1")

    assert asyncio.run(main()) == entries


def test_booked_again_it_is_the_same_entry(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db, Ledger.open(db) as ledger:
            for _ in range(2):
                await ledger.book([ONE, ONE, replace(ONE, call=2)])
            await asyncio.gather(*(ledger.book([ONE]) for _ in range(20)))
            other = Ledger(db)  # a second process
            await asyncio.gather(other.book([ONE]), ledger.book([replace(ONE, call=3)]))
            assert len(await ledger.entries("run_1")) == 3
            assert await ledger.spent("key_a") == 3 * Decimal("0.000000123")
            assert (await ledger.usage(()))[0].calls == 3

    asyncio.run(main())


def test_two_that_book_at_once_add_up(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as first, Database.open(url) as second:
            ledgers = Ledger(first), Ledger(second)
            waiting = [
                ledgers[n % 2].book(
                    [replace(ONE, call=n + 1, model=f"m{n % 3}", dollars=Decimal("0.1"))]
                )
                for n in range(60)
            ]
            await asyncio.gather(*waiting)
            assert await ledgers[0].spent("key_a") == 6
            assert [one.calls for one in await ledgers[1].usage(["model"])] == [20] * 3

    asyncio.run(main())


def test_usage_by_what_one_likes(url: str) -> None:
    entries = [
        ONE,
        replace(ONE, run="2", time=NOON + DAY, dollars=None),
        replace(ONE, run="3", key="key_b", model="n", role="verifier", counted=1),
        replace(ONE, run="4", key="key_b", dollars=None),
    ]

    async def main() -> None:
        async with Database.open(url) as db, Ledger.open(db) as ledger:
            for entry in entries:
                ledger.put(entry)
            by_key = await ledger.usage(["key"])
            booked = replace(USAGE, calls=1)
            assert by_key == [
                Spent(
                    key="key_a", calls=2, usage=booked + booked, dollars=ONE.dollars, unpriced=1
                ),
                Spent(
                    key="key_b", calls=2, usage=booked + booked, dollars=ONE.dollars, unpriced=1,
                    disputed=1,
                ),
            ]  # fmt: skip
            all_ = await ledger.usage(("key", "model", "day"))
            assert [(one.key, one.model, one.day) for one in all_] == [
                ("key_a", "m", "2026-11-22"), ("key_a", "m", "2026-11-23"),
                ("key_b", "m", "2026-11-22"), ("key_b", "n", "2026-11-22"),
            ]  # fmt: skip
            by_day = await ledger.usage(["day", "role"], since=NOON + DAY)
            assert [(one.day, one.role, one.dollars) for one in by_day] == [
                ("2026-11-23", "policy", None)
            ]
            assert [one.model for one in await ledger.usage(["model"], key="key_b")] == ["m", "n"]
            assert await ledger.spent("key_a", NOON + DAY) == 0
            assert await ledger.spent("nobody") == 0 and await ledger.usage(key="nobody") == []
            with pytest.raises(ValueError, match="no group 'colour'"):
                await ledger.usage(["colour"])

    asyncio.run(main())


def test_what_is_put_is_there_at_the_end(url: str) -> None:
    async def main() -> int:
        async with Database.open(url) as db:
            async with Ledger.open(db) as ledger:
                for n in range(1200):  # more than one commit takes
                    ledger.put(replace(ONE, call=n))
            return len(await Ledger(db).entries("run_1"))

    assert asyncio.run(main()) == 1200


def test_who_leaves_is_booked_all_the_same(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db, Ledger.open(db) as ledger:
            task = asyncio.create_task(ledger.book([ONE]))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(await ledger.entries("run_1")) == 1

    asyncio.run(main())


def test_an_entry_that_no_database_takes_holds_up_no_other(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db, Ledger.open(db) as ledger:
            wrong = replace(ONE, call=2**70)
            good = [replace(ONE, call=n) for n in range(1, 4)]
            ends = await asyncio.gather(
                *(ledger.book([entry]) for entry in (good[0], wrong, *good[1:])),
                return_exceptions=True,
            )
            assert [type(end) is type(None) for end in ends] == [True, False, True, True]
            assert await ledger.entries("run_1") == good

    asyncio.run(main())


def test_what_cannot_be_written_now_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PRAGMAS", ("busy_timeout=1", *module.PRAGMAS[1:]))

    async def main() -> None:
        async with Database.open(str(tmp_path / "a.db")) as db, Ledger.open(db) as ledger:
            other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OSError, match="is locked"):
                await ledger.book([ONE])
            with pytest.raises(OSError, match="is locked"):
                await ledger.spent("key_a")
            other.execute("COMMIT")
            other.close()
            assert await ledger.entries("run_1") == [ONE]  # though nobody booked it again

    asyncio.run(main())


AMOUNTS = st.decimals(0, 1000, places=9) | st.none()


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 2), AMOUNTS), max_size=12))
def test_any_order_of_bookings_adds_up(rows: list[tuple[int, int, Decimal | None]]) -> None:
    once: dict[tuple[int, int], Decimal | None] = {}
    for call, attempt, dollars in rows:
        once.setdefault((call, attempt), dollars)

    async def main(folder: str) -> None:
        async with Database.open(f"{folder}/a.db") as db, Ledger.open(db) as ledger:
            for call, attempt, dollars in rows:
                ledger.put(replace(ONE, call=call, attempt=attempt, dollars=dollars))
            assert await ledger.spent("key_a") == sum(filter(None, once.values()))
            told = await ledger.usage(())
            assert sum(one.calls for one in told) == len(once)
            assert sum(one.unpriced for one in told) == [*once.values()].count(None)

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(folder))
