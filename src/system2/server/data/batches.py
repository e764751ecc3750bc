"""Batches and their lines, and who works at which line. Knows nothing of what a line asks; answers none.

A line is held for a while, by a lease. Whoever holds it longer than that loses it to the next who asks, and what
the slow one brings then is refused by the fence: a line has one reply.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from system2.server.data.database import Database
from system2.server.data.rows import Order, Page, ordered, packed, page
from system2.server.data.tables import batch_lines, batches

BODY = Mapping[str, Any]
RUNNING = "in_progress"  # the lines of such a batch may be claimed


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it is kept; `body` as it was last told."""

    id: str
    key: str
    status: str
    created_at: int
    body: BODY
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a batch, by its number from 0; the fence says which claim of it this is.

    status   open, completed, failed, cancelled
    """

    batch: str
    n: int
    custom_id: str
    request: BODY
    status: str = "open"
    reply: BODY | None = None
    fence: int = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """Lines of a batch, by how they stand."""

    total: int
    completed: int
    failed: int
    cancelled: int

    @property
    def open(self) -> int:
        """Those without a reply."""
        return self.total - self.completed - self.failed - self.cancelled


class Batches:
    """The batches of a database. An id belongs to its key: of another's, nothing is there."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, batch: Batch, lines: Sequence[tuple[str, BODY]] = ()) -> None:
        """Keep a new one with its lines, each a custom id and a request. Raises IntegrityError where its id is taken."""
        row = {
            "id": batch.id, "key_id": batch.key, "status": batch.status, "expires_at": batch.expires_at,
            "body": packed(batch.body), "created_at": batch.created_at,
        }  # fmt: skip
        entries = [
            {"batch_id": batch.id, "n": n, "custom_id": packed(id), "request": packed(request),
             "status": "open"}
            for n, (id, request) in enumerate(lines)
        ]  # fmt: skip

        def added(connection: Connection) -> None:
            connection.execute(insert(batches), row)
            if entries:
                connection.execute(insert(batch_lines), entries)

        await self._db.write(added)

    async def get(self, id: str, key: str) -> Batch | None:
        """The batch; None: this key has none of this id."""
        mine = select(batches).where(batches.c.id == id, batches.c.key_id == key)
        row = await self._db.read(lambda db: db.execute(mine).one_or_none())
        return None if row is None else batch_of(row)

    async def list(
        self, key: str, *, after: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> Page[Batch]:
        """A key's batches, behind the id `after`."""
        wanted = ordered(select(batches).where(batches.c.key_id == key), batches, after, order)
        rows = await self._db.read(lambda db: db.execute(wanted.limit(limit + 1)).all())
        return page([batch_of(row) for row in rows], limit)

    async def having(self, *statuses: str) -> list[Batch]:
        """All keys' batches with one of these statuses, the oldest first."""
        wanted = select(batches).where(batches.c.status.in_(statuses)).order_by(batches.c.number)
        return [batch_of(row) for row in await self._db.read(lambda db: db.execute(wanted).all())]

    async def change(self, id: str, *, was: Sequence[str], status: str, body: BODY) -> bool:
        """Another status and body, for a batch whose status is one of `was`; False: it is not, any more."""
        mine = and_(batches.c.id == id, batches.c.status.in_(was))
        changing = update(batches).where(mine).values(status=status, body=packed(body))
        return bool(await self._db.write(lambda db: db.execute(changing).rowcount))

    # ---------------------------------------------------------------- lines

    async def claim(
        self, now: int, *, lease: int = 120, most: int = 1, batch: str | None = None
    ) -> list[Line]:
        """Up to `most` open lines that nobody holds, of running batches, now held for `lease` seconds.

        No two who ask, in whatever process, are given the same line.
        """
        running = select(batches.c.id).where(batches.c.status == RUNNING)
        if batch is not None:
            running = running.where(batches.c.id == batch)
        free = (
            select(batch_lines)
            .where(batch_lines.c.status == "open", batch_lines.c.lease_until <= now)
            .where(batch_lines.c.batch_id.in_(running))
            .order_by(batch_lines.c.lease_until, batch_lines.c.batch_id, batch_lines.c.n)
            .limit(most)
            .with_for_update(skip_locked=True)  # SQLite has one writer at a time, and needs none
        )

        def claimed(connection: Connection) -> list[Line]:
            found = [line_of(row, claimed=1) for row in connection.execute(free)]
            for line in found:
                held = {"lease_until": now + lease, "fence": line.fence}
                connection.execute(update(batch_lines).where(*this(line)).values(held))
            return found

        return await self._db.write(claimed)

    async def renew(self, line: Line, until: int) -> bool:
        """Hold it until then; False: it is no longer held by this claim, or has its reply: stop."""
        return await self._set(line, {"lease_until": until})

    async def finish(self, line: Line, reply: BODY, *, failed: bool = False) -> bool:
        """Its reply; False: another claim has it, and this reply is not kept."""
        status = "failed" if failed else "completed"
        return await self._set(line, {"status": status, "reply": packed(reply)})

    async def release(self, line: Line) -> bool:
        """Let others have it at once."""
        return await self._set(line, {"lease_until": 0})

    async def _set(self, line: Line, values: dict[str, Any]) -> bool:
        mine = and_(*this(line), batch_lines.c.fence == line.fence, batch_lines.c.status == "open")
        setting = update(batch_lines).where(mine).values(values)
        return bool(await self._db.write(lambda db: db.execute(setting).rowcount))

    async def cancel_lines(self, id: str) -> int:
        """Open lines of a batch get no reply any more, whoever holds them; how many there were."""
        mine = and_(batch_lines.c.batch_id == id, batch_lines.c.status == "open")
        ending = update(batch_lines).where(mine).values(status="cancelled")
        return await self._db.write(lambda db: db.execute(ending).rowcount)

    async def counts(self, id: str) -> Counts:
        """How its lines stand."""
        status = batch_lines.c.status
        wanted = select(status, func.count()).where(batch_lines.c.batch_id == id).group_by(status)
        rows = await self._db.read(lambda db: db.execute(wanted).all())
        found = {row[0]: row[1] for row in rows}
        there = (found.get(name, 0) for name in ("completed", "failed", "cancelled"))
        return Counts(sum(found.values()), *there)

    async def lines(self, id: str, *, after: int = -1, limit: int = 1000) -> list[Line]:
        """Up to `limit` of its lines behind the number `after`, in order."""
        wanted = select(batch_lines).where(batch_lines.c.batch_id == id, batch_lines.c.n > after)
        some = wanted.order_by(batch_lines.c.n).limit(limit)
        return [line_of(row) for row in await self._db.read(lambda db: db.execute(some).all())]


def this(line: Line) -> tuple[Any, Any]:
    """Which row it is."""
    return batch_lines.c.batch_id == line.batch, batch_lines.c.n == line.n


def batch_of(row: Any) -> Batch:
    """A row as a batch."""
    return Batch(
        row.id, row.key_id, row.status, row.created_at, json.loads(row.body), row.expires_at
    )


def line_of(row: Any, *, claimed: int = 0) -> Line:
    """A row as a line, claimed so many times more."""
    reply = None if row.reply is None else json.loads(row.reply)
    custom_id, request = json.loads(row.custom_id), json.loads(row.request)
    return Line(row.batch_id, row.n, custom_id, request, row.status, reply, row.fence + claimed)
