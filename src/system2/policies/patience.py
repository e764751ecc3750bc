"""How long a silent server is waited for: learnt from the silences that ended. Knows nothing about requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")
ENOUGH = 8  # calls that were answered, before anything is learnt from them
LEAST, TIMES = 10.0, 4.0
"""A call may be silent for so many seconds, and so many times the longest silence of any that was answered."""


class Patience:
    """Waits for pieces of replies, `most` seconds each at first.

    A call that hangs among many that are answered holds up all who wait for it; once ENOUGH are
    answered it is given up much earlier, also if it was waiting before. Not where a server is
    silent because its model thinks (`thinks`): then silences say nothing about each other.
    """

    def __init__(self, most: float, least: float = LEAST) -> None:
        self.most, self.least = most, least
        self.thinks = False
        self._answered, self._longest = 0, 0.0
        self._waiting: dict[asyncio.Timeout, tuple[asyncio.AbstractEventLoop, float]] = {}

    @property
    def seconds(self) -> float:
        """How long a silence may last now."""
        if self.thinks or self._answered < ENOUGH:
            return self.most
        return min(self.most, self.least + TIMES * self._longest)

    async def wait(self, piece: Awaitable[T], longest: float = 0.0) -> tuple[T, float]:
        """The next piece, and the longest silence of its call so far. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout_at(began + self.seconds) as limit:
            self._waiting[limit] = loop, began
            try:
                found = await piece
            finally:
                del self._waiting[limit]
        return found, max(longest, loop.time() - began)

    def answered(self, silence: float, *, hidden: bool) -> None:
        """A call was answered whose longest silence was this; `hidden`: it wrote more than it showed."""
        before = self.seconds
        self._answered += 1
        self._longest = max(self._longest, silence)
        self.thinks = self.thinks or hidden
        if self.seconds != before:
            here = asyncio.get_running_loop()
            for limit, (loop, began) in self._waiting.items():
                if loop is here:  # those of other threads keep theirs
                    limit.reschedule(began + self.seconds)
