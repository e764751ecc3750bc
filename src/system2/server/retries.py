"""Requests that are asked again: a retry joins the job that is running, and pays for nothing twice."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Generic, TypeVar

Held = TypeVar("Held")
KEPT = 600.0  # seconds; SDKs retry within a minute
MOST = 4_096


class Retries(Generic[Held]):
    """What was begun for a request, by its name, for as long as it may be asked again."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, tuple[float, Held]] = OrderedDict()

    def find(self, name: str | None) -> Held | None:
        """What was begun under this name."""
        self.sweep()
        found = self._held.get(name or "")
        return found[1] if found else None

    def keep(self, name: str | None, held: Held) -> None:
        """Remember it."""
        if name is not None:
            self._held[name] = time.monotonic(), held
            self._held.move_to_end(name)

    def sweep(self) -> None:
        """Forget the oldest."""
        now = time.monotonic()
        while self._held:
            name, (kept, _) = next(iter(self._held.items()))
            if now - kept < KEPT and len(self._held) <= MOST:
                return
            del self._held[name]


def named(headers: Mapping[str, str], key: str, path: str, body: bytes) -> str:
    """The name under which a request is kept: its Idempotency-Key, else a digest of key and body."""
    given = headers.get("idempotency-key", "")
    told = f"idempotency {given[:255]}".encode() if given else b"body " + body
    return hashlib.sha256(b"\0".join((key.encode(), path.encode(), told))).hexdigest()


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
