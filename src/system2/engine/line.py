"""Asks from the moment they are asked until they are in: queues, waves, calls. Grows no tree."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from itertools import islice

from system2.core import PLAIN, Ask, Asked, Expand, Meter, Weigh
from system2.engine.calls import Caller
from system2.engine.guard import Guard
from system2.engine.scoring import Judge
from system2.engine.work import Part, Work

BREATH = 16  # replies handed, or calls begun, before the event loop may do something else
GRACE = 0.1  # seconds that calls have to end when the run is over


class Line:
    """The asks of one search that are not handed over yet."""

    def __init__(
        self,
        caller: Caller,
        judge: Judge,
        meter: Meter,
        need: Callable[[], int | None],
        *,
        ordered: bool,
    ) -> None:
        self.caller, self.judge, self.meter = caller, judge, meter
        self.need, self.ordered = need, ordered
        self.recall = caller.recall
        self.guard: Guard | None = None  # sidecars that look before steps are planted
        self.asked = 0  # asks so far
        self.steps: deque[Work] = deque()  # asks with continuations not yet begun
        self.answers: deque[Work] = deque()  # of these, the ones that go in waves
        self.begun: dict[int, Work] = {}  # asks with continuations begun, and not yet handed over
        self.ready: OrderedDict[int, Work] = OrderedDict()  # of these, what is in, as it came
        self.turn = 1  # the next ask to be handed over, where order matters
        self.running = 0  # parts under way
        self.calls: set[asyncio.Task[None]] = set()
        self.news = asyncio.Event()  # a part has come in, or the run is to stop
        self.flying = 0  # continuations to the answer, begun and not yet handed over
        self.quota: int | None = None  # how many more of them this wave may begin
        self.closed = False  # nothing more is to be begun
        self.breath = 0
        # Where order does not matter, what was handed over before is so again, in the same order.
        self.script = deque[tuple[int, ...]]() if ordered else self.recall.script

    @property
    def waits(self) -> bool:
        """Are there asks with continuations not yet begun?"""
        return bool(self.steps or self.answers)

    def note(self, asks: list[Ask]) -> None:
        """Number new asks and put them in line."""
        for ask in asks:
            self.asked += 1
            work = Work(self.asked, ask)
            self.recall.ask(work)
            if isinstance(ask, Expand):
                self.caller.tell(asked(work.number, ask))
            else:
                ids = tuple(node.id for node in ask.nodes)
                self.caller.tell(Asked(work.number, 0, len(ids), None, nodes=ids))
            if work.waiting > 0:
                (self.answers if work.answers else self.steps).append(work)
            else:  # nothing was asked for
                self.begun[work.number] = self.ready[work.number] = work

    def head(self) -> deque[Work] | None:
        """The queue whose first ask is next; a full wave holds back answers, never steps."""
        full = self.flying and self.quota == 0
        if not self.answers or full:
            return self.steps or None
        if not self.steps or self.answers[0].number < self.steps[0].number:
            return self.answers
        return self.steps

    async def come(self) -> str:
        """Set going what may go, wait until asks may be handed over; else why none ever will be."""
        if await self.begin():
            return "enough"
        while not (self.due() or self.closed):
            if self.running:
                self.news.clear()
                await self.news.wait()
            elif self.land(self.begun.values()) or await self.freed():
                if await self.begin():
                    return "enough"
            elif self.script:
                self.script.clear()  # this run asks otherwise than the one that it goes on from
            else:
                return "budget" if self.waits else "stuck"
        return ""

    async def begin(self) -> bool:
        """Set going what there is room for, in order. True: the stop rule wants no more."""
        while (queue := self.head()) and not self.closed:
            work = queue[0]
            if work.answers and not self.flying:  # a new wave
                self.quota = self.need()
                if self.quota == 0:
                    return True
            part = self.part(work)
            if part is None:
                self.pull()
                break
            self.start(work, part)
            if work.waiting <= 0:
                queue.popleft()
            await self.breathe(1)
        return False

    async def rest(self) -> None:
        """Wait until all that runs is in."""
        while self.running and not self.closed:
            self.news.clear()
            await self.news.wait()

    async def freed(self) -> bool:
        """Wait for room that other searches hold; False: nothing waits, or nobody holds any."""
        if not self.waits or self.meter.idle:
            return False
        await self.meter.freed()
        return True

    async def breathe(self, count: int) -> None:
        """After every few calls begun and replies handed over, let others on the loop have a turn."""
        self.breath += count
        if self.breath >= BREATH:
            self.breath = 0
            await asyncio.sleep(0)

    def stop(self) -> None:
        """Begin nothing more, wait for nothing more."""
        self.closed = True
        self.news.set()
        self.meter.wake()

    async def break_off(self) -> bool:
        """End what runs, and settle all. Was the run itself cancelled meanwhile?"""
        self.closed = True
        cancelled = False
        for task in self.calls:
            task.cancel()
        try:
            if self.calls:
                await asyncio.wait(self.calls, timeout=GRACE)
        except asyncio.CancelledError:
            cancelled = True
        for work in self.begun.values():
            for part in work.parts:
                self.caller.book(part, "aborted", unseen=True)  # a call that would not end
        if self.guard:
            parts = [part for work in self.begun.values() for part in work.parts]
            cancelled = await self.guard.close(parts) or cancelled
        self.land(self.begun.values())
        return cancelled

    def part(self, work: Work) -> Part | None:
        """One call of this ask, with a promise; None when there is no room just now."""
        ask, budget = work.ask, self.meter.budget
        if isinstance(ask, Weigh):
            return Part(work.number, self.meter, (0,))
        most = work.waiting
        if work.answers and self.quota is not None:
            most = min(most, self.quota)
        if part := self.kept(work, most):
            return part
        rows = most if "n" in self.caller.policy.can else 1
        rows = self.recall.gap(work, rows, Part(work.number, self.meter))
        children = range(work.begun, work.begun + rows)
        return self.caller.promised(work.number, ask, children, budget.per_call, budget.reserve)

    def kept(self, work: Work, most: int) -> Part | None:
        """Continuations of this ask that were paid for before, as a call that is over."""
        found = self.recall.part(work, most, Part(work.number, self.meter))
        if found is None:
            return None
        part, told = found
        for event in told:
            self.caller.tell(event)
        if isinstance(work.ask, Expand) and work.ask.verify and not part.judged:
            reserve, room = self.meter.budget.reserve, self.meter.room(0)
            spare = part.spare if room is None else min(part.spare, room - reserve)
            if spare > 0 and (promise := self.meter.promise(1, 0, spare, reserve)):
                part.promises.append(promise)
        return part

    def pull(self) -> None:
        """What was paid for comes in, though there is no room for the asks before it."""
        for queue in (self.steps, self.answers) if self.recall.kept else ():
            for work in [*queue]:
                while work.waiting > 0 and (part := self.kept(work, work.waiting)):
                    self.start(work, part)
                if work.waiting <= 0:
                    queue.remove(work)

    def start(self, work: Work, part: Part) -> None:
        """A task of its own for this part."""
        rows = len(part.children)
        work.begun += rows
        if work.answers:
            self.flying += rows
            if self.quota is not None:
                self.quota = max(0, self.quota - rows)  # `pull` may bring in more
        work.parts.append(part)
        self.begun[work.number] = work
        work.running += 1
        self.running += 1
        task = asyncio.create_task(self.call(work, part))
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)

    async def call(self, work: Work, part: Part) -> None:
        """Write, let sidecars look, then verify; whatever happens, the part comes in exactly once."""
        ask = work.ask
        try:
            if isinstance(ask, Weigh):
                scores = await self.judge.scores(part, [node.chain() for node in ask.nodes])
                part.scores = dict(enumerate(scores))
            else:
                if self.guard:
                    self.guard.begin(part, ask.place.chain())
                if part.call:
                    await self.caller.write(part)
                if self.guard:
                    await self.guard.hold(part)
                if ask.verify and not part.judged:
                    await self.judge.verify(part, ask.place.chain())
        except asyncio.CancelledError:
            pass  # the run is over: what came is planted
        finally:
            work.running -= 1
            self.running -= 1
            if work.whole:
                self.ready[work.number] = work
            self.news.set()

    def due(self) -> list[int]:
        """Numbers of the asks that may be handed over now."""
        if self.ordered:
            return [self.turn] if self.turn in self.ready else []
        if self.script:
            return [*self.script[0]] if all(n in self.ready for n in self.script[0]) else []
        return [*islice(self.ready, BREATH)]

    def take(self, numbers: list[int]) -> list[Work]:
        """These asks leave the line."""
        self.turn = numbers[-1] + 1
        if self.script and self.script[0] == tuple(numbers):
            self.script.popleft()
        for number in numbers:
            self.ready.pop(number, None)
        works = [self.begun.pop(number) for number in numbers]
        self.land(works)
        return works

    def land(self, works: Iterable[Work]) -> int:
        """Settle what these asks hold of the meter; returns how many continuations that were."""
        landed = 0
        for work in works:
            rows = sum(part.land() for part in work.parts)
            landed += rows
            if work.answers:
                self.flying -= rows
        return landed


def asked(number: int, ask: Expand) -> Asked:
    """The event of an ask to continue."""
    also = tuple(node.id for node in ask.also)
    style = None if ask.style == PLAIN else ask.style
    return Asked(number, ask.node.id, ask.n, ask.until, also, style)
