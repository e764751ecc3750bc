"""Stored chat completions and their metadata. Knows nothing of what stands in a body; other keys' rows do not exist."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from system2.server.data.database import Database
from system2.server.data.rows import Order, Page, ordered, packed, page
from system2.server.data.tables import chat_metadata, chats

BODY = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat completion as it is kept; `messages`: those it was asked with."""

    id: str
    key: str
    model: str
    created_at: int
    body: BODY
    messages: Sequence[BODY] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    expires_at: int | None = None


class Chats:
    """The chat completions of a database. An id belongs to its key: of another's, nothing is there."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, chat: Chat) -> None:
        """Keep a new one. Raises IntegrityError where its id is taken."""
        row = {
            "id": chat.id, "key_id": chat.key, "model": chat.model, "created_at": chat.created_at,
            "body": packed(chat.body), "messages": packed(list(chat.messages)),
            "expires_at": chat.expires_at,
        }  # fmt: skip

        def added(connection: Connection) -> None:
            connection.execute(insert(chats), row)
            label(connection, chat.id, chat.metadata)

        await self._db.write(added)

    async def get(self, id: str, key: str) -> Chat | None:
        """The chat completion; None: this key has none of this id."""
        mine = select(chats).where(chats.c.id == id, chats.c.key_id == key)
        found = await self._db.read(lambda db: read(db, db.execute(mine).all()))
        return found[0] if found else None

    async def change(self, id: str, key: str, metadata: Mapping[str, str]) -> Chat | None:
        """Other metadata instead of what there was; None: this key has none of this id."""
        mine = select(chats).where(chats.c.id == id, chats.c.key_id == key).with_for_update()

        def changed(connection: Connection) -> list[Chat]:
            if rows := connection.execute(mine).all():
                connection.execute(delete(chat_metadata).where(chat_metadata.c.chat_id == id))
                label(connection, id, metadata)
            return read(connection, rows)

        found = await self._db.write(changed)
        return found[0] if found else None

    async def delete(self, id: str, key: str) -> bool:
        """Forget it; False: there was none."""
        mine = and_(chats.c.id == id, chats.c.key_id == key)
        return bool(await self._db.write(lambda db: db.execute(delete(chats).where(mine)).rowcount))

    async def list(
        self,
        key: str,
        *,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
        after: str | None = None,
        limit: int = 20,
        order: Order = "asc",
    ) -> Page[Chat]:
        """A key's chat completions, of a model, with all of this metadata; behind the id `after`."""
        wanted = select(chats).where(chats.c.key_id == key)
        if model is not None:
            wanted = wanted.where(chats.c.model == model)
        for name, value in (metadata or {}).items():
            pair = and_(
                chat_metadata.c.name == packed(name), chat_metadata.c.value == packed(value)
            )
            wanted = wanted.where(chats.c.id.in_(select(chat_metadata.c.chat_id).where(pair)))
        some = ordered(wanted, chats, after, order).limit(limit + 1)
        return page(await self._db.read(lambda db: read(db, db.execute(some).all())), limit)


def label(connection: Connection, id: str, metadata: Mapping[str, str]) -> None:
    """Write a chat completion's metadata."""
    if metadata:
        rows = [
            {"chat_id": id, "name": packed(name), "value": packed(value)}
            for name, value in metadata.items()
        ]
        connection.execute(insert(chat_metadata), rows)


def read(connection: Connection, rows: Sequence[Any]) -> list[Chat]:
    """Rows as chat completions, with their metadata."""
    labels: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    wanted = select(chat_metadata).where(chat_metadata.c.chat_id.in_(labels))
    for pair in connection.execute(wanted.order_by(chat_metadata.c.name)):
        labels[pair.chat_id][json.loads(pair.name)] = json.loads(pair.value)
    return [
        Chat(
            id=row.id, key=row.key_id, model=row.model, created_at=row.created_at,
            body=json.loads(row.body), messages=tuple(json.loads(row.messages)),
            metadata=labels[row.id], expires_at=row.expires_at,
        )
        for row in rows
    ]  # fmt: skip
