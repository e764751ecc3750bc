"""The reply's text as it may be shown: up to a stop string, token by token. Knows nothing about servers."""

from __future__ import annotations

from dataclasses import dataclass, field

from system2.core import Token


@dataclass(slots=True)
class Visible:
    """Holds back what may be the beginning of a stop string.

    said     what was given out; over: a stop string came, and nothing more is given
    """

    stops: tuple[str, ...] = ()
    limit: int | None = None
    over: bool = False
    said: list[str] = field(default_factory=list[str])
    _held: str = ""
    _given: int = 0  # characters
    _waiting: list[tuple[int, Token]] = field(default_factory=list[tuple[int, Token]])

    def feed(self, text: str) -> str:
        """More text; as much as may be given out."""
        if self.over:
            return ""
        self._held += text
        met = [at for stop in self.stops if stop and (at := self._held.find(stop)) >= 0]
        if met:
            self.over = True
            return self._give(min(met))
        return self._give(len(self._held) - self._begun())

    def close(self) -> str:
        """What was held back: nothing more comes."""
        return "" if self.over else self._give(len(self._held))

    def spell(self, tokens: tuple[Token, ...]) -> None:
        """These tokens begin where the text so far ends; told before they are fed."""
        at = self._given + len(self._held)
        self._waiting += [(at, token) for token in tokens]

    def forget(self) -> None:
        """What was spelt so far was thought."""
        self._waiting = []

    def spelt(self) -> tuple[Token, ...]:
        """The tokens whose text has begun to be given out since the last time."""
        whole = self._given if self._held or self.over else self._given + 1
        told = tuple(token for at, token in self._waiting if at < whole)
        self._waiting = [entry for entry in self._waiting if entry[0] >= whole]
        return told

    @property
    def text(self) -> str:
        """All that was given out."""
        return "".join(self.said)

    def _give(self, size: int) -> str:
        told, self._held = self._held[:size], self._held[size:]
        self._given += len(told)
        if told:
            self.said.append(told)
        return told

    def _begun(self) -> int:
        """How many of the last characters may begin a stop string."""
        longest = max((len(stop) for stop in self.stops), default=1) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            if any(len(stop) > size and stop.startswith(self._held[-size:]) for stop in self.stops):
                return size
        return 0
