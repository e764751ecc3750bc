"""How late the event loop is: a process that has more to do than it can takes nothing new. Knows no request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

TICK = 0.25  # seconds between two looks
LATE = 4.0  # seconds that it may be behind: every token of every stream comes so much later
SPELL = 10.0  # seconds that it may stay so: a thousand streams that begin at once are no overload


@dataclass(slots=True, eq=False)
class Lateness:
    """Whether the loop is behind, by more than `late` seconds, for `spell` seconds or more.

    clock, sleep  what it looks with; over: nothing new is begun, until the loop keeps up again
    """

    late: float = LATE
    spell: float = SPELL
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    over: bool = False
    behind: float = 0.0  # seconds, when it was last looked at
    _since: float | None = None

    async def watch(self) -> None:
        """Look again and again: whoever sleeps too long was held up by others."""
        due = self.clock() + TICK
        while True:
            await self.sleep(TICK)
            now = self.clock()
            self.note(now - due, now)
            due = now + TICK

    def note(self, behind: float, now: float) -> None:
        """It is so far behind now."""
        self.behind = behind
        if behind >= self.late:
            self._since = now if self._since is None else self._since
            self.over = self.over or now - self._since >= self.spell
        elif behind < self.late / 2 or not self.over:
            self._since, self.over = None, False
