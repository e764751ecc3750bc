"""Drives one search. With calls.py the only code that awaits, spends and streams; alone it grows the tree."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque

from system2.core import Ask as AnyAsk
from system2.core import (
    Asked,
    Born,
    Done,
    Event,
    Expand,
    Failed,
    Finished,
    Handed,
    Merged,
    Meter,
    Node,
    Policy,
    Problem,
    Promise,
    Scored,
    Started,
    Step,
    Strategy,
    Tree,
    Usage,
    Verifier,
    Watcher,
    Weigh,
)
from system2.engine.calls import Caller, describe
from system2.engine.work import Part, Work

STREAK = 8  # failures in a row that end a run
BREATH = 32  # replies handed, or calls begun, before the event loop may do something else


class Engine:
    """One search, from the first question to the last event.

    With a `seed`, replies are handed to the plan one at a time in the order of the asks, and the
    same seed gives the same tree; without, as they arrive. Watchers are told every event; one that
    raises is dropped and ends the run.
    """

    def __init__(
        self,
        problem: Problem,
        strategy: Strategy,
        policy: Policy,
        meter: Meter,
        *,
        verifier: Verifier | None = None,
        seed: int | None = None,
        reply: bool = False,
        verify_seconds: float = 30.0,
        run: str = "",
        settings: dict[str, str] | None = None,
    ) -> None:
        self.problem, self.strategy, self.policy, self.meter = problem, strategy, policy, meter
        self.verifier, self.verify_seconds, self.reply = verifier, verify_seconds, reply
        self.ordered = seed is not None
        self.seed = random.SystemRandom().getrandbits(63) if seed is None else seed
        self.name, self.settings = run, settings or {}
        self.caller = Caller(problem, policy, meter, self.seed, self.tell)
        self.tree = Tree()
        self.watchers: list[Watcher] = []
        self.asked = 0  # asks so far
        self.waiting: deque[Work] = deque()  # asks with continuations not yet begun
        self.calls: set[asyncio.Task[None]] = set()
        self.inbox: asyncio.Queue[Work | None] = asyncio.Queue()
        self.ready: dict[int, Work] = {}  # asks all of whose parts are in
        self.turn = 1  # the next ask to be handed over, where order matters
        self.flying = 0  # continuations to the answer, begun and not yet handed over
        self.quota: int | None = None  # how many more of them this wave may begin
        self.streak = 0
        self.ending = ""  # why someone asked the run to stop
        self.faults: list[Exception] = []  # of watchers

    # ---------------------------------------------------------------- the run

    async def run(self) -> Finished:
        """Search until the plan, the stop rule, the budget or somebody ends it; always an answer."""
        began = time.monotonic()
        cancelled = False
        self.tell(Started(self.name, self.problem, self.seed, self.ordered, self.settings))
        try:
            async with asyncio.timeout(self.meter.seconds_left()):
                why = await self.drive()
        except TimeoutError:
            why = "time"
        except asyncio.CancelledError:
            why, cancelled = "cancelled", True
        finally:
            await self.drain()
        node = self.strategy.choose(self.tree)
        told = node.step.told if node and node.step else 0
        answer = node.answer if node else None
        if self.reply and node and not cancelled and (text := await self.replied(node)):
            answer, told = text, 0
        roles = self.meter.spent
        end = Finished(
            node=node.id if node else None,
            answer=answer,
            why=self.ending or why,
            samples=len(self.tree.finals),
            usage=roles.get("policy", Usage()).told(told),
            roles=dict(roles),
            cost=self.meter.cost,
            seconds=time.monotonic() - began,
        )
        self.tell(end)
        if cancelled:
            raise asyncio.CancelledError
        return end

    def stop(self, why: str) -> None:
        """End the run soon, with the best answer so far."""
        self.ending = self.ending or why
        self.inbox.put_nowait(None)

    async def drive(self) -> str:
        """Let the plan speak, begin what it asks, hand back what is done; say why it ended."""
        plan = self.strategy.plan(self.tree)
        try:
            self.note(next(plan))
            while not self.ending:
                if await self.begin():
                    return "enough"
                if not self.calls and not self.ready and self.inbox.empty():
                    if not self.waiting:
                        return "stuck"
                    if self.meter.idle:
                        return "budget"
                    await self.meter.freed()  # other searches hold promises
                    continue
                done = await self.collect()
                if self.streak >= STREAK:
                    return "failed"
                if done and self.enough():
                    return "enough"
                self.note(plan.send(done))
        except StopIteration:
            return "complete"
        return self.ending

    async def drain(self) -> None:
        """Break off what runs, plant all that was paid for."""
        for task in self.calls:
            task.cancel()
        if self.calls:
            await asyncio.gather(*self.calls, return_exceptions=True)
        while not self.inbox.empty():
            if work := self.inbox.get_nowait():
                self.ready.setdefault(work.number, work)
        for work in self.waiting:
            if work.parts:
                self.ready.setdefault(work.number, work)
        self.hand(sorted(self.ready))

    # ---------------------------------------------------------------- asks and calls

    def note(self, asks: list[AnyAsk]) -> None:
        """Number new asks and put them in line."""
        for ask in asks:
            self.asked += 1
            self.waiting.append(Work(self.asked, ask))
            if isinstance(ask, Expand):
                also = tuple(node.id for node in ask.also)
                style = ask.style if ask.style != Expand(ask.node).style else None
                self.tell(Asked(self.asked, ask.node.id, ask.n, ask.until, also, style))
            else:
                ids = tuple(node.id for node in ask.nodes)
                self.tell(Asked(self.asked, 0, len(ids), None, nodes=ids))

    async def begin(self) -> bool:
        """Set going what there is room for, in order. True: the stop rule wants no more."""
        begun, held = 0, deque[Work]()
        while self.waiting:
            work = self.waiting[0]
            answers = isinstance(work.ask, Expand) and work.ask.until == "answer"
            if answers and not self.flying:  # a new wave
                self.quota = self.strategy.need(self.tree)
                if self.quota == 0:
                    return True
            if answers and self.quota == 0:  # this one is full; steps are never held back
                held.append(self.waiting.popleft())
                continue
            if not self.start(work):
                break
            if not work.waiting:
                self.waiting.popleft()
            if (begun := begun + 1) % BREATH == 0:
                await asyncio.sleep(0)
        self.waiting.extendleft(reversed(held))
        return False

    def start(self, work: Work) -> bool:
        """Promise, then set one call of this ask going; False when there is no room just now."""
        ask = work.ask
        if isinstance(ask, Weigh):
            work.waiting.clear()
            self.spawn(work, Part((), []))
            return True
        rows = len(work.waiting)
        if ask.until == "answer" and self.quota is not None:
            rows = min(rows, self.quota)
        if "n" not in self.policy.can:
            rows = 1
        budget = self.meter.budget
        bound = self.bound(work, ask)
        promise = self.meter.promise(rows, bound, budget.per_call, budget.reserve)
        if not promise:
            return False
        part = Part(tuple(work.waiting[: promise.rows]), [promise])
        del work.waiting[: promise.rows]
        if ask.until == "answer":
            self.flying += promise.rows
            if self.quota is not None:
                self.quota -= promise.rows
        self.spawn(work, part)
        return True

    def bound(self, work: Work, ask: Expand) -> int:
        """Upper bound on the prompt tokens of a call for this ask."""
        return self.policy.prompt_bound(self.caller.request(work, ask, (0,), 1))

    def spawn(self, work: Work, part: Part) -> None:
        """A task of its own for one part."""
        work.parts.append(part)
        work.running += 1
        task = asyncio.create_task(self.call(work, part))
        self.calls.add(task)
        task.add_done_callback(self.calls.discard)

    async def call(self, work: Work, part: Part) -> None:
        """Write, then verify; whatever happens, the part comes in exactly once."""
        try:
            ask = work.ask
            if isinstance(ask, Weigh):
                part.scores = dict(enumerate(await self.scores(work, self.chains_of(ask))))
                return
            await self.caller.write(work, ask, part)
            if ask.verify and self.verifier:
                whole = {c: s for c, s in part.chains.items() if not s[-1].cut}
                before = ask.node.chain()
                scores = await self.scores(work, [[*before, *steps] for steps in whole.values()])
                part.scores = dict(zip(whole, scores, strict=True))
        except asyncio.CancelledError:
            part.failed = part.failed or not (part.chains or isinstance(work.ask, Weigh))
        finally:
            work.running -= 1
            if work.whole:
                self.inbox.put_nowait(work)

    # ---------------------------------------------------------------- replies

    async def collect(self) -> list[Done]:
        """Wait for what comes in next and hand it over."""
        while not self.due():
            if (work := await self.inbox.get()) is None:
                return []
            self.ready[work.number] = work
            while not self.inbox.empty():
                if more := self.inbox.get_nowait():
                    self.ready[more.number] = more
        done = self.hand(self.due())
        await asyncio.sleep(0)
        return done

    def due(self) -> list[int]:
        """Numbers of the asks that may be handed over now."""
        if self.ordered:
            return [self.turn] if self.turn in self.ready else []
        return list(self.ready)[:BREATH]

    def hand(self, numbers: list[int]) -> list[Done]:
        """Plant these asks' chains and tell so: on disk before the plan hears of it."""
        works = [self.ready.pop(number) for number in numbers]
        done = [self.plant(work) for work in works]
        if works:
            self.turn = works[-1].number + 1
            failed = tuple(w.number for w in works if w.failed)
            self.tell(Handed(tuple(numbers), failed))
        return done

    def plant(self, work: Work) -> Done:
        """Settle what the ask held and let its chains grow into the tree: the only place it does."""
        ask, leaves = work.ask, list[Node]()
        for part in work.parts:
            for n, promise in enumerate(part.promises):
                self.meter.settle(promise, Usage() if n else part.usage, "policy")
            if isinstance(ask, Expand) and ask.until == "answer" and part.promises:
                self.flying -= part.promises[0].rows
        self.streak = self.streak + 1 if work.failed else 0
        if isinstance(ask, Weigh):
            return self.weighed(work, ask)
        fresh = False
        for part in work.parts:
            for child, steps in sorted(part.chains.items()):
                path = self.tree.plant(ask.node, steps, part.scores.get(child), self.strategy.key)
                for planted in path:
                    node = planted.node
                    score = part.scores.get(child) if planted is path[-1] else None
                    if planted.new and node.parent and node.step:
                        self.tell(
                            Born(work.number, child, node.id, node.parent.id, node.step, score)
                        )
                    else:
                        self.tell(Merged(work.number, child, node.id, score))
                fresh = fresh or path[0].new
                leaves.append(path[-1].node)
        if not work.failed and not fresh and len(leaves) in (0, ask.n):
            ask.node.closed = True  # a dead end: nothing comes, or nothing new
        return Done(ask, leaves)

    def weighed(self, work: Work, ask: Weigh) -> Done:
        """Scores for nodes that stand already."""
        scores = work.parts[0].scores if work.parts else {}
        for n, node in enumerate(ask.nodes):
            if scores.get(n) is not None:
                node.score = scores[n]
        self.tell(Scored(work.number, tuple((node.id, node.score) for node in ask.nodes)))
        return Done(ask, list(ask.nodes))

    def enough(self) -> bool:
        """Does the stop rule hold? Asked when a wave of answers is in, else at every hand-over."""
        return not self.flying and self.strategy.need(self.tree) == 0

    # ---------------------------------------------------------------- verifiers

    def chains_of(self, ask: Weigh) -> list[list[Step]]:
        """The chains a Weigh names."""
        return [node.chain() for node in ask.nodes]

    async def scores(self, work: Work, chains: list[list[Step]]) -> list[float | None]:
        """The verifier's scores; None each where it fails or is late (the chains stay paid for)."""
        if not chains or not self.verifier:
            return [None] * len(chains)
        try:
            async with asyncio.timeout(self.verify_seconds):
                scores = await self.verifier.score(self.problem, chains, self.caller.lend)
            if len(scores) != len(chains):
                raise ValueError(f"{len(scores)} scores came for {len(chains)} chains")
            return [*scores]
        except Exception as error:  # noqa: BLE001  a verifier's fault must not end the search
            self.tell(Failed(work.number, "verifier", describe(error)))
            return [None] * len(chains)

    # ---------------------------------------------------------------- the last ask

    async def replied(self, node: Node) -> str | None:
        """Write the reply that is shown, from the reserve; None if that fails."""
        ask = Expand(node, until="reply")
        self.note([ask])
        work = self.waiting.pop()
        bound = self.bound(work, ask)
        each = self.meter.budget.reserve or self.meter.budget.per_call
        promise: Promise | None = self.meter.promise(1, bound, each)
        if not promise:
            return None
        part = Part((0,), [promise])
        work.waiting.clear()
        work.parts.append(part)
        try:
            async with asyncio.timeout(self.meter.seconds_left()):
                await self.caller.write(work, ask, part)
        except TimeoutError:
            self.tell(Failed(work.number, "policy", "the reply came too late"))
        finally:
            self.meter.settle(promise, part.usage, "policy")
        steps = part.chains.get(0)
        whole = steps and not steps[-1].cut
        return "".join(step.text for step in steps) if steps and whole else None

    def tell(self, event: Event) -> None:
        """Tell the watchers; one that fails is dropped, and ends the run."""
        for watcher in [*self.watchers]:
            try:
                watcher(event)
            except Exception as error:  # noqa: BLE001  a full disk must not lose the answer
                self.watchers.remove(watcher)
                self.faults.append(error)
                self.stop("trace" if isinstance(error, OSError) else "watcher")
