"""An ask under way: its parts (calls), what they brought, and what they hold of the meter. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from system2.core import Ask, Expand, Meter, Promise, Request, Step, Usage, Vetoed
from system2.engine.writing import Writing


@dataclass(slots=True)
class Part:
    """One call for some children of an ask, retries included.

    call      of the run, from 1; 0: none is needed, since what it brings is known
    rows      continuations that it set out with
    name      a digest of what a verifier's or a sidecar's call asks; by: that sidecar
    failed    until something came, or the backend said that nothing will
    writing   the try under way
    reserve   tokens of the budget that its further promises must leave
    purse     what the call left of its promise: its verifier may spend it
    spare     tokens that a kept call's grant left over: its verifier may be promised as many
    judged    its scores are known
    enough    no more of it can be planted: its stream may be broken off
    vetoes    that sidecars cast on what it brought, cut off already
    """

    ask: int
    meter: Meter
    children: tuple[int, ...] = ()
    request: Request | None = None
    promises: list[Promise] = field(default_factory=list[Promise])
    reserve: int = 0
    call: int = 0
    role: str = "policy"
    name: str = ""
    by: str = ""
    rows: int = 1
    usage: Usage = field(default_factory=Usage)
    chains: dict[int, list[Step]] = field(default_factory=dict[int, list[Step]])
    scores: dict[int, float | None] = field(default_factory=dict[int, float | None])
    failed: bool = True
    estimated: bool = False
    writing: Writing | None = None
    purse: Meter | None = None
    spare: int = 0
    judged: bool = False
    enough: bool = False
    vetoes: list[Vetoed] = field(default_factory=list[Vetoed])
    landed: bool = False

    def land(self) -> int:
        """Give the promises back, book what the call cost; returns its rows, 0 if landed before."""
        if self.landed:
            return 0
        self.landed = True
        for n, promise in enumerate(self.promises):
            self.meter.settle(promise, Usage() if n else self.usage, self.role)
        if self.purse:
            self.meter.book(self.purse.usage + Usage(unseen=self.purse.promised), "verifier")
        return self.rows


@dataclass(slots=True)
class Work:
    """An ask, numbered in the order of asking from 1. `begun`: children whose calls have set out."""

    number: int
    ask: Ask
    begun: int = 0
    running: int = 0
    parts: list[Part] = field(default_factory=list[Part])

    @property
    def waiting(self) -> int:
        """Children not yet begun."""
        return (self.ask.n if isinstance(self.ask, Expand) else 1) - self.begun

    @property
    def whole(self) -> bool:
        """Is every part in?"""
        return self.waiting <= 0 and not self.running

    @property
    def answers(self) -> bool:
        """Does it ask for whole answers, which go in waves?"""
        return isinstance(self.ask, Expand) and self.ask.until == "answer"

    @property
    def failed(self) -> bool:
        """Did it bring nothing, though the backend did not say that there is nothing?"""
        if not isinstance(self.ask, Expand) or any(part.chains for part in self.parts):
            return False
        return self.waiting > 0 or any(part.failed for part in self.parts)

    @property
    def vetoed(self) -> bool:
        """Was something of it vetoed?"""
        return any(part.vetoes for part in self.parts)

    @property
    def barred(self) -> bool:
        """Was all of it vetoed?"""
        return self.vetoed and not any(part.chains for part in self.parts)


def seed_of(run: int, ask: int, child: int) -> int:
    """The seed of one continuation, from (run, ask, child); 63 bits."""
    digest = blake2b(f"{run}/{ask}/{child}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
