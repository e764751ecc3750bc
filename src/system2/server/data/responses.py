"""Stored responses with their events and input. Knows nothing of what stands in a body; other keys' rows do not exist."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, select, update

from system2.server.data.database import Database
from system2.server.data.rows import Order, Page, packed, page
from system2.server.data.tables import response_events, responses

BODY = Mapping[str, Any]
ALIVE = ("queued", "in_progress")
NUMBER = response_events.c.sequence_number

# Put together once: that takes longer than to run it.
CHANGED = (
    update(responses)
    .where(responses.c.id == bindparam("its"))
    .where(responses.c.status.not_in(bindparam("unless", expanding=True)))
    .values(status=bindparam("now"), body=bindparam("told"))
)
ADDED, MORE = responses.insert(), response_events.insert()


@dataclass(frozen=True, slots=True)
class Response:
    """A response as it is kept.

    run     the search behind it; input: the items it was asked with
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


class Responses:
    """The responses of a database. An id belongs to its key: of another's, nothing is there."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, response: Response, events: Sequence[tuple[int, BODY]] = ()) -> None:
        """Keep a new one, with what events it has. Raises IntegrityError where its id is taken."""
        row = {
            "id": response.id, "key_id": response.key, "model": response.model,
            "status": response.status, "run": response.run, "created_at": response.created_at,
            "body": packed(response.body), "input": packed(list(response.input)),
            "previous_id": response.previous, "background": response.background,
            "expires_at": response.expires_at,
        }  # fmt: skip
        first = numbered(response.id, events)

        def added(db: Connection) -> None:
            db.execute(ADDED, row)
            if first:
                db.execute(MORE, first)

        await self._db.write(added)

    async def change(
        self,
        id: str,
        *,
        status: str,
        body: BODY,
        unless: Sequence[str] = (),
        events: Sequence[tuple[int, BODY]] = (),
    ) -> bool:
        """Its new status and body, and with them its last events; False: it is gone, or is `unless`.

        `unless=("cancelled",)` keeps what was cancelled so, however late a search ends.
        """
        values = {"its": id, "unless": [*unless], "now": status, "told": packed(body)}
        last = numbered(id, events)

        def changed(db: Connection) -> bool:
            there = bool(db.execute(CHANGED, values).rowcount)
            if there and last:
                db.execute(MORE, last)
            return there

        return await self._db.write(changed)

    async def get(self, id: str, key: str) -> Response | None:
        """The response; None: this key has none of this id."""
        mine = select(responses).where(responses.c.id == id, responses.c.key_id == key)
        row = await self._db.read(lambda db: db.execute(mine).one_or_none())
        return None if row is None else response_of(row)

    async def delete(self, id: str, key: str) -> bool:
        """Forget it and its events; False: there was none."""
        mine = and_(responses.c.id == id, responses.c.key_id == key)
        return bool(
            await self._db.write(lambda db: db.execute(delete(responses).where(mine)).rowcount)
        )

    async def append(self, id: str, events: Sequence[tuple[int, BODY]]) -> None:
        """Keep events with their sequence numbers, all or none. Raises IntegrityError where one is known or the response is gone."""
        if rows := numbered(id, events):
            await self._db.write(lambda db: db.execute(MORE, rows).rowcount)

    async def events(
        self, id: str, after: int = -1, *, limit: int = 1000
    ) -> list[tuple[int, dict[str, Any]]]:
        """Up to `limit` events with a sequence number above `after`, in order."""
        event = response_events.c.event
        wanted = select(NUMBER, event).where(response_events.c.response_id == id, after < NUMBER)
        some = wanted.order_by(NUMBER).limit(limit)
        rows = await self._db.read(lambda db: db.execute(some).all())
        return [(row.sequence_number, json.loads(row.event)) for row in rows]

    async def input_items(
        self, id: str, key: str, *, after: str | None = None, limit: int = 20, order: Order = "desc"
    ) -> Page[BODY] | None:
        """What it was asked with, a page at a time; None: there is no such response."""
        found = await self.get(id, key)
        return (
            None if found is None else items_of(found.input, after=after, limit=limit, order=order)
        )

    async def unfinished(self) -> list[Response]:
        """Those that were under way when the process ended: to be resumed, or said to have failed."""
        alive = select(responses).where(responses.c.status.in_(ALIVE))
        wanted = alive.order_by(responses.c.created_at, responses.c.id)
        return [
            response_of(row) for row in await self._db.read(lambda db: db.execute(wanted).all())
        ]


def items_of(given: Sequence[BODY], *, after: str | None, limit: int, order: Order) -> Page[BODY]:
    """Some of the items that a response was asked with, behind the id `after`."""
    items = [*given] if order == "asc" else [*reversed(given)]
    if after is not None:
        places = [place for place, item in enumerate(items) if item.get("id") == after]
        items = items[places[0] + 1 :] if places else []
    return page(items[: limit + 1], limit)


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
    )  # fmt: skip
