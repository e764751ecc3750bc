"""One run as the server knows it: a job of this process, or a trace on disk. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from system2.core import FREE, Event, Finished, Price, Resumed, Started
from system2.effort import DEFAULT, EFFORTS
from system2.options import is_url, priced
from system2.records import ends, find, summaries
from system2.server.errors import ApiError, invalid
from system2.server.jobs import Job, Jobs
from system2.server.wire.nodes import OWNER, Frame, Growth
from system2.store import read

MODEL = "served"  # the setting of a trace that names the model as the server offers it
FAULTS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What a trace brings about whose events do not go together."""


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
        settings = self.started.settings
        return self.job.model if self.job else settings.get(MODEL, settings.get("model_name"))

    def caps(self) -> dict[str, Any]:
        """What it may spend: tokens, dollars (a decimal's text), seconds; None: no limit."""
        if self.job is None:
            return capped(self.started.settings)
        budget = self.job.engine.meter.budget
        dollars = None if budget.dollars is None else f"{budget.dollars:f}"
        return {"tokens": budget.tokens, "dollars": dollars, "seconds": budget.seconds}

    def begin(self, *, raw: bool) -> Growth:
        """Nothing heard yet, and what its budget and price are."""
        try:
            price = self.job.engine.meter.price if self.job else priced_at(self.started.settings)
            return Growth(raw, self.caps(), price, self.model)
        except FAULTS as error:
            raise unreadable(self.run) from error

    def before(self) -> Iterator[Event]:
        """Of a run that goes on: what its trace holds from earlier on."""
        if self.job is None or self.path is None:
            return
        waiting: list[Event] = []
        for event in read(self.path):
            if isinstance(event, Resumed):
                yield from waiting
                waiting.clear()
            waiting.append(event)

    async def frames(self, growth: Growth) -> list[Frame]:
        """All that there is to tell by now; `growth` has heard it then."""
        return await asyncio.to_thread(self.tell, growth)

    def tell(self, growth: Growth) -> list[Frame]:
        """The same, at once."""
        events = list(self.job.events) if self.job else read(self.path or Path())
        try:
            return [frame for event in chain(self.before(), events) for frame in growth.hear(event)]
        except FAULTS as error:
            if self.path is None:  # no trace was read: it is our own fault
                raise
            raise unreadable(self.run) from error

    async def growth(self, *, raw: bool) -> Growth:
        """What has grown by now."""
        if self.path is not None and self.job is None:
            stat = await asyncio.to_thread(self.path.stat)
            return await asyncio.to_thread(regrown, self, raw, stat.st_mtime_ns, stat.st_size)
        growth = self.begin(raw=raw)
        await self.frames(growth)
        return growth


def unreadable(run: str) -> ApiError:
    """Its trace was damaged, or written by hand."""
    return ApiError(409, f"The trace of run '{run[:80]}' cannot be understood.", None, "run")


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
    if job is not None and not (job.key.id == reader.id or reader.may("admin")):
        raise missing
    if job is not None and (begun := beginning(job)):
        return History(run, begun, job.finished, job)
    try:
        path = find(run, place)
        first, last = ends(path)
    except (OSError, ValueError) as error:
        raise missing from error
    if path.stem != run or not isinstance(first, Started) or not (job or sees(reader, first)):
        raise missing
    finished = job.finished if job else last if isinstance(last, Finished) else None
    return History(run, first, finished, job, path)


def beginning(job: Job) -> Started | None:
    """How a job began, or will when it is its turn; None: it goes on with an earlier run."""
    engine = job.engine
    if not job.events and engine.recall is None:
        return Started(engine.name, engine.problem, engine.seed, engine.ordered, engine.settings)
    first = job.events[0] if job.events else None
    return first if isinstance(first, Started) else None


def histories(
    reader: Reader, jobs: Jobs, after: str | None, place: Path | None = None
) -> Iterator[History]:
    """The runs this reader may see, newest first, those after (older than) `after`."""
    live = {job.run: job for job in jobs.known.values()}
    for one in summaries(place):
        if after is not None and one.run >= after:
            continue
        job = live.get(one.run)
        if job and (job.key.id == reader.id or reader.may("admin")):
            yield History(one.run, one.started, job.finished, job)
        elif not job and sees(reader, one.started):
            yield History(one.run, one.started, one.finished)


def sees(reader: Reader, started: Started) -> bool:
    """May this reader see this run? Its own, or with the scope admin all."""
    return reader.may("admin") or started.settings.get(OWNER) == reader.id


def capped(settings: dict[str, str]) -> dict[str, Any]:
    """The budget that a trace's settings name, else that of its effort."""
    row = EFFORTS.get(settings.get("effort", DEFAULT))
    tokens, seconds = settings.get("tokens"), settings.get("seconds")
    return {
        "tokens": int(tokens) if tokens else row.tokens if row else None,
        "dollars": settings.get("dollars"),
        "seconds": float(seconds) if seconds else None,
    }


def priced_at(settings: dict[str, str]) -> Price | None:
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
