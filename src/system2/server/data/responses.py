"""Stored responses with their events and input. Knows nothing of what stands in a body; other keys' rows do not exist."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, or_, select, update

from system2.server.data.database import Database
from system2.server.data.rows import Order, Page, packed, page
from system2.server.data.tables import response_events, responses

BODY = Mapping[str, Any]
ALIVE = ("queued", "in_progress")
NUMBER = response_events.c.sequence_number


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it is kept.

    run     the search behind it; input: the items it was asked with
    owner   the process that works at it
    body    as it was last told
    """

    id: str
    key: str
    model: str
    status: str
    created_at: int
    body: BODY
    input: Sequence[BODY] = ()
    run: str | None = None
    previous: str | None = None
    background: bool = False
    expires_at: int | None = None
    owner: str | None = None


class Responses:
    """The responses of a database. An id belongs to its key: of another's, nothing is there.

    owner  the process that writes: what another has taken up it cannot change; None: nobody in particular
    """

    def __init__(self, db: Database, owner: str | None = None) -> None:
        self._db, self.owner = db, owner

    def mine(self, id: str) -> Any:
        """This response, while this process works at it."""
        this = responses.c.id == id
        return this if self.owner is None else and_(this, responses.c.owner == self.owner)

    async def add(self, response: Response) -> None:
        """Keep a new one, which is its writer's. Raises IntegrityError where its id is taken."""
        row = {
            "id": response.id, "key_id": response.key, "model": response.model,
            "status": response.status, "run": response.run, "created_at": response.created_at,
            "body": packed(response.body), "input": packed(list(response.input)),
            "previous_id": response.previous, "background": response.background,
            "expires_at": response.expires_at, "owner": self.owner or response.owner,
        }  # fmt: skip
        async with self._db.begin() as connection:
            await connection.execute(responses.insert().values(row))

    async def change(
        self,
        id: str,
        *,
        status: str,
        body: BODY,
        unless: Sequence[str] = (),
        events: Sequence[tuple[int, BODY]] = (),
    ) -> bool:
        """Its new status and body, and with them its last events; False: it is gone, another's, or is `unless`.

        `unless=("cancelled",)` keeps what was cancelled so, however late a search ends.
        """
        mine = and_(self.mine(id), responses.c.status.not_in(unless))
        values = {"status": status, "body": packed(body)}
        async with self._db.begin() as connection:
            done = await connection.execute(update(responses).where(mine).values(values))
            if done.rowcount and events:
                await connection.execute(response_events.insert(), numbered(id, events))
            return bool(done.rowcount)

    async def get(self, id: str, key: str) -> Response | None:
        """The response; None: this key has none of this id."""
        async with self._db.read() as connection:
            mine = select(responses).where(responses.c.id == id, responses.c.key_id == key)
            row = (await connection.execute(mine)).one_or_none()
        return None if row is None else response_of(row)

    async def delete(self, id: str, key: str) -> bool:
        """Forget it and its events; False: there was none."""
        mine = and_(responses.c.id == id, responses.c.key_id == key)
        async with self._db.begin() as connection:
            return bool((await connection.execute(delete(responses).where(mine))).rowcount)

    async def append(self, id: str, events: Sequence[tuple[int, BODY]]) -> None:
        """Keep events with their sequence numbers, all or none; of what is another's none.

        Raises IntegrityError where one is known or the response is gone.
        """
        if events:
            async with self._db.begin() as connection:
                if self.owner is not None:  # and it stays so until this is kept
                    held = select(responses.c.id).where(self.mine(id)).with_for_update()
                    if (await connection.execute(held)).one_or_none() is None:
                        return
                await connection.execute(response_events.insert(), numbered(id, events))

    async def events(
        self, id: str, after: int = -1, *, limit: int = 1000
    ) -> list[tuple[int, dict[str, Any]]]:
        """Up to `limit` events with a sequence number above `after`, in order."""
        event = response_events.c.event
        wanted = select(NUMBER, event).where(response_events.c.response_id == id, after < NUMBER)
        async with self._db.read() as connection:
            rows = await connection.execute(wanted.order_by(NUMBER).limit(limit))
            return [(row.sequence_number, json.loads(row.event)) for row in rows]

    async def input_items(
        self, id: str, key: str, *, after: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> Page[BODY] | None:
        """What it was asked with, a page at a time; None: there is no such response."""
        if (found := await self.get(id, key)) is None:
            return None
        items = [*found.input] if order == "asc" else [*reversed(found.input)]
        if after is not None:
            places = [place for place, item in enumerate(items) if item.get("id") == after]
            items = items[places[0] + 1 :] if places else []
        return page(items[: limit + 1], limit)

    async def owners(self) -> set[str | None]:
        """Who works at responses that are under way."""
        wanted = select(responses.c.owner).where(responses.c.status.in_(ALIVE)).distinct()
        async with self._db.read() as connection:
            return {row.owner for row in await connection.execute(wanted)}

    async def claim(self, id: str, was: str | None) -> bool:
        """Take it up after this process; False: another did so first, or it is over."""
        before = responses.c.owner.is_(None) if was is None else responses.c.owner == was
        free = and_(responses.c.id == id, responses.c.status.in_(ALIVE), before)
        async with self._db.begin() as connection:
            done = await connection.execute(update(responses).where(free).values(owner=self.owner))
            return bool(done.rowcount)

    async def yield_up(self, id: str) -> None:
        """Let whoever comes next take it up."""
        async with self._db.begin() as connection:
            await connection.execute(update(responses).where(self.mine(id)).values(owner=None))

    async def unfinished(self, *owners: str | None) -> list[Response]:
        """Those under way that these processes, by default any, worked at: to be resumed, or said to have failed."""
        wanted = select(responses).where(responses.c.status.in_(ALIVE))
        if owners:
            known = responses.c.owner.in_([one for one in owners if one is not None])
            wanted = wanted.where(
                or_(known, responses.c.owner.is_(None)) if None in owners else known
            )
        async with self._db.read() as connection:
            rows = await connection.execute(wanted.order_by(responses.c.created_at, responses.c.id))
            return [response_of(row) for row in rows]


def numbered(id: str, events: Sequence[tuple[int, BODY]]) -> list[dict[str, Any]]:
    """Events as their rows have them."""
    return [
        {"response_id": id, "sequence_number": number, "event": packed(event)}
        for number, event in events
    ]


def response_of(row: Any) -> Response:
    """A row as a response."""
    return Response(
        id=row.id, key=row.key_id, model=row.model, status=row.status, created_at=row.created_at,
        body=json.loads(row.body), input=tuple(json.loads(row.input)), run=row.run,
        previous=row.previous_id, background=row.background, expires_at=row.expires_at,
        owner=row.owner,
    )  # fmt: skip
