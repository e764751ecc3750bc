"""Many questions on one budget: each gets a first share, and what easy ones leave goes to those still open.

A question's run is a run like any other, with a trace; one that was stopped, or whose share was too
small, goes on from what it has paid for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from system2.core import Budget, Event, Failed, Finished, Meter, Problem, Usage
from system2.engine import Engine
from system2.options import Options, check
from system2.resuming import reopen
from system2.solve import Result, compose, prepare, result

FIRST = 0.5
"""Share of the budget that is dealt out evenly; the rest goes to the questions it did not settle."""
PARALLEL = 16  # questions under way at once
STREAK = (
    3  # questions in a row, or all that are asked at once, that fail end a batch: so would others
)
OPEN = ("budget", "cost", "time", "failed", "stuck", "interrupted", "cancelled", "watcher")
"""Ends after which more could still be had for more."""


@dataclass(frozen=True, slots=True)
class Item:
    """A question, and the name under which its answer is wanted."""

    id: str | int
    question: str


@dataclass(frozen=True, slots=True)
class Row:
    """What became of a question, and why it ended; `usage` counts all roles.

    result  None: it was refused (`error` says why), or the budget was gone before its turn
    """

    item: Item
    why: str
    result: Result | None = None
    usage: Usage = field(default_factory=Usage)
    error: str = ""

    @property
    def settled(self) -> bool:
        """Would no further budget help?"""
        return self.why not in OPEN


@dataclass(slots=True)
class Batch:
    """Answers the questions in their order, `parallel` at once, under `pot`: the meter of them all.

    options  of every question but for the budget, which is the pot's
    runs     id → run, of questions begun in an earlier sitting; the pot knows what they have cost
    begin    told item and run before a question's first call; tell: told every row, once
    """

    options: Options
    pot: Meter
    runs: dict[str | int, str]
    begin: Callable[[Item, str], None]
    tell: Callable[[Row], None]
    parallel: int = PARALLEL
    shared: bool = True  # False: first come, first served, each as much as its effort allows
    under_way: set[Engine] = field(default_factory=set[Engine])
    lines: int = 0  # finished lines of thought, and their tokens: what one takes
    tokens: int = 0
    ending: str = ""
    _waiting: dict[str | int, Row] = field(
        default_factory=dict[str | int, Row]
    )  # for a second round
    _failures: int = 0

    async def run(self, items: Sequence[Item]) -> list[Item]:
        """Answer; those that were still open when the batch was stopped. Raises ValueError, OSError."""
        compose(Problem.of("?"), self.options, "")  # options that are wrong are wrong for all
        try:
            dealt = self.capped and self.shared
            late = await self.round([*items], FIRST / max(1, len(items)) if dealt else None)
            if late and not self.ending:
                late = await self.round(late, None)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            for row in self._waiting.values():  # what there is of those that were stopped
                self.tell(row)
        return late

    @property
    def capped(self) -> bool:
        """Does the pot hold tokens or dollars to deal out?"""
        return self.pot.budget.tokens is not None or self.pot.budget.dollars is not None

    def stop(self, why: str, told: str = "") -> None:
        """Begin nothing more, and end what is under way; `told` is what people read of it."""
        self.ending = self.ending or told or why
        for engine in [*self.under_way]:
            engine.stop(why)

    async def round(self, items: list[Item], part: float | None) -> list[Item]:
        """Every item once; `part` of what the pot holds now is the share of each, None: the last round."""
        whole, line, late = self.left(), deque(items), list[Item]()

        async def work() -> None:
            while line and not self.ending:
                item = line.popleft()
                share = whole.times(part) if part else self.left().times(1 / (len(line) + 1))
                if not self.shared:
                    share = Share(None, None)
                row = await self.answer(item, share)
                if row.settled or (part is None and not self.ending):
                    self._waiting.pop(item.id, None)
                    self.tell(row)
                else:
                    late.append(item)
                    if row.result:
                        self._waiting[item.id] = row

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.parallel, len(items))):
                group.create_task(work())
        order = {item.id: place for place, item in enumerate(items)}
        return sorted([*late, *line], key=lambda item: order[item.id])

    async def answer(self, item: Item, share: Share) -> Row:
        """One question, begun or gone on with, on its share."""
        try:
            check(item.question)
        except ValueError as error:
            return Row(item, "refused", error=str(error))
        room, begun = self.pot.room(0), item.id in self.runs
        if room is not None and room <= 0 and not begun:
            return Row(item, "budget")
        try:
            engine = self.engine(item)
        except (ValueError, OSError) as error:
            if not begun:
                raise
            return self.counted(Row(item, "failed", error=str(error)))
        engine.meter.parent = self.pot
        self.allow(engine.meter, share)
        faults: list[str] = []

        def hear(event: Event) -> None:
            if isinstance(event, Failed) and event.role != "sidecar":
                faults.append(event.error)

        engine.watchers.append(hear)
        self.under_way.add(engine)
        try:
            end = await engine.run()
        finally:
            self.under_way.discard(engine)
        self.learn(end)
        error = faults[-1] if end.why == "failed" and faults else ""
        return self.counted(Row(item, end.why, result(engine, end), engine.meter.usage, error))

    def counted(self, row: Row) -> Row:
        """Stop where one question after the other fails: the first to end are those that fail at once."""
        self._failures = self._failures + 1 if row.why == "failed" else 0
        if self._failures >= max(STREAK, self.parallel):
            told = f"{self._failures} questions in a row failed, the last: {row.error}"
            self.stop("failed", told)
        return row

    def engine(self, item: Item) -> Engine:
        """The engine of a question: its run goes on where there is one."""
        if run := self.runs.get(item.id):
            own = self.options.copy()
            own.pop("seed", None)  # those of the run
            own.pop("system", None)
            own.pop("examples", None)
            return reopen(run, **own)
        engine = prepare(item.question, **self.options)
        self.runs[item.id] = engine.name
        self.begin(item, engine.name)
        return engine

    def allow(self, meter: Meter, share: Share) -> None:
        """Let a question spend its share beyond what it has, and enough for a line of thought or two."""
        usage, budget = meter.usage, meter.budget
        typical = 2 * self.tokens // self.lines if self.lines else 0
        # The effort's own budget is no promise to anybody: lost calls need not count against it.
        tokens = None if budget.tokens is None else budget.tokens + usage.unseen
        if share.tokens is not None:
            tokens = usage.completion + usage.unseen + max(1, share.tokens, typical)
        dollars = share.dollars
        if dollars is not None and meter.price is not None:
            dollars = max(dollars, meter.price.most(0, typical))
            dollars += meter.price.of(usage) + meter.price.most(0, usage.unseen)
        meter.budget = replace(budget, tokens=tokens, dollars=dollars)

    def learn(self, end: Finished) -> None:
        """How long a line of thought is."""
        self.lines += end.samples
        self.tokens += end.usage.completion

    def left(self) -> Share:
        """What the pot has neither spent, nor promised, nor given to those under way as their share."""
        whole = held(self.pot)
        for engine in self.under_way:
            whole = whole.less(held(engine.meter))
        return whole


@dataclass(frozen=True, slots=True)
class Share:
    """Part of a budget; None: of this there is no limit."""

    tokens: int | None
    dollars: Decimal | None

    def times(self, part: float) -> Share:
        """A part of it."""
        return Share(
            None if self.tokens is None else int(self.tokens * part),
            None if self.dollars is None else self.dollars * Decimal(str(part)),
        )

    def less(self, other: Share) -> Share:
        """What is left of it, never less than nothing."""
        return Share(
            None if self.tokens is None else max(0, self.tokens - (other.tokens or 0)),
            None
            if self.dollars is None
            else max(Decimal(0), self.dollars - (other.dollars or Decimal(0))),
        )


def held(meter: Meter) -> Share:
    """What a meter has neither spent nor promised."""
    budget, usage, price = meter.budget, meter.usage, meter.price
    tokens = dollars = None
    if budget.tokens is not None:
        tokens = max(0, budget.tokens - usage.completion - usage.unseen - meter.promised)
    if budget.dollars is not None and price is not None:
        gone = price.of(usage) + price.most(0, usage.unseen) + meter.promised_dollars
        dollars = max(Decimal(0), budget.dollars - gone)
    return Share(tokens, dollars)


def pot_of(budget: Budget, options: Options, spent: Usage) -> Meter:
    """The meter of all questions together, with what earlier sittings spent. Raises ValueError."""
    pot = Meter(budget, options.get("price"))
    pot.book(spent, "policy")
    return pot
