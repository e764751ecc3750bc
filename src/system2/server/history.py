"""One run as the server knows it: a job of this process, or a trace on disk. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from system2.core import FREE, Finished, Price, Started
from system2.effort import DEFAULT, EFFORTS
from system2.records import ends, find, summaries
from system2.server.errors import ApiError, invalid
from system2.server.jobs import Job, Jobs
from system2.server.wire.nodes import Frame, Growth
from system2.solve import is_url, priced
from system2.store import read

OWNER = "key"  # the setting of a trace that names the key it was asked with


class Reader(Protocol):
    """Who asks to see a run."""

    @property
    def id(self) -> str: ...

    def may(self, scope: str) -> bool:
        """Has it this right?"""
        ...


@dataclass(frozen=True, slots=True)
class History:
    """A run that may be seen. `job`: where this process ran it; else `path` has its trace."""

    run: str
    started: Started
    finished: Finished | None
    job: Job | None = None
    path: Path | None = None

    @property
    def live(self) -> bool:
        """Is it still going on here?"""
        return self.job is not None and self.job.finished is None

    @property
    def model(self) -> str | None:
        """The model that was asked, as the server names it."""
        return self.job.model if self.job else self.started.settings.get("model_name")

    def begin(self, *, raw: bool) -> Growth:
        """Nothing heard yet, and what its budget and price are."""
        if self.job is None:
            settings = self.started.settings
            return Growth(raw, caps(settings), price(settings), self.model)
        meter = self.job.engine.meter
        budget = meter.budget
        dollars = None if budget.dollars is None else f"{budget.dollars:f}"
        told = {"tokens": budget.tokens, "dollars": dollars, "seconds": budget.seconds}
        return Growth(raw, told, meter.price, self.model)

    async def frames(self, growth: Growth) -> list[Frame]:
        """All that there is to tell by now; `growth` has heard it then."""
        return await asyncio.to_thread(self.tell, growth)

    def tell(self, growth: Growth) -> list[Frame]:
        """The same, at once."""
        events = list(self.job.events) if self.job else read(self.path or Path())
        return [frame for event in events for frame in growth.hear(event)]

    async def growth(self, *, raw: bool) -> Growth:
        """What has grown by now."""
        if self.path is not None and self.job is None:
            stat = await asyncio.to_thread(self.path.stat)
            return await asyncio.to_thread(regrown, self, raw, stat.st_mtime_ns, stat.st_size)
        growth = self.begin(raw=raw)
        await self.frames(growth)
        return growth


@lru_cache(maxsize=8)
def shelf(path: Path, changed: int, size: int, raw: bool) -> list[Growth]:
    """A place for what has been read of a trace; a trace that was written to has another."""
    return []


def regrown(one: History, raw: bool, changed: int, size: int) -> Growth:
    """What a trace holds; those read last are kept."""
    assert one.path is not None
    kept = shelf(one.path, changed, size, raw)
    if not kept:
        growth = one.begin(raw=raw)
        one.tell(growth)
        kept.append(growth)
    return kept[0]


def history(run: str, reader: Reader, jobs: Jobs, place: Path | None = None) -> History:
    """A run by its full name. Raises ApiError 404 where there is none that this reader may see."""
    missing = ApiError(404, f"Run with id '{run[:80]}' not found.", None, "run")
    job = jobs.find(run)
    if job is not None and job.events and isinstance(job.events[0], Started):
        found = History(run, job.events[0], job.finished, job)
        if job.key.id == reader.id or reader.may("admin"):
            return found
        raise missing
    try:
        path = find(run, place)
        first, last = ends(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise missing from error
    if path.stem != run or not isinstance(first, Started) or not sees(reader, first):
        raise missing
    return History(run, first, last if isinstance(last, Finished) else None, None, path)


def histories(
    reader: Reader, jobs: Jobs, after: str | None, place: Path | None = None
) -> Iterator[History]:
    """The runs this reader may see, newest first, those after (older than) `after`."""
    known = [job for job in jobs.known.values() if job.events]
    own = {
        job.run: History(job.run, job.events[0], job.finished, job)
        for job in known
        if isinstance(job.events[0], Started) and (job.key.id == reader.id or reader.may("admin"))
    }
    held = {job.run for job in known}
    waiting = sorted(own, reverse=True)
    for one in summaries(place):
        while waiting and waiting[0] >= one.run:
            run = waiting.pop(0)
            if after is None or run < after:
                yield own[run]
        if one.run in held or (after is not None and one.run >= after):
            continue
        if sees(reader, one.started):
            yield History(one.run, one.started, one.finished)
    yield from (own[run] for run in waiting if after is None or run < after)


def sees(reader: Reader, started: Started) -> bool:
    """May this reader see this run? Its own, or with the scope admin all."""
    return reader.may("admin") or started.settings.get(OWNER) == reader.id


def caps(settings: dict[str, str]) -> dict[str, Any]:
    """The budget that a trace's settings name, else that of its effort."""
    row = EFFORTS.get(settings.get("effort", DEFAULT))
    tokens, seconds = settings.get("tokens"), settings.get("seconds")
    return {
        "tokens": int(tokens) if tokens else row.tokens if row else None,
        "dollars": settings.get("dollars"),
        "seconds": float(seconds) if seconds else None,
    }


def price(settings: dict[str, str]) -> Price | None:
    """The price that a trace's settings name: an embedded model's is nothing."""
    if "price" in settings:
        return priced(settings["price"], "price")
    return None if is_url(settings.get("model", "")) or "objects" in settings else FREE


def at(name: str, size: int, param: str, *, first: int = 0) -> int:
    """The place of a node by its name, as n12. Raises ApiError 400 for no name, 404 for no node."""
    if not (name.startswith("n") and name[1:].isascii() and name[1:].isdigit()):
        raise invalid(f"Invalid value: {name[:40]!r}. Expected a node's id, such as 'n12'.", param)
    place = int(name[1:]) if len(name) < 12 else size
    if not first <= place < size:
        raise ApiError(404, f"Node with id '{name[:40]}' not found.", None, param)
    return place
