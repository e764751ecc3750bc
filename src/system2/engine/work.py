"""An ask under way: its parts (calls), what they brought, and what they hold of the meter. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from system2.core import Ask, Expand, Promise, Step, Usage


@dataclass(slots=True)
class Part:
    """One call for some children of an ask, retries included."""

    children: tuple[int, ...]
    promises: list[Promise]
    usage: Usage = field(default_factory=Usage)
    chains: dict[int, list[Step]] = field(default_factory=dict[int, list[Step]])
    scores: dict[int, float | None] = field(default_factory=dict[int, float | None])
    failed: bool = False


@dataclass(slots=True)
class Work:
    """An ask, numbered in the order of asking from 1."""

    number: int
    ask: Ask
    waiting: list[int] = field(default_factory=list[int])  # children not yet begun
    running: int = 0
    parts: list[Part] = field(default_factory=list[Part])

    def __post_init__(self) -> None:
        self.waiting = list(range(self.ask.n)) if isinstance(self.ask, Expand) else [0]

    @property
    def whole(self) -> bool:
        """Is every part in?"""
        return not self.waiting and not self.running

    @property
    def failed(self) -> bool:
        """Did no part bring anything?"""
        return all(part.failed for part in self.parts)


def seed_of(run: int, ask: int, child: int) -> int:
    """The seed of one continuation, from (run, ask, child); 63 bits."""
    digest = blake2b(f"{run}/{ask}/{child}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
