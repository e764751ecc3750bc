"""All that is kept for clients, and when it goes. Knows nothing of what stands in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table, delete, select

from system2.server.data.batches import Batches
from system2.server.data.chats import Chats
from system2.server.data.database import Database
from system2.server.data.files import Files
from system2.server.data.requests import Requests
from system2.server.data.responses import ALIVE, Responses
from system2.server.data.tables import chats, files, requests, responses

CHUNK = 200  # rows of one transaction: others may write in between
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Expired:
    """How many of each have gone."""

    responses: int
    chats: int
    files: int
    requests: int


class Stored:
    """The stored things of a database, by kind."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.responses = Responses(db)
        self.chats = Chats(db)
        self.files = Files(db)
        self.batches = Batches(db)
        self.requests = Requests(db)

    async def expire(self, now: int, *, remember: int = DAY) -> Expired:
        """Forget what is past its time, and names of requests after `remember` seconds.

        A response under way stays until it has ended. Batches stay: their files go.
        """
        ended = responses.c.status.not_in(ALIVE)
        return Expired(
            await self._sweep(responses, responses.c.id, responses.c.expires_at <= now, ended),
            await self._sweep(chats, chats.c.id, chats.c.expires_at <= now),
            await self._sweep(files, files.c.id, files.c.expires_at <= now),
            await self._sweep(requests, requests.c.token, requests.c.created_at <= now - remember),
        )

    async def _sweep(self, table: Table, id: Column[Any], *which: Any) -> int:
        """Delete these rows, some at a time; how many there were."""
        gone = 0
        while True:
            some = select(id).where(*which).limit(CHUNK)
            sweep = delete(table).where(id.in_(some), *which)
            found = await self._db.write(lambda db, sweep=sweep: db.execute(sweep).rowcount)
            gone += found
            if found < 1:
                return gone
