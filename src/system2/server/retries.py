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
KEPT = 600.0  # seconds; SDKs retry within a minute
MOST = 1_024
HEAVIEST = 100_000  # events of all together
LEAST = 10.0  # seconds that anything is kept: an SDK waits half of one, then up to eight
PACE = 1.0  # seconds between two looks at what all weigh


@dataclass(slots=True)
class Kept(Generic[Held]):
    """What was begun, since when, and a digest of what was asked."""

    since: float
    asked: bytes
    held: Held


class Retries(Generic[Held]):
    """What was begun for a request, by its name, for as long as it may be asked again.

    weigh  how much memory one takes, in events; 0: it is under way, and not to be forgotten
    """

    def __init__(self, weigh: Callable[[Held], int]) -> None:
        self._weigh = weigh
        self._kept: OrderedDict[str, Kept[Held]] = OrderedDict()
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._swept = 0.0

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

    def find(self, name: str, asked: bytes) -> Held | None:
        """What was begun under this name. Raises ApiError 400 where something else was asked then."""
        self.sweep()
        kept = self._kept.get(name)
        if kept is None:
            return None
        if kept.asked != digest(asked):
            raise invalid(
                "This Idempotency-Key was sent with another body before; give each request its own."
            )
        return kept.held

    def keep(self, name: str, held: Held, asked: bytes) -> None:
        """Remember it."""
        self._kept[name] = Kept(time.monotonic(), digest(asked), held)
        self._kept.move_to_end(name)
        self.sweep()

    def sweep(self) -> None:
        """Now and then forget what is old, and the oldest of what is too much."""
        now = time.monotonic()
        if now - self._swept < PACE and len(self._kept) <= 2 * MOST:
            return
        self._swept, left, count = now, HEAVIEST, 0
        for name, kept in reversed([*self._kept.items()]):
            weight, age = self._weigh(kept.held), now - kept.since
            left, count = left - weight, count + 1
            if weight and age > LEAST and (age > KEPT or left < 0 or count > MOST):
                del self._kept[name]


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
