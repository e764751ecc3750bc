"""Policies that come late or go wrong on a script, verifiers of every temper, and how to look at a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Any

from system2.core import (
    Asked,
    Bill,
    Budget,
    CallFailed,
    Chain,
    Delta,
    Event,
    Failed,
    Finished,
    Handed,
    Meter,
    Policy,
    Problem,
    Request,
    Strategy,
    Tree,
    Write,
)
from system2.engine import Engine
from system2.policies.fake import Digits

SUM = Problem.of("1+1")


@dataclass
class Late:
    """Another policy's text, each piece after a random number of turns of the event loop.

    A failure asks to be tried again at once, so that tests need not wait.
    """

    inner: Policy
    seed: int = 0
    most: int = 4
    least: int = 0  # turns before the first piece: whatever can begin has begun by then
    open: int = 0
    peak: int = 0  # most continuations in flight
    calls: int = 0
    begun: int = 0  # continuations

    @property
    def can(self) -> frozenset[str]:
        return self.inner.can

    def prompt_bound(self, request: Request) -> int:
        return self.inner.prompt_bound(request)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        dice = Random(f"{self.seed} {request.seeds}")
        self.calls += 1
        self.begun += request.n
        self.open += request.n
        self.peak = max(self.peak, self.open)
        try:
            for _ in range(self.least):
                await asyncio.sleep(0)
            async with aclosing(self.inner.stream(request)) as stream:
                async for item in stream:
                    for _ in range(dice.randint(0, self.most)):
                        await asyncio.sleep(0)
                    yield item
        except CallFailed as error:
            raise CallFailed(
                str(error), retry=error.retry, after=0.0, unseen=error.unseen
            ) from None
        finally:
            self.open -= request.n


@dataclass(frozen=True)
class Fault:
    """What a call does instead of going well: after `after` tokens it raises, hangs or ends.

    child   the only one that brings anything
    """

    after: int = 0
    error: Exception | None = None
    hang: bool = False
    child: int | None = None


@dataclass
class Faulty:
    """Another policy's text; the n-th call (from 1) has the fault that `fault(n)` names."""

    inner: Policy
    fault: Callable[[int], Fault | None]
    requests: list[Request] = field(default_factory=list[Request])
    closed: int = 0

    @property
    def can(self) -> frozenset[str]:
        return self.inner.can

    def prompt_bound(self, request: Request) -> int:
        return self.inner.prompt_bound(request)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        self.requests.append(request)
        fault = self.fault(len(self.requests))
        tokens = 0
        try:
            async with aclosing(self.inner.stream(request)) as stream:
                async for item in stream:
                    await asyncio.sleep(0)
                    if fault and tokens >= fault.after:
                        break
                    if fault and isinstance(item, Delta) and item.child != (fault.child or 0):
                        continue
                    tokens += item.tokens if isinstance(item, Delta) else 0
                    yield item
            if fault and fault.hang:
                await asyncio.Event().wait()
            if fault and fault.error:
                raise fault.error
        finally:
            self.closed += 1


def refused(retry: bool = False, after: float | None = 0.0) -> CallFailed:
    """The server would not talk."""
    return CallFailed("the server refused", retry=retry, after=after)


def reset() -> CallFailed:
    """The connection broke."""
    return CallFailed("connection reset", retry=True, after=0.0, unseen=True)


@dataclass
class Marks:
    """Scores a chain by its last digit, after a few turns of the loop."""

    turns: int = 1

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        return [sum(map(ord, chain[-1].text)) % 10 / 10 for chain in chains]


@dataclass
class Bad:
    """A verifier that raises, hangs, or returns too few scores or ones that are no numbers."""

    how: str

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        if self.how == "raises":
            raise ZeroDivisionError("no idea")
        if self.how == "hangs":
            await asyncio.Event().wait()
        if self.how == "one":
            return [2.0, *[0.5] * (len(chains) - 1)]
        return [] if self.how == "short" else [float("nan")] * len(chains)


@dataclass
class Judge:
    """A verifier that is a model: writes `tokens` tokens a chain through `write`, all at once."""

    tokens: int = 3
    bills: list[Bill] = field(default_factory=list[Bill])

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        requests = [
            Request(problem, chain[:1], 1, "answer", self.tokens, (n,))
            for n, chain in enumerate(chains)
        ]
        replies = await asyncio.gather(*map(write, requests))
        self.bills += [reply.bill for reply in replies]
        return [len(reply.chains[0]) / 10 for reply in replies]


def drive(engine: Engine) -> tuple[Finished, list[Event]]:
    """Run to the end, which must come; what happened."""
    events: list[Event] = []
    engine.watchers.append(events.append)

    async def run() -> Finished:
        async with asyncio.timeout(60):
            return await engine.run()

    return asyncio.run(run()), events


def shape(tree: Tree) -> list[Any]:
    """All there is to a tree, for comparing."""
    nodes = [
        (
            *(node.id, node.parent.id if node.parent else None, node.step, node.score),
            *(node.count, node.tried, node.visits, node.total, node.pending),
            *(node.closed, node.exhausted, node.depth, [child.id for child in node.children]),
        )
        for node in tree.nodes
    ]
    return [*nodes, [node.id for node in tree.finals]]


def settled(meter: Meter) -> bool:
    """Is nothing promised and nothing running, here and above?"""
    return all(
        (m.promised, m.promised_dollars, m.promises, m.running) == (0, 0, 0, 0)
        for m in meter.lineage()
    )


def faults(events: Sequence[Event]) -> list[Failed]:
    """What failed."""
    return [event for event in events if isinstance(event, Failed)]


def handed(events: Sequence[Event]) -> list[int]:
    """Asks in the order they were handed over."""
    return [ask for event in events if isinstance(event, Handed) for ask in event.asks]


def arrived(tree: Tree) -> int:
    """Tokens of everything that was planted, duplicates included."""
    return sum(node.step.tokens * node.count for node in tree.nodes if node.step)


def asks(events: Sequence[Event]) -> list[Asked]:
    """What was asked."""
    return [event for event in events if isinstance(event, Asked)]


WILD: dict[str, Any] = {"fail": 0.2, "breaks": 0.2, "cut": 0.2, "repeat": 0.4, "base": 2}


def think(
    strategy: Strategy, policy: Any = None, budget: Budget | None = None, **options: Any
) -> tuple[Engine, Finished, list[Event]]:
    """An engine that has run, how it ended, and what happened."""
    engine = Engine(SUM, strategy, policy or Digits(), Meter(budget or Budget()), **options)
    end, events = drive(engine)
    assert settled(engine.meter)
    return engine, end, events


def always(fault: Fault) -> Callable[[int], Fault]:
    return lambda n: fault


def only(number: int, fault: Fault) -> Callable[[int], Fault | None]:
    return lambda n: fault if n == number else None


def hanging(n: int = 1, after: int = 2) -> Faulty:
    """Call `n` and all later ones hang after some tokens."""
    policy = Digits(bills=False)
    return Faulty(policy, lambda number: Fault(after, hang=True) if number >= n else None)


async def turns(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)
