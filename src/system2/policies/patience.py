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
    answered it is given up much earlier, also if it was waiting before. A call that has not begun
    may stand in the server's queue: it is given up when no other call has heard anything for as long. Not
    where a server is silent because its model thinks (`thinks`): then silences say nothing about each other.
    """

    def __init__(self, most: float, least: float = LEAST) -> None:
        self.most, self.least = most, least
        self.thinks = False
        self._answered, self._longest = 0, 0.0
        self._heard = float("-inf")  # when anything last came, by the clock that all loops share

    @property
    def seconds(self) -> float:
        """How long a silence may last now."""
        if self.thinks or self._answered < ENOUGH:
            return self.most
        return min(self.most, self.least + TIMES * self._longest)

    async def wait(
        self, piece: Awaitable[T], longest: float = 0.0, *, first: bool = False
    ) -> tuple[T, float]:
        """The next piece, and the longest silence of its call so far. Raises TimeoutError.

        first: nothing of its call has come yet; the wait for that is no silence.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()

        def look() -> None:
            nonlocal timer
            since = max(began, self._heard) if first else began
            until, now = min(since + self.seconds, began + self.most), loop.time()
            if now >= until:
                limit.reschedule(now)
            else:
                timer = loop.call_at(min(until, now + self.least), look)

        async with asyncio.timeout(None) as limit:
            timer = loop.call_later(min(self.seconds, self.least), look)
            try:
                found = await piece
            finally:
                timer.cancel()
        self._heard = loop.time()
        return found, longest if first else max(longest, self._heard - began)

    def answered(self, silence: float, *, hidden: bool) -> None:
        """A call was answered whose longest silence was this; `hidden`: it wrote more than it showed."""
        self._answered += 1
        self._longest = max(self._longest, silence)
        self.thinks = self.thinks or hidden
