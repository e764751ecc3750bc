"""Calls to the policy: tries, streams, what each cost. Knows nothing about trees or plans."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from system2.core import (
    Bill,
    Billed,
    Called,
    CallFailed,
    Chain,
    Expand,
    Failed,
    Meter,
    Piece,
    Policy,
    Problem,
    Promise,
    Replied,
    Reply,
    Request,
    Step,
    Usage,
    Watcher,
)
from system2.engine.recall import Recall, digest
from system2.engine.work import Part, seed_of
from system2.engine.writing import Writing

TRIES = 3  # of one call
WAIT = 60.0  # seconds: a server that asks for more has failed
PIECES = 256  # taken in one turn of the event loop; more wait for the next


class Caller:
    """Calls one policy for one problem under one meter, and tells what happens."""

    def __init__(
        self,
        problem: Problem,
        policy: Policy,
        meter: Meter,
        seed: int,
        tell: Watcher,
        heard: Sequence[Watcher],
        recall: Recall | None = None,
    ) -> None:
        self.problem, self.policy, self.meter, self.seed = problem, policy, meter, seed
        self.tell, self.heard = tell, heard  # who hears; pieces are many, and made for them alone
        self.recall = Recall() if recall is None else recall
        self.calls = self.recall.calls  # numbered so far
        self.pieces = 0  # taken in this turn of the event loop
        self.stepped: Callable[[Part, int, list[Step]], None] | None = None  # hears of steps' ends
        self.screened: Callable[[Part, Piece], None] | None = None  # tells pieces that may be seen
        self.queue: deque[asyncio.Future[None]] = deque()  # calls that wait for a later turn
        self.short = (
            ""  # what left the last call without all the room that it wanted: "budget", "cost"
        )

    def promised(
        self, number: int, ask: Expand, children: range, each: int, reserve: int
    ) -> Part | None:
        """A call for some of these children, all that there is room for; None: no room just now."""
        request = Request(
            self.problem,
            ask.node.chain(),
            len(children),
            ask.until,
            each,
            tuple([seed_of(self.seed, number, child) for child in children]),
            tuple([node.chain() for node in ask.also]),
            ask.style,
        )
        bound = self.policy.prompt_bound(request)
        dear = self.meter.dear(bound)
        promise = self.meter.promise(request.n, bound, each, reserve)
        short = promise is None or promise.tokens < promise.rows * each
        self.short = ("cost" if dear else "budget") if short else ""
        if promise is None:
            return None
        return self.numbered(
            Part(
                number,
                self.meter,
                tuple(children[: promise.rows]),
                granted(request, promise),
                [promise],
                reserve,
                rows=promise.rows,
            )
        )

    def numbered(self, part: Part) -> Part:
        """The part with the next call's number."""
        self.calls += 1
        part.call = self.calls
        return part

    async def write(self, part: Part) -> None:
        """Stream from the policy, again if that may help, until something has come; then tell it."""
        children = part.children
        await self.meter.enter()
        try:
            await self.tries(part)
        finally:
            self.meter.leave()
        chains = tuple([(child, tuple(steps)) for child, steps in part.chains.items()])
        self.tell(Replied(part.ask, part.call, part.role, children, chains, part.failed, part.name))

    async def tries(self, part: Part) -> None:
        """Try until something has come, or trying again cannot help."""
        for attempt in range(1, TRIES + 1):
            before = part.usage
            error = await self.attempt(part, attempt)
            if error is None:
                return
            retry, after = True, None
            if isinstance(error, CallFailed):
                retry, after = error.retry, error.after
            told = describe(error)
            if after is not None and after > WAIT:
                retry, told = False, f"{told}; it asks to wait {after:,.0f} seconds"
            self.tell(Failed(part.ask, part.role, told))
            if part.chains or not retry or attempt == TRIES:
                return
            await asyncio.sleep(pause(attempt) if after is None else after)
            if not self.again(part, before):
                return

    def again(self, part: Part, before: Usage) -> bool:
        """Is a further try paid for? One that cost something has used up its promise."""
        if part.usage == replace(before, calls=part.usage.calls):
            return True
        last = part.promises[-1]
        each = last.tokens // last.rows
        more = part.meter.promise(last.rows, last.prompt, each, part.reserve)
        if more is None or part.request is None:
            return False
        part.promises.append(more)
        part.children = part.children[: more.rows]
        part.request = granted(part.request, more)
        return True

    async def attempt(self, part: Part, attempt: int) -> Exception | None:
        """One try: its pieces are told as they come, its cost is booked whatever happens."""
        request, promise = part.request, part.promises[-1]
        assert request
        writing = part.writing = Writing(promise.tokens, request.until == "reply")
        self.tell(
            Called(
                part.ask, part.call, attempt, part.role, part.children, request.seeds,
                promise.tokens, promise.prompt, part.by,
            )
        )  # fmt: skip
        broken, unseen = "failed", True
        try:
            async with aclosing(self.policy.stream(request)) as stream:
                async for item in stream:
                    if isinstance(item, Bill):
                        writing.bill = item
                        continue
                    if not 0 <= item.child < request.n:
                        raise IndexError(f"a piece for child {item.child} of {request.n}")
                    writing.take(item)
                    if item.end and self.stepped and part.role == "policy":
                        self.stepped(part, part.children[item.child], writing.chains[item.child])
                    if self.heard and part.role == "policy" and item.kind != "call":
                        child, reply = part.children[item.child], item.kind == "reply"
                        piece = Piece(part.ask, child, item.text, reply, item.spelt)
                        if self.screened:
                            self.screened(part, piece)
                        else:
                            self.tell(piece)
                    if writing.tokens > writing.grant or part.enough:  # a limit ignored; all vetoed
                        broken = "aborted"
                        break
                    if self.pieces >= PIECES:
                        await self.turn()
                    else:
                        self.pieces += 1
                        if self.pieces == 1:
                            asyncio.get_running_loop().call_soon(self.turned)
                else:
                    broken = ""
        except asyncio.CancelledError:
            broken = "aborted"
            raise
        except Exception as error:  # noqa: BLE001  one failed call must not end the search
            unseen = not isinstance(error, CallFailed) or error.unseen
            return error
        else:
            part.failed = False
            return None
        finally:
            self.book(part, broken, unseen=unseen and bool(broken))

    async def turn(self) -> None:
        """Wait in line for a turn of the event loop in which others do not take too much already."""
        ticket = asyncio.get_running_loop().create_future()
        self.queue.append(ticket)
        await ticket

    def turned(self) -> None:
        """A new turn of the event loop: for those who waited longest, no more than it may take."""
        self.pieces = 0
        while self.queue and self.pieces < PIECES:
            ticket = self.queue.popleft()
            if not ticket.done():  # cancelled meanwhile
                ticket.set_result(None)
                self.pieces += 1
        if self.pieces:
            asyncio.get_running_loop().call_soon(self.turned)

    def book(self, part: Part, broken: str, *, unseen: bool) -> None:
        """The try under way is over: keep what came and count what it cost."""
        writing, part.writing = part.writing, None
        if writing is None:
            return
        writing.end()
        for child, steps in writing.chains.items():
            part.chains[part.children[child]] = steps
        part.failed = part.failed and not part.chains
        usage = writing.usage(part.promises[-1].prompt, broken=broken, unseen=unseen)
        part.usage = part.usage + usage
        part.estimated = writing.bill is None or writing.bill.estimated
        counted = writing.bill.counted if writing.bill else None
        self.tell(Billed(part.ask, part.call, part.role, usage, part.estimated, counted))

    async def lend(self, part: Part, request: Request) -> Reply:
        """A call for the verifier of `part`: promised, metered, tried again and told like any other.

        It is paid from what the part's own call left over, else from the budget. It never waits
        for room, since those who hold it may be waiting for this verifier. Raises CallFailed.
        """
        name = digest(request)
        if kept := self.recall.lent(name):
            chains: list[Chain] = [steps for _, steps in kept.chains]
            if kept.failed:
                raise CallFailed("the verifier's own call failed before", retry=False)
            return Reply(chains, Bill(Usage(), estimated=True))  # paid for before
        lent = self.lent(part, request)
        if lent is None:
            raise CallFailed("no budget is left for the verifier's own calls", retry=False)
        lent.name = name
        try:
            await self.write(lent)
        finally:
            lent.land()
        if lent.failed:
            raise CallFailed("the verifier's own call failed", retry=False)
        return Reply([*lent.chains.values()], Bill(lent.usage, lent.estimated))

    def lent(self, part: Part, request: Request) -> Part | None:
        """A verifier's call with a promise for the whole of it; None: there is no room."""
        bound = self.policy.prompt_bound(request)
        part.purse = part.purse or part.meter.purse(part.promises, part.usage)
        for meter, reserve in ((part.purse, 0), (self.meter, self.meter.budget.reserve)):
            if meter is None:
                continue
            promise = meter.promise(request.n, bound, request.max_tokens, reserve)
            if promise and granted(request, promise) is request:
                children = tuple(range(request.n))
                return self.numbered(
                    Part(part.ask, meter, children, request, [promise], reserve, role="verifier")
                )
            if promise:  # too little to be of use
                meter.settle(promise, Usage(), "verifier")
        return None


def granted(request: Request, promise: Promise) -> Request:
    """The request, cut down to what was promised."""
    each = promise.tokens // promise.rows
    if (promise.rows, each) == (request.n, request.max_tokens):
        return request
    seeds = request.seeds[: promise.rows]
    return replace(request, n=promise.rows, max_tokens=each, seeds=seeds)


def pause(attempt: int) -> float:
    """Seconds before the next try: exponential, with full jitter."""
    return random.uniform(0.0, 0.25 * 2**attempt)


def describe(error: Exception) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, CallFailed):
        return text
    return f"{type(error).__name__}: {text or 'it says no more'}"[:500]
