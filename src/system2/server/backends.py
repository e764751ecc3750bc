"""Backends that have not answered since the process began: asked again until they do. Spends nothing.

Knows no request: those are tried all the same, and fail as they may at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from system2.core import CallFailed
from system2.server.served import Served

PATIENCE = 3.0  # seconds that a backend has for an answer
PACE = 2.0  # seconds between two looks at those that had none


@dataclass(slots=True, eq=False)
class Backends:
    """Which models' backends are still to answer, by the models' names.

    said  where a person is told
    pace  seconds between two looks
    """

    said: Callable[[str], None]
    pace: float = PACE
    waiting: dict[str, Served] = field(default_factory=dict[str, Served])
    _task: asyncio.Task[None] | None = None

    async def begin(self, served: Sequence[Served]) -> None:
        """Look once at all of them; at those that did not answer again and again, until `close`."""
        far = {one.name: one for one in served if not one.local}
        troubles = await asyncio.gather(*(trouble(one) for one in far.values()))
        for (name, one), why in zip(far.items(), troubles, strict=True):
            if why:
                self.waiting[name] = one
                self.said(f"system2: {name}: {why}; requests fail until it answers")
        if self.waiting:
            self._task = asyncio.create_task(self.look(), name="backends")

    async def look(self) -> None:
        """Until all have answered."""
        while self.waiting:
            await asyncio.sleep(self.pace)
            for name, one in [*self.waiting.items()]:
                if not await trouble(one):
                    del self.waiting[name]
                    self.said(f"system2: {name}: {one.backend} answers now")

    async def close(self) -> None:
        """Look no more."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


async def trouble(one: Served) -> str:
    """Why nobody answers for this model, in a sentence; empty: somebody does."""
    try:
        await one.upstream().reach(PATIENCE)
    except CallFailed as failure:
        return str(failure)
    return ""
