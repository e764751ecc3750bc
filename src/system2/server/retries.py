"""Requests that are asked again: a retry joins the job that is running, and pays for nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from system2.server.errors import invalid

Held = TypeVar("Held")
SMALL = 512  # bytes that any of them takes besides
KEPT = 600.0  # seconds; SDKs retry within a minute
MOST = 1_024
HEAVIEST = 64 * 2**20  # bytes of all together
EACH = 16 * 2**20  # and of one key


@dataclass(frozen=True, slots=True)
class Said:
    """All that is kept of a request that is over: its reply, as JSON."""

    body: bytes


@dataclass(slots=True)
class Kept(Generic[Held]):
    """What was begun or what became of it, since when, whose it is, and a digest of what was asked."""

    since: float
    asked: bytes
    key: str
    held: Held | Said
    weight: int = 0


class Retries(Generic[Held]):
    """What was begun for a request, by its name, for as long as it may be asked again.

    Of a request that is over only its reply is kept, the oldest are forgotten first: those of a key that
    has more than its share, then anybody's.

    weigh     bytes that one takes, about; 0: it is under way, and not to be forgotten
    most      so many are kept; heaviest: bytes of all together; each: and of one key
    """

    def __init__(
        self,
        weigh: Callable[[Held], int],
        *,
        most: int = MOST,
        heaviest: int = HEAVIEST,
        each: int = EACH,
    ) -> None:
        self._weigh = weigh
        self._most, self._heaviest, self._each = most, heaviest, each
        self._kept: OrderedDict[str, Kept[Held]] = OrderedDict()
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._keys: dict[str, OrderedDict[str, None]] = {}  # names of a key's that have a weight
        self._sums: dict[str, int] = {}  # bytes by key
        self._over: OrderedDict[str, None] = OrderedDict()  # names that have a weight
        self.bytes = 0

    @property
    def count(self) -> int:
        """How many that may be forgotten are kept."""
        return len(self._over)

    def of(self, key: str) -> int:
        """Bytes of one key."""
        return self._sums.get(key, 0)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncGenerator[None]:
        """Requests of one name come one after another: the second finds what the first has begun."""
        lock, count = self._turns.get(name, (asyncio.Lock(), 0))
        self._turns[name] = lock, count + 1
        try:
            async with lock:
                yield
        finally:
            _, count = self._turns.pop(name)
            if count > 1:
                self._turns[name] = lock, count - 1

    def find(self, name: str, asked: bytes) -> Held | Said | None:
        """What was begun under this name, or its reply. Raises ApiError 400 where something else was asked then."""
        kept = self._kept.get(name)
        if kept is None or time.monotonic() - kept.since > KEPT:
            return None
        if kept.asked != digest(asked):
            raise invalid(
                "This Idempotency-Key was sent with another body before; give each request its own."
            )
        return kept.held

    def keep(self, name: str, held: Held, asked: bytes, key: str) -> None:
        """Remember it, as a request of this key's."""
        self._forget(name)
        self._kept[name] = Kept(time.monotonic(), digest(asked), key, held)

    def settle(self, name: str, held: Held, said: Said | None) -> None:
        """It is over: only its reply is kept; None: it has none, and whoever asks again begins anew."""
        kept = self._kept.get(name)
        if kept is None or kept.held is not held:
            return  # another has been begun under this name, or it is forgotten
        if said is None:
            self._forget(name)
            return
        kept.held = said
        self._weighed(name, kept, len(said.body) + SMALL)

    def leave(self, name: str, held: Held) -> None:
        """Everybody has left it before its end: it is kept as it is, and has a weight."""
        if (kept := self._kept.get(name)) is not None and kept.held is held:
            self._weighed(name, kept, self._weigh(held))

    def sweep(self) -> None:
        """Now and then forget what is old."""
        now = time.monotonic()
        for name, kept in [*self._kept.items()]:
            weight = kept.weight if isinstance(kept.held, Said) else self._weigh(kept.held)
            if weight and now - kept.since > KEPT:
                self._forget(name)
            elif weight != kept.weight:
                self._weighed(name, kept, weight)

    def _weighed(self, name: str, kept: Kept[Held], weight: int) -> None:
        """It weighs so much now; what is too much is forgotten, the oldest first."""
        self._off(name, kept)
        kept.weight = weight
        if weight:
            mine = self._keys.setdefault(kept.key, OrderedDict())
            mine[name] = self._over[name] = None
            self._sums[kept.key] = self._sums.get(kept.key, 0) + weight
            self.bytes += weight
            while mine and self._sums.get(kept.key, 0) > self._each:
                self._forget(next(iter(mine)))
        while self._over and (self.bytes > self._heaviest or len(self._over) > self._most):
            self._forget(next(iter(self._over)))

    def _forget(self, name: str) -> None:
        """As if it had never been asked."""
        if (kept := self._kept.pop(name, None)) is not None:
            self._off(name, kept)

    def _off(self, name: str, kept: Kept[Held]) -> None:
        """It has no weight any more."""
        if not kept.weight:
            return
        self.bytes -= kept.weight
        self._sums[kept.key] -= kept.weight
        kept.weight = 0
        del self._over[name], self._keys[kept.key][name]
        if not self._keys[kept.key]:
            del self._keys[kept.key], self._sums[kept.key]


def named(headers: Mapping[str, str], key: str, path: str, body: bytes) -> str:
    """The name under which a request is kept: its Idempotency-Key, else a digest of key and body."""
    given = headers.get("idempotency-key", "")
    told = f"idempotency {given[:255]}".encode() if given else b"body " + body
    return hashlib.sha256(b"\0".join((key.encode(), path.encode(), told))).hexdigest()


def digest(body: bytes) -> bytes:
    """What stands for a body."""
    return hashlib.sha256(body).digest()


def again(headers: Mapping[str, str]) -> bool:
    """Does the client say that it has asked before, or that it may?"""
    count = headers.get("x-stainless-retry-count", "0")
    return bool(headers.get("idempotency-key")) or (count.isdigit() and count.strip("0") != "")


def deadline(headers: Mapping[str, str]) -> float | None:
    """Seconds after which the client gives up, as OpenAI's SDKs tell it."""
    try:
        seconds = float(headers.get("x-stainless-read-timeout", "")[:20])
    except ValueError:
        return None
    return seconds if 0 < seconds < 10**7 else None
