"""Which process works at what: each says that it lives; what it held is anybody's once it is gone. Knows no response.

On one machine a locked file says so, as exactly as the system does; to other machines a lease in the database.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from system2.server.data.processes import Processes

FORGOTTEN = 30 * 86_400  # seconds after which nobody need know that there was such a process


@dataclass(slots=True, eq=False)
class Owner:
    """This process.

    place  a folder that all processes of this machine share
    lease  seconds that it is taken for alive after it was last heard of, where its file cannot be seen
    """

    processes: Processes
    place: Path
    lease: float = 60.0
    id: str = field(default_factory=lambda: f"process_{secrets.token_hex(12)}")
    _file: int | None = None
    _task: asyncio.Task[None] | None = None

    @property
    def held(self) -> int:
        """The lease in whole seconds."""
        return max(1, round(self.lease + 0.5))

    async def begin(self) -> Owner:
        """Say that it lives, from now on. Raises OSError."""
        self.lock()
        await self.processes.live(self.id, int(time.time()) + self.held)
        self._task = asyncio.create_task(self.beat(), name="owner")
        return self

    def lock(self) -> None:
        """Its file is locked before anybody sees it, until the process ends in whatever way. Raises OSError."""
        self.place.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = self.place / f".{self.id}"
        self._file = os.open(fresh, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        fresh.rename(self.place / self.id)

    async def beat(self) -> None:
        """Say again and again that it lives."""
        while True:
            await asyncio.sleep(self.lease / 3)
            with suppress(OSError):  # the database will be there again
                await self.processes.live(self.id, int(time.time()) + self.held)

    async def gone(self, id: str | None, now: float | None = None) -> bool:
        """Has this process ended, or was it not heard of for too long? None: it never said who it is."""
        if id is None:
            return True
        if id == self.id:
            return False
        if (dead := self.dead(id)) is not None:
            return dead
        return await self.processes.until(id) <= (time.time() if now is None else now)

    def dead(self, id: str) -> bool | None:
        """Has a process of this machine ended? None: it is not of this machine, or has tidied up."""
        try:
            file = os.open(self.place / id, os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            return False
        finally:
            os.close(file)

    async def tidy(self, now: int) -> None:
        """Forget processes that ended long ago."""
        await self.processes.forget(now - FORGOTTEN)
        for path in self.place.glob("process_*"):
            with suppress(OSError):
                if path.stat().st_mtime < now - FORGOTTEN and self.dead(path.name):
                    path.unlink()

    async def close(self) -> None:
        """What it held is anybody's from now on."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with suppress(OSError):
            await self.processes.live(self.id, int(time.time()))
        if self._file is not None:
            (self.place / self.id).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None
