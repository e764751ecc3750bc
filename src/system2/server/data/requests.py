"""Requests that may come twice, and what became of them the first time. Knows no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from system2.server.data.database import Database
from system2.server.data.rows import packed
from system2.server.data.tables import requests


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request belongs to.

    target  the id of the job or response of whoever came first
    first   this one did
    same    the digest of its body is that of the first; else the same name was given to another request
    """

    target: str
    first: bool
    same: bool


class Requests:
    """One row for each name a key has given to a request, or that was made for it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._insert = sqlite.insert if db.sqlite else postgresql.insert

    async def claim(self, key: str, token: str, *, digest: str, target: str, now: int) -> Claim:
        """Be the first with this name, or learn who was. Of two at once exactly one is the first.

        token   the Idempotency-Key, or a digest of who asks what
        """
        row = {
            "key_id": key, "token": packed(token), "digest": digest, "target": target,
            "created_at": now,
        }  # fmt: skip
        adding = self._insert(requests).values(row).on_conflict_do_nothing()
        mine = select(requests).where(named(key, token))

        def claimed(connection: Connection) -> Any:
            if connection.execute(adding.returning(requests.c.token)).first():
                return True
            return connection.execute(mine).one_or_none()

        while True:
            if (found := await self._db.write(claimed)) is True:
                return Claim(target, first=True, same=True)
            if found:  # else it was forgotten in between
                return Claim(found.target, first=False, same=found.digest == digest)

    async def get(self, key: str, token: str) -> str | None:
        """The target of a name; None: it was not given."""
        wanted = select(requests.c.target).where(named(key, token))
        return await self._db.read(lambda db: db.execute(wanted).scalar_one_or_none())

    async def forget(self, key: str, token: str, target: str) -> None:
        """Let the name be given anew, where it still stands for this target: nothing came of it."""
        mine = and_(named(key, token), requests.c.target == target)
        await self._db.write(lambda db: db.execute(delete(requests).where(mine)).rowcount)


def named(key: str, token: str) -> ColumnElement[bool]:
    """Which row it is."""
    return and_(requests.c.key_id == key, requests.c.token == packed(token))
