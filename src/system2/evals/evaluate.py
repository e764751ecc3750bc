"""Runs held-out problems through the engine and judges the answers afterwards: no gold ever enters it.

One run of k samples a problem, at one temperature, gives all smaller k (see estimators.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random

from system2.core import (
    Billed,
    Budget,
    Event,
    Expand,
    Failed,
    Meter,
    Node,
    Plan,
    Policy,
    Price,
    Problem,
    Strategy,
    Style,
    Tree,
    apart,
    never,
)
from system2.engine import Engine
from system2.evals.problems import Item
from system2.evals.report import Report, Settings, Thought, Trial, Tried, report
from system2.search import all_of, best, best_of, confidence

AT_ONCE = Style(
    prompt='Answer at once, without reasoning: one line "Answer: ..." with the final answer alone.'
)
PATIENCE = 8  # problems of which not one token comes before the evaluation gives up


@dataclass(frozen=True, slots=True)
class Policies:
    """The same model twice: `sample` at the temperature of the settings, `greedy` at 0."""

    sample: Policy
    greedy: Policy


async def evaluate(
    items: Sequence[Item],
    settings: Settings,
    policies: Policies,
    price: Price | None = None,
    *,
    budget: Budget | None = None,
    watch: Callable[[int, int], None] | None = None,
    halt: asyncio.Event | None = None,
) -> Report:
    """Think about all items, then score. `watch` is told the problems done and the tokens so far.

    Once `halt` is set, or the budget spent, the problems that are done make the report, with what all
    of them cost. Raises ValueError without items, RuntimeError where the model answers nothing at all.
    """
    if not items:
        raise ValueError("there are no problems to evaluate")
    began = time.monotonic()
    limits = replace(budget or Budget(), calls=settings.calls)
    work = Work(settings, policies, Meter(limits, price), watch)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work.trial(item)) for item in items]
            halting = asyncio.create_task(halted(halt, tasks))
    except* RuntimeError as errors:
        raise errors.exceptions[0] from None
    halting.cancel()
    trials = [task.result() for task in tasks if not task.cancelled()]
    seconds = time.monotonic() - began
    if not trials:
        raise RuntimeError("it ended before one problem was finished; give more budget or time")
    if not work.meter.usage.completion:
        raise RuntimeError(work.excuse())
    return report(
        trials,
        settings,
        work.meter,
        logprobs="logprobs" in policies.sample.can,
        faults=work.faults,
        seconds=seconds,
    )


async def halted(halt: asyncio.Event | None, tasks: Sequence[asyncio.Task[Trial]]) -> None:
    """Once `halt` is set, leave what is not done."""
    if halt:
        await halt.wait()
        for task in tasks:
            task.cancel()


@dataclass(slots=True)
class Work:
    """An evaluation under way."""

    settings: Settings
    policies: Policies
    meter: Meter
    watch: Callable[[int, int], None] | None = None
    done: int = 0
    tokens: int = 0
    faults: list[str] = field(default_factory=list[str])
    doors: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.doors = asyncio.Semaphore(self.settings.problems)

    async def trial(self, item: Item) -> Trial:
        """One problem by every method, all at once."""
        many, effort = self.settings.samples[-1], self.settings.effort
        voters = best_of(many, need=never, key=apart)
        async with self.doors:
            if self.done >= PATIENCE and not self.tokens:
                raise RuntimeError(self.excuse())
            trial = Trial(
                item,
                *await asyncio.gather(
                    self.tried(item, "direct", direct(), self.policies.greedy, "none", 1),
                    self.tried(item, "chain", best_of(1), self.policies.greedy, effort, 1),
                    self.tried(item, "samples", voters, self.policies.sample, effort, many),
                ),
            )
        self.done += 1
        self.tell()
        return trial

    async def tried(
        self, item: Item, name: str, strategy: Strategy, policy: Policy, effort: str, count: int
    ) -> Tried:
        """One search: question in, answers out; judged when it is over."""
        price = self.meter.price
        engine = Engine(
            Problem.of(item.question, effort=effort),
            strategy,
            policy,
            Meter(Budget(per_call=self.settings.per_call), price, self.meter),
            seed=Random(f"{self.settings.seed} {item.name} {name}").getrandbits(63),
        )
        engine.watchers.append(self.event)
        end = await engine.run()
        if end.why in ("budget", "cost", "time"):
            raise asyncio.CancelledError  # half a problem tells nothing
        right = cache(item.right)

        def judged(node: Node) -> Thought:
            answer = node.answer
            return Thought(answer, answer is not None and right(answer), confidence(node))

        thoughts = [judged(node) for node in engine.tree.finals[:count]]
        thoughts += [Thought()] * (count - len(thoughts))
        return Tried(tuple(thoughts), end.usage, end.cost)

    def event(self, event: Event) -> None:
        """Count what is spent and what fails."""
        if isinstance(event, Billed):
            self.tokens += event.usage.completion
            self.tell()
        elif isinstance(event, Failed):
            self.faults.append(event.error)

    def tell(self) -> None:
        """Say how far it is."""
        if self.watch:
            self.watch(self.done, self.tokens)

    def excuse(self) -> str:
        """Why nothing came."""
        fault = self.faults[0] if self.faults else "the model wrote nothing"
        return f"not one question was answered: {fault}"


def direct() -> Strategy:
    """The answer at once, in one line that can be judged; a server's model is told so in words."""

    def plan(tree: Tree) -> Plan:
        yield from all_of([Expand(tree.root, until="answer", style=AT_ONCE)])

    return Strategy(plan, best)
