"""Running searches and those who follow them. Knows nothing about HTTP or either API."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from system2.core import Event, Finished, Piece
from system2.engine import Engine
from system2.options import Options
from system2.server.data.keys import Key
from system2.server.errors import ApiError
from system2.store import Trace

KEPT = 600.0  # seconds a job that has ended is remembered, for those who ask again
MOST_KEPT = 128
SLOW = 4_096  # events a reader may be behind: from then on it gets no pieces of thoughts
LOST = 65_536  # one that is so far behind is cut off


@dataclass(slots=True, eq=False)
class Follower:
    """Somebody who reads a job's events as they come.

    thoughts  pieces of thoughts too
    waits     for the answer: who only looks on keeps no search going
    """

    thoughts: bool
    waits: bool
    pieces: asyncio.Queue[tuple[int, Event] | None] = field(
        default_factory=asyncio.Queue[tuple[int, Event] | None]
    )
    lost: bool = False

    def tell(self, item: tuple[int, Event], *, spare: bool = False) -> None:
        """One more for it to read. spare: it can do without."""
        behind = self.pieces.qsize()
        if self.lost or (spare and behind >= SLOW):
            return
        if behind >= LOST:
            self.lost = True
            while not self.pieces.empty():
                self.pieces.get_nowait()
            self.pieces.put_nowait(None)
            return
        self.pieces.put_nowait(item)


@dataclass(slots=True, eq=False)
class Job:
    """One search under way, or over, and its events but for pieces of text.

    background  it goes on though nobody follows it
    holds       requests that want it, whether or not they follow it yet
    left        everybody left before its end, and it was stopped for that
    options     what `solve` was told
    """

    engine: Engine
    key: Key
    model: str
    options: Options = field(default_factory=Options)
    background: bool = False
    holds: int = 0
    events: list[Event] = field(default_factory=list[Event])
    finished: Finished | None = None
    begun: float = field(default_factory=time.time)
    left: bool = False
    followers: list[Follower] = field(default_factory=list[Follower])
    answers: set[int] = field(default_factory=set[int])  # asks whose text is the visible reply
    said: list[tuple[int, Event]] = field(default_factory=list[tuple[int, Event]])  # pieces of it
    task: asyncio.Task[Finished] | None = None
    slots: asyncio.Semaphore | None = None
    queued: float = 0.0  # seconds it waited for its turn
    _after: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])

    @property
    def run(self) -> str:
        """The name of its trace."""
        return self.engine.name

    def start(self) -> Job:
        """Begin to search."""
        assert self.task is None
        self.engine.watchers.append(self.hear)
        self.task = asyncio.create_task(self.turn(), name=f"run {self.run}")
        self.task.add_done_callback(self.over)
        return self

    async def turn(self) -> Finished:
        """Search once it is this job's turn. Its deadline counts from its beginning, waiting included."""
        if self.slots is None:
            return await self.engine.run()
        began = time.monotonic()
        async with self.slots:
            self.queued = time.monotonic() - began
            return await self.engine.run()

    def after(self, then: Callable[[], None]) -> None:
        """Call this when it is over."""
        self._after.append(then)

    def hear(self, event: Event) -> None:
        """An event of the engine."""
        if isinstance(event, Piece):
            numbered = len(self.events), event
            shown = event.ask in self.answers
            if shown:
                self.said.append(numbered)
            for follower in self.followers:
                if shown or follower.thoughts:
                    follower.tell(numbered, spare=not shown)
            return
        self.events.append(event)
        if getattr(event, "until", None) == "reply":
            self.answers.add(event.ask)  # type: ignore[union-attr]
        if isinstance(event, Finished):
            self.finished = event
        for follower in self.followers:
            follower.tell((len(self.events), event))

    def over(self, task: asyncio.Task[Finished]) -> None:
        """The engine has ended; one that broke has told no end."""
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain of it
        if not self.events:  # it never began: there is nothing to go on from
            for watcher in self.engine.watchers:
                if isinstance(watcher, Trace):
                    watcher.close()
                    watcher.path.unlink(missing_ok=True)
        for then in self._after:
            then()
        for follower in self.followers:
            follower.pieces.put_nowait(None)

    async def follow(
        self, after: int = 0, *, thoughts: bool = False, waits: bool = True
    ) -> AsyncGenerator[tuple[int, Event]]:
        """All events from number `after` + 1, then live ones, to the end. Pieces are live only.

        Whoever stops reading must close the generator: a job that nobody follows any more, and that is
        not in the background, is stopped at once. Raises what broke the engine.
        """
        follower = Follower(thoughts, waits)
        known = len(self.events)
        self.followers.append(follower)
        try:
            said = [*self.said]
            for number in range(after, known):
                yield number + 1, self.events[number]
                for piece in said:
                    if piece[0] == number + 1:
                        yield piece
            while self.finished is None or not follower.pieces.empty():
                if self.task is not None and self.task.done() and follower.pieces.empty():
                    break
                item = await follower.pieces.get()
                if item is None:
                    break
                if item[0] > after or isinstance(item[1], Piece):
                    yield item
        finally:
            self.followers.remove(follower)
            if waits:
                self.leave()
        if follower.lost:
            raise ApiError(
                503, "The stream was read too slowly, and ends here.", "server_error",
                type="server_error",
            )  # fmt: skip
        if self.task and self.task.done() and not self.task.cancelled() and self.finished is None:
            self.task.result()

    def release(self) -> None:
        """A request that held it has its answer, or wants none any more."""
        self.holds -= 1
        self.leave()

    def leave(self) -> None:
        """Somebody has left: was it the last?"""
        waiting = any(one.waits for one in self.followers)
        if not waiting and not self.holds and not self.background:
            self.give_up()

    def give_up(self) -> None:
        """Nobody wants it: end it now, unless it is over. It may be taken up again."""
        if self.task and not self.task.done() and self.finished is None:
            self.left = True
            self.task.cancel()

    def stop(self, why: str) -> None:
        """End it soon, with the best answer so far."""
        self.engine.stop(why)

    def cancel(self) -> None:
        """End it now, without another call."""
        if self.task:
            self.task.cancel()

    async def end(self) -> Finished:
        """Follow it to its end. Raises what broke the engine, ApiError 503 if it was cancelled unbegun."""
        async with aclosing(self.follow()) as events:
            async for _, event in events:
                if isinstance(event, Finished):
                    return event
        raise cut_off()


def cut_off() -> ApiError:
    """A search that was ended before it had begun."""
    return ApiError(
        503, "The search was ended before it had begun; try again.", "overloaded",
        type="server_error", headers={"Retry-After": "1"},
    )  # fmt: skip


class Jobs:
    """All jobs of this process: those running, and those over a short while ago.

    most  engines at once; waiting: requests that may wait for one
    """

    def __init__(self, most: int = 256, waiting: int = 4_096) -> None:
        self.slots, self.waiting = asyncio.Semaphore(most), most + waiting
        self.known: OrderedDict[str, Job] = OrderedDict()
        self._over: OrderedDict[str, Job] = OrderedDict()  # of these, by when they ended
        self._live: dict[str, Job] = {}
        self.closing, self.until = False, 0.0

    @property
    def running(self) -> list[Job]:
        """Those that have not ended."""
        return [*self._live.values()]

    def find(self, run: str) -> Job | None:
        """The job of a run, running or lately over."""
        return self.known.get(run)

    def add(self, job: Job) -> Job:
        """Remember a job and start it."""
        self.sweep()
        self.known[job.run] = job
        self.known.move_to_end(job.run)
        self._live[job.run] = job
        self._over.pop(job.run, None)
        job.slots = self.slots
        job.after(lambda: self.done(job))
        return job.start()

    def done(self, job: Job) -> None:
        """It is over; another may go on under its name already."""
        if self._live.get(job.run) is job:
            del self._live[job.run]
            self._over[job.run] = job

    def room(self) -> None:
        """Raises ApiError 503 where too many wait already."""
        if len(self._live) >= self.waiting:
            raise ApiError(
                503,
                "The server has more to think about than it can hold; try again later.",
                "overloaded",
                type="server_error",
                headers={"Retry-After": "5"},
            )

    def sweep(self) -> None:
        """Forget what has been over for long."""
        while self._over:
            run, job = next(iter(self._over.items()))
            ended = job.begun + (job.finished.seconds if job.finished else 0)
            if time.time() - ended <= KEPT and len(self._over) <= MOST_KEPT:
                return
            del self._over[run], self.known[run]

    def end(self, seconds: float) -> None:
        """Begin no more; what runs has so many seconds to finish. A second time changes nothing."""
        if not self.closing:
            self.closing = True
            self.until = asyncio.get_running_loop().time() + seconds

    async def over(self) -> None:
        """Wait until nothing runs, or the time to finish is over."""
        left = self.until - asyncio.get_running_loop().time()
        if tasks := [job.task for job in self.running if job.task]:
            await asyncio.wait(tasks, timeout=max(0.0, left))

    def hurry(self) -> None:
        """Every search answers with what it has."""
        for job in self.running:
            job.stop("shutdown")

    async def cut(self) -> None:
        """End what still runs, without another call; every trace is whole."""
        tasks = [job.task for job in self.running if job.task]
        for job in self.running:
            job.stop("shutdown")
            job.cancel()
        if tasks:
            await asyncio.wait(tasks)
