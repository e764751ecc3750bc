"""Files that were sent or made. Knows nothing of what stands in them; other keys' files do not exist."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, insert, select

from system2.server.data.database import Database
from system2.server.data.rows import Order, Page, ordered, packed, page
from system2.server.data.tables import files

SEEN = [column for column in files.c if column.name != "content"]


@dataclass(frozen=True, slots=True)
class File:
    """A file without its content; `bytes`: how many it has."""

    id: str
    key: str
    filename: str
    purpose: str
    bytes: int
    created_at: int
    expires_at: int | None = None


class Files:
    """The files of a database. An id belongs to its key: of another's, nothing is there."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, file: File, content: bytes) -> None:
        """Keep a new one. Raises ValueError where its size is another; IntegrityError where its id is taken."""
        if len(content) != file.bytes:
            raise ValueError(f"{file.id}: {file.bytes} bytes were announced, {len(content)} came")
        row = {
            "id": file.id, "key_id": file.key, "filename": packed(file.filename),
            "purpose": file.purpose, "bytes": file.bytes, "created_at": file.created_at,
            "expires_at": file.expires_at, "content": content,
        }  # fmt: skip
        await self._db.write(lambda db: db.execute(insert(files), row).rowcount)

    async def get(self, id: str, key: str) -> File | None:
        """The file; None: this key has none of this id."""
        mine = select(*SEEN).where(files.c.id == id, files.c.key_id == key)
        row = await self._db.read(lambda db: db.execute(mine).one_or_none())
        return None if row is None else file_of(row)

    async def content(self, id: str, key: str) -> bytes | None:
        """What stands in it; None: this key has none of this id."""
        mine = select(files.c.content).where(files.c.id == id, files.c.key_id == key)
        return await self._db.read(lambda db: db.execute(mine).scalar_one_or_none())

    async def delete(self, id: str, key: str) -> bool:
        """Forget it; False: there was none."""
        mine = and_(files.c.id == id, files.c.key_id == key)
        return bool(await self._db.write(lambda db: db.execute(delete(files).where(mine)).rowcount))

    async def list(
        self,
        key: str,
        *,
        purpose: str | None = None,
        after: str | None = None,
        limit: int = 100,
        order: Order = "desc",
    ) -> Page[File]:
        """A key's files, for a purpose; behind the id `after`."""
        wanted = select(*SEEN).where(files.c.key_id == key)
        if purpose is not None:
            wanted = wanted.where(files.c.purpose == purpose)
        some = ordered(wanted, files, after, order).limit(limit + 1)
        rows = await self._db.read(lambda db: db.execute(some).all())
        return page([file_of(row) for row in rows], limit)


def file_of(row: Any) -> File:
    """A row as a file."""
    return File(
        row.id, row.key_id, json.loads(row.filename), row.purpose, row.bytes, row.created_at,
        row.expires_at,
    )  # fmt: skip
