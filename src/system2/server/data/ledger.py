"""The ledger: what every call cost, booked once and for all. Knows no prices; it is told dollars.

Every `book` waits for a commit that is synced to disk, so a crash loses nothing that was acknowledged. Those who
wait at the same time share one commit: at a call every few seconds this costs nothing, under load little.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, and_, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from system2.core import Usage
from system2.server.data.database import Database
from system2.server.data.tables import TOKENS, ledger, spending

Role = Literal["policy", "verifier", "sidecar"]
Group = Literal["key", "model", "day", "role"]
GROUPS: tuple[Group, ...] = ("key", "model", "day", "role")
DAY = 86_400
MOST = 500  # entries of one commit
WHICH = ("run", "role", "call", "attempt")
SUMS = ("calls", *TOKENS, "unpriced", "disputed")

# Statements are put together once: that takes longer than to run them.
GROUPED = ("key_id", "day", "model", "role")
MINE = and_(*(spending.c[name] == bindparam(f"its_{name}") for name in GROUPED))
HELD = select(spending.c.dollars).where(MINE).with_for_update()
GROWN = update(spending).where(MINE).values(
    {name: spending.c[name] + bindparam(f"more_{name}") for name in SUMS} | {"dollars": bindparam("sum")}
)  # fmt: skip


def inserting(insert: Any) -> tuple[Any, Any]:
    """Statements of a dialect: enter what is new, telling which that was; open a group."""
    which = [ledger.c[name] for name in WHICH]
    entering = insert(ledger).on_conflict_do_nothing().returning(*which)
    return entering, insert(spending).on_conflict_do_nothing()


LITE, FULL = inserting(sqlite.insert), inserting(postgresql.insert)


@dataclass(frozen=True, slots=True)
class Entry:
    """One try of one call. (run, role, call, attempt) says which; booked again, it is the same entry.

    request  id of the HTTP request; run: of the search, or of the request where there was none
    key      id of the key that pays
    dollars  None: the price is unknown
    counted  completion tokens counted here, where the backend reports so different a figure that
             it is disputed; the usage is what the backend reports
    """

    time: int
    request: str
    run: str
    key: str
    model: str
    role: str
    call: int
    usage: Usage
    attempt: int = 1
    estimated: bool = False
    dollars: Decimal | None = None
    counted: int | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums over some entries; what they were not grouped by is empty.

    day       as 2026-11-22, UTC
    dollars   of the calls whose price is known; None: of none is it known
    unpriced  calls whose price is not
    """

    key: str = ""
    model: str = ""
    day: str = ""
    role: str = ""
    calls: int = 0
    usage: Usage = field(default_factory=Usage)
    dollars: Decimal | None = None
    unpriced: int = 0
    disputed: int = 0


class Ledger:
    """Books entries, one commit at a time; answers what was spent.

    Use it within `async with Ledger.open(db) as ledger`: at the end what was put is booked.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._queue: list[tuple[Entry, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[Exception | None] | None = None

    @staticmethod
    @asynccontextmanager
    async def open(db: Database) -> AsyncGenerator[Ledger]:
        """The ledger of a database; when the block ends, everything that was put is booked."""
        book = Ledger(db)
        try:
            yield book
        finally:
            await book.flush()

    async def book(self, entries: Iterable[Entry]) -> None:
        """Write these down; when it returns, they are on disk. Raises OSError where they cannot be.

        Goes on though the caller is cancelled: what was spent is spent.
        """
        waiting = [self._put(entry) for entry in entries]
        if waiting:
            await asyncio.shield(asyncio.gather(*waiting))

    def put(self, entry: Entry) -> None:
        """Write this down soon, without waiting for it; `flush`, `spent` and `usage` wait."""
        self._put(entry)

    async def flush(self) -> None:
        """Wait until all that was put is on disk. Raises OSError where it cannot be written; it stays put."""
        while self._queue or self._writer:
            if fault := await asyncio.shield(self._writing()):
                raise fault

    async def spent(self, key: str, since: int = 0) -> Decimal:
        """Dollars that a key has spent from the day of `since` on (unix seconds); unknown prices count nothing."""
        await self.flush()
        mine = and_(spending.c.key_id == key, spending.c.day >= since // DAY)
        wanted = select(spending.c.dollars).where(mine)
        found = await self._db.read(lambda db: db.execute(wanted).scalars().all())
        return sum((Decimal(dollars) for dollars in found), Decimal(0))

    async def usage(
        self,
        group_by: Sequence[str] = ("key", "model", "day"),
        *,
        key: str | None = None,
        since: int | None = None,
    ) -> list[Spent]:
        """The sums of each group, in its order. Raises ValueError where there is no such group."""
        for name in group_by:
            if name not in GROUPS:
                raise ValueError(f"no group {name!r}; there are {', '.join(GROUPS)}")
        await self.flush()
        wanted = select(spending)
        if key is not None:
            wanted = wanted.where(spending.c.key_id == key)
        if since is not None:
            wanted = wanted.where(spending.c.day >= since // DAY)
        sums: dict[tuple[str, ...], dict[str, Any]] = {}
        for row in await self._db.read(lambda db: db.execute(wanted).mappings().all()):
            said = {"key": row["key_id"], "model": row["model"], "role": row["role"]}
            said["day"] = date(row["day"])
            group = tuple(said[name] if name in group_by else "" for name in GROUPS)
            there = sums.setdefault(group, dict.fromkeys(SUMS, 0) | {"dollars": Decimal(0)})
            for name in SUMS:
                there[name] += row[name]
            there["dollars"] += Decimal(row["dollars"])
        order = [GROUPS.index(name) for name in group_by if name in GROUPS]
        ranked = sorted(sums, key=lambda group: [group[place] for place in order])
        return [told(group, sums[group]) for group in ranked]

    async def entries(self, run: str) -> list[Entry]:
        """What was booked for a run, in the order it was."""
        await self.flush()
        mine = select(ledger).where(ledger.c.run == run).order_by(ledger.c.number)
        return [
            entry_of(row)
            for row in await self._db.read(lambda db: db.execute(mine).mappings().all())
        ]

    def _put(self, entry: Entry) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(seen)
        self._queue.append((entry, done))
        self._writing()
        return done

    def _writing(self) -> asyncio.Task[Exception | None]:
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return self._writer

    async def _write(self) -> Exception | None:
        """Commit what waits until nothing does; the last fault.

        While the database cannot be written everything stays in line. An entry that it will never
        take is taken out of it alone, and does not hold up the others.
        """
        fault, most = None, MOST
        try:
            while taken := self._queue[:most]:
                said = await self._commit([entry for entry, _ in taken])
                fault = said or fault
                if said and len(taken) > 1 and not isinstance(said, OSError):
                    most = 1
                    continue
                if not isinstance(said, OSError):
                    del self._queue[: len(taken)]
                for _, done in taken:
                    if not done.done():
                        done.set_exception(said) if said else done.set_result(None)
                if isinstance(said, OSError):
                    break
            return fault
        finally:
            self._writer = None

    async def _commit(self, entries: Sequence[Entry]) -> Exception | None:
        try:
            await self._db.write(partial(enter, entries=entries, lite=self._db.sqlite))
        except (OSError, ValueError, ArithmeticError, SQLAlchemyError) as error:
            return error
        return None


def seen(done: asyncio.Future[None]) -> None:
    """Nobody waits for what was only put; its fault is told by `flush`."""
    if not done.cancelled():
        done.exception()


def enter(connection: Connection, entries: Sequence[Entry], lite: bool) -> None:
    """Add what is new to the ledger and to the sums, within one transaction."""
    entering, opening = LITE if lite else FULL
    sums: dict[tuple[str, int, str, str], dict[str, Any]] = {}
    which = {(one.run, one.role, one.call, one.attempt): one for one in reversed(entries)}
    new = connection.execute(entering, [row_of(entry) for entry in entries])
    for row in new:  # the others were booked before
        entry = which[tuple(row)]
        group = entry.key, entry.time // DAY, entry.model, entry.role
        there = sums.setdefault(group, dict.fromkeys(SUMS, 0) | {"dollars": Decimal(0)})
        there["calls"] += 1
        for name in TOKENS:
            there[name] += getattr(entry.usage, name)
        there["unpriced"] += entry.dollars is None
        there["disputed"] += entry.counted is not None
        there["dollars"] += entry.dollars or Decimal(0)
    for group in sorted(sums):  # in one order everywhere: no two processes wait for each other
        add(connection, opening, group, sums[group])


def add(
    connection: Connection,
    opening: Any,
    group: tuple[str, int, str, str],
    more: dict[str, Any],
) -> None:
    """More of a group's spending. Dollars are added here: SQLite has no exact decimals."""
    names: dict[str, Any] = dict(zip(GROUPED, group, strict=True))
    whose: dict[str, Any] = {f"its_{name}": value for name, value in names.items()}
    held = connection.execute(HELD, whose).scalar_one_or_none()
    if held is None:
        connection.execute(opening, names)
        held = connection.execute(HELD, whose).scalar_one()
    dollars = Decimal(held) + more["dollars"]
    grown: dict[str, Any] = {f"more_{name}": more[name] for name in SUMS} | {"sum": f"{dollars:f}"}
    connection.execute(GROWN, whose | grown)


def row_of(entry: Entry) -> dict[str, Any]:
    """An entry as its row has it."""
    row = {name: getattr(entry, name) for name in ("time", "run", "role", "call", "attempt")}
    row |= {"request_id": entry.request, "key_id": entry.key, "model": entry.model}
    row |= {name: getattr(entry.usage, name) for name in TOKENS}
    row |= {"estimated": entry.estimated, "counted": entry.counted}
    row |= {"disputed": entry.counted is not None}
    return row | {"dollars": None if entry.dollars is None else f"{entry.dollars:f}"}


def entry_of(row: Any) -> Entry:
    """A row as an entry."""
    given = {one.name: row[one.name] for one in fields(Entry) if one.name in row}
    given |= {"request": row["request_id"], "key": row["key_id"]}
    given["usage"] = Usage(**{name: row[name] for name in TOKENS})
    given["dollars"] = None if row["dollars"] is None else Decimal(row["dollars"])
    return Entry(**given)


def told(group: tuple[str, ...], sums: dict[str, Any]) -> Spent:
    """The sums of a group."""
    names = dict(zip(GROUPS, group, strict=True))
    usage = Usage(**{name: sums[name] for name in TOKENS}, calls=sums["calls"])
    known = sums["calls"] > sums["unpriced"]
    return Spent(
        **names, calls=sums["calls"], usage=usage, dollars=sums["dollars"] if known else None,
        unpriced=sums["unpriced"], disputed=sums["disputed"],
    )  # fmt: skip


def date(day: int) -> str:
    """A day as it is written."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(day * DAY, UTC).date().isoformat()
