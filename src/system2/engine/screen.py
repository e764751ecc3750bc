"""The text of a reply on its way out, where sidecars hold: what they have not read yet, and what a phrase that has not
ended may have begun in, stays inside. Knows neither what they look for nor who reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from system2.core import Piece, Vetoed, Watcher
from system2.engine.tail import Tail

HELD = 160  # letters and digits at the end of what was read that stay inside: no phrase has more
EVERY = 80  # characters that are new, at least, at every look

Look = Callable[[str, str], Awaitable[Vetoed | None]]
"""What is said of the second text, which follows the first."""


@dataclass(slots=True, eq=False)
class Screen:
    """One reply. A veto is the end of it: nothing more goes out.

    judged  characters that were read
    barred  called with the veto, and with whether anything of the reply is out already
    """

    ask: int
    child: int
    look: Look
    tell: Watcher
    barred: Callable[[Vetoed, bool], None]
    tail: Tail = field(default_factory=Tail)
    text: str = ""
    judged: int = 0
    over: bool = False
    task: asyncio.Task[None] | None = None

    def feed(self, text: str) -> None:
        """More of it."""
        if self.over:
            return
        self.text += text
        self.tail.feed(text)
        if self.task is None and self.end() - self.judged >= EVERY:
            self.task = asyncio.create_task(self.read())

    def end(self) -> int:
        """Where what can be read ends: behind a word that is whole."""
        return boundary(self.text, len(self.text))

    async def read(self) -> None:
        """Look at what is new until there is too little of it, and let out what that clears."""
        try:
            while not self.over and (end := self.end()) - self.judged >= EVERY:
                start = boundary(self.text, before(self.text, self.judged, HELD))
                veto = await self.look(self.text[:start], self.text[start:end])
                if self.over:
                    return
                if veto:
                    self.over = True
                    if veto.of:  # else it could not look: the whole reply is looked at in the end
                        self.barred(veto, self.tail.let > 0)
                    return
                self.judged = end
                if out := self.tail.clear(before(self.text, end, HELD)):
                    self.tell(Piece(self.ask, self.child, out, True))
        finally:
            self.task = None

    def close(self) -> None:
        """The reply is whole, or broken off: what was not let out by now never will be from here."""
        self.over = True
        if self.task:
            self.task.cancel()


def before(text: str, place: int, count: int) -> int:
    """The place so many letters and digits before this one; 0: there are fewer."""
    while place and count:
        place -= 1
        count -= text[place].isalnum()
    return place if not count else 0


def boundary(text: str, place: int) -> int:
    """The nearest place, at or before this one, that no word goes on over; 0: there is none."""
    while place and text[place - 1].isalnum():
        place -= 1
    return place
