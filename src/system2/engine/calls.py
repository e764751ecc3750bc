"""Calls to the policy: tries, streams, what each cost. Knows nothing about trees or plans."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing

from system2.core import (
    Bill,
    Billed,
    Called,
    CallFailed,
    Delta,
    Expand,
    Failed,
    Meter,
    Piece,
    Policy,
    Problem,
    Reply,
    Request,
    Watcher,
)
from system2.engine.work import Part, Work, seed_of
from system2.engine.writing import Writing

TRIES = 3  # of one call


class Caller:
    """Calls one policy for one problem under one meter, and tells what happens."""

    def __init__(
        self, problem: Problem, policy: Policy, meter: Meter, seed: int, tell: Watcher
    ) -> None:
        self.problem, self.policy, self.meter, self.seed = problem, policy, meter, seed
        self.tell = tell

    async def write(self, work: Work, ask: Expand, part: Part) -> None:
        """Stream from the policy, again if that may help, until something has come."""
        for attempt in range(1, TRIES + 1):
            writing = Writing(part.promises[-1].tokens)
            try:
                await self.attempt(work, ask, part, writing, attempt)
                return
            except Exception as error:  # noqa: BLE001  one failed call must not end the search
                self.tell(Failed(work.number, "policy", describe(error)))
                part.failed = not part.chains
                if part.chains or attempt == TRIES:
                    return
                if isinstance(error, CallFailed) and not error.retry:
                    return
                after = error.after if isinstance(error, CallFailed) else None
            await asyncio.sleep(self.pause(attempt) if after is None else after)
            if part.usage.unseen:  # the promise may be used up: the next try needs its own
                first = part.promises[-1]
                each = first.tokens // first.rows
                if not (more := self.meter.promise(first.rows, first.prompt, each)):
                    return
                part.promises.append(more)
                part.children = part.children[: more.rows]

    async def attempt(
        self, work: Work, ask: Expand, part: Part, writing: Writing, attempt: int
    ) -> None:
        """One try: its pieces are told as they come, its cost is booked whatever happens."""
        promise = part.promises[-1]
        request = self.request(work, ask, part.children, promise.tokens // promise.rows)
        self.tell(Called(work.number, attempt, part.children, request.seeds, promise.tokens))
        broken, unseen = "failed", True
        try:
            async with aclosing(self.policy.stream(request)) as stream:
                async for item in stream:
                    if isinstance(item, Delta):
                        writing.take(item)
                        child = part.children[item.child]
                        self.tell(Piece(work.number, child, item.text, item.kind == "reply"))
                        if writing.tokens > writing.grant:
                            break  # a server that ignores its limit
                    else:
                        writing.bill = item
            broken = "" if writing.tokens <= writing.grant else "aborted"
        except asyncio.CancelledError:
            broken = "aborted"
            raise
        except CallFailed as error:
            unseen = error.unseen
            raise
        finally:
            writing.end()
            for child, steps in writing.chains.items():
                part.chains[part.children[child]] = steps
            reply = ask.until == "reply"
            usage = writing.usage(
                promise.prompt, reply=reply, broken=broken, unseen=unseen and bool(broken)
            )
            part.usage = part.usage + usage
            estimated = writing.bill is None or writing.bill.estimated
            self.tell(Billed(work.number, "policy", usage, estimated))

    def request(
        self, work: Work, ask: Expand, children: tuple[int, ...], max_tokens: int
    ) -> Request:
        """What the policy is given."""
        return Request(
            self.problem,
            ask.node.chain(),
            len(children),
            ask.until,
            max_tokens,
            tuple(seed_of(self.seed, work.number, child) for child in children),
            tuple(node.chain() for node in ask.also),
            ask.style,
        )

    def pause(self, attempt: int) -> float:
        """Seconds before the next try: exponential, with full jitter."""
        return random.uniform(0.0, 0.25 * 2**attempt)

    async def lend(self, request: Request) -> Reply:
        """A call for a verifier that is a model: promised, metered and told like any other."""
        bound = self.policy.prompt_bound(request)
        while not (promise := self.meter.promise(request.n, bound, request.max_tokens)):
            if self.meter.idle:
                raise CallFailed("no budget is left for the verifier's own calls", retry=False)
            await self.meter.freed()
        writing, broken = Writing(promise.tokens), "failed"
        try:
            async with aclosing(self.policy.stream(request)) as stream:
                async for item in stream:
                    if isinstance(item, Delta):
                        writing.take(item)
                    else:
                        writing.bill = item
            broken = ""
        finally:
            writing.end()
            usage = writing.usage(bound, reply=False, broken=broken, unseen=bool(broken))
            bill = Bill(usage, writing.bill is None or writing.bill.estimated)
            self.meter.settle(promise, usage, "verifier")
            self.tell(Billed(0, "verifier", usage, bill.estimated))
        return Reply([*writing.chains.values()], bill)


def describe(error: Exception) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, CallFailed) else f"{type(error).__name__}: {text}"[:500]
