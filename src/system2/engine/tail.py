"""A stream whose tail is held back: only what was cleared is let out. Pure; knows neither models nor wires."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Tail:
    """Text comes in as it is written, and goes out as it is cleared. Positions are characters from the start.

    let   characters that were let out; cleared: that may be
    """

    let: int = 0
    cleared: int = 0
    over: bool = False
    _held: list[str] = field(default_factory=list[str])
    _length: int = 0

    @property
    def length(self) -> int:
        """Characters that have come in."""
        return self._length

    @property
    def held(self) -> str:
        """What has come in and was not let out: all that is still to be judged."""
        self._held = ["".join(self._held)]
        return self._held[0]

    def feed(self, text: str) -> str:
        """More text; returns what may go out now. Raises ValueError after the end."""
        if self.over:
            raise ValueError("text came after the end of the stream; begin a new Tail for it")
        self._held.append(text)
        self._length += len(text)
        return self._release()

    def clear(self, upto: int) -> str:
        """All before this position is cleared, which may lie ahead; returns what may go out now.

        A clearance is never taken back. Raises ValueError for a position before the start.
        """
        if upto < 0:
            raise ValueError(f"a position of at least 0 was expected, {upto} was given")
        self.cleared = max(self.cleared, upto)
        return self._release()

    def end(self) -> str:
        """The stream is over, and what was not cleared will never go out; returns what was withheld."""
        self.over = True
        held, self._held = self.held, []
        return held

    def _release(self) -> str:
        count = min(self.cleared, self._length) - self.let
        if count <= 0:
            return ""
        held = self.held
        self._held = [held[count:]]
        self.let += count
        return held[:count]
