"""Which processes have said that they live, and until when that holds. Knows nothing of what they do."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from system2.server.data.database import Database
from system2.server.data.tables import processes


class Processes:
    """The processes that have used a database. Times are unix seconds."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def live(self, id: str, until: int) -> None:
        """A process lives, and is to be taken for alive until then."""
        row = {"id": id, "lease_until": until}
        mine = update(processes).where(processes.c.id == id).values(row)

        def lived(db: Connection) -> None:
            if not db.execute(mine).rowcount:
                db.execute(insert(processes), row)

        await self._db.write(lived)

    async def until(self, id: str) -> int:
        """Until when a process is taken for alive; 0: nobody knows of it."""
        wanted = select(processes.c.lease_until).where(processes.c.id == id)
        return await self._db.read(lambda db: db.execute(wanted).scalar()) or 0

    async def forget(self, before: int) -> int:
        """Forget those that were last heard of then; how many there were."""
        gone = delete(processes).where(processes.c.lease_until < before)
        return await self._db.write(lambda db: db.execute(gone).rowcount)
