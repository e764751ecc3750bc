"""Usage, prices, budgets and the meter that keeps them. Knows nothing about models or search."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, fields
from decimal import Decimal

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What calls consumed. Adding two usages is the only arithmetic anyone needs.

    prompt     tokens sent; cached ⊂ prompt: those the backend had in its cache
    reasoning  completion tokens but for the answer's own; answer: those of the text shown
    aborted, failed   ⊂ completion: tokens of calls that were cancelled or cut, or ended in an error
    unseen     not in completion: upper bound on tokens a broken call may have cost beyond what came
    overrun    ⊂ completion: tokens a server sent beyond its grant
    calls      tries that reached out to a backend
    """

    prompt: int = 0
    cached: int = 0
    reasoning: int = 0
    answer: int = 0
    aborted: int = 0
    failed: int = 0
    unseen: int = 0
    overrun: int = 0
    calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def completion(self) -> int:
        """Completion tokens: reasoning and answer."""
        return self.reasoning + self.answer

    def told(self, tokens: int) -> Usage:
        """The same usage with `tokens` of the reasoning counted as the answer shown."""
        moved = min(tokens, self.reasoning)
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values |= {"reasoning": self.reasoning - moved, "answer": self.answer + moved}
        return Usage(**values)


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens. `cached` defaults to the price of other prompt tokens."""

    prompt: Decimal
    completion: Decimal
    cached: Decimal | None = None

    def of(self, usage: Usage) -> Decimal:
        """What this usage costs, broken calls counted at what came of them."""
        cached = self.prompt if self.cached is None else self.cached
        return (
            self.prompt * (usage.prompt - usage.cached)
            + cached * usage.cached
            + self.completion * usage.completion
        ) / MILLION

    def most(self, prompt: int, completion: int) -> Decimal:
        """The most a call with these tokens can cost."""
        dearest = max(self.prompt, self.cached or self.prompt)
        return (dearest * prompt + self.completion * completion) / MILLION


FREE = Price(Decimal(0), Decimal(0))


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits, each for the whole search; None: no limit.

    tokens    completion tokens of all roles (prompts count in dollars)
    dollars   refused at the start where the price is unknown
    seconds   wall time
    calls     calls under way at once
    per_call  most completion tokens of one continuation
    reserve   completion tokens set aside for the last ask, the reply
    """

    tokens: int | None = None
    dollars: Decimal | None = None
    seconds: float | None = None
    calls: int | None = None
    per_call: int = 4096
    reserve: int = 0

    def __post_init__(self) -> None:
        least = {"tokens": 1, "dollars": 0, "seconds": 0, "calls": 1, "per_call": 1, "reserve": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and not value >= low:
                raise ValueError(f"budget: {name} must be at least {low}, {value} was given")


@dataclass(frozen=True, slots=True)
class Promise:
    """Set aside for one call: completion tokens, and dollars for these and the prompt."""

    tokens: int
    dollars: Decimal
    rows: int


@dataclass(slots=True)
class Meter:
    """Promise before a call, settle after: what is spent plus what is promised never exceeds the budget.

    A meter may have a parent (a backend shared by searches): a promise must be granted by all.
    """

    budget: Budget = Budget()
    price: Price | None = None
    parent: Meter | None = None
    spent: dict[str, Usage] = field(default_factory=dict[str, Usage])
    promised: int = 0
    promised_dollars: Decimal = Decimal(0)
    running: int = 0
    started: float = field(default_factory=time.monotonic)
    _freed: list[asyncio.Event] = field(default_factory=list[asyncio.Event])

    def __post_init__(self) -> None:
        if self.budget.dollars is not None and self.price is None:
            raise ValueError(
                f"a cap of {self.budget.dollars} dollars was given, but the price of this model is "
                "unknown; give --price IN/OUT (dollars per million tokens) or list it in prices.toml"
            )

    @property
    def usage(self) -> Usage:
        """All roles together."""
        return sum(self.spent.values(), Usage())

    @property
    def cost(self) -> Decimal | None:
        """Dollars spent; None where the price is unknown."""
        return None if self.price is None else self.price.of(self.usage)

    def room(self, prompt: int, rows: int) -> int | None:
        """Completion tokens that may still be promised to a call of so many prompt tokens.

        None: no limit. Tokens that broken calls may have cost unseen count as spent.
        """
        rooms: list[int] = []
        if self.parent and (room := self.parent.room(prompt, rows)) is not None:
            rooms.append(room)
        usage, budget = self.usage, self.budget
        if budget.calls is not None:
            free = budget.calls - self.running
            rooms.append(free * budget.per_call if free > 0 else 0)
        if budget.tokens is not None:
            rooms.append(budget.tokens - usage.completion - usage.unseen - self.promised)
        if budget.dollars is not None and self.price is not None:
            left = budget.dollars - self.price.of(usage) - self.promised_dollars
            left -= self.price.most(prompt, usage.unseen)
            if left < 0:
                rooms.append(0)
            elif self.price.completion:
                rooms.append(int(left * MILLION / self.price.completion))
        return min(rooms, default=None)

    def promise(self, rows: int, prompt: int, each: int, reserve: int = 0) -> Promise | None:
        """Set aside `each` completion tokens for each of up to `rows` continuations, and the prompt.

        Fewer rows if there is no room for all; less than `each` only if nothing is promised, so that
        waiting could not help. None: no room just now (`idle` tells whether waiting can help).
        """
        room = self.room(prompt, rows)
        if room is not None:
            room -= reserve
            rows = min(rows, room // each) or (1 if room >= 1 and self.idle else 0)
            each = min(each, room)
        if self.free_calls is not None and not self.free_calls:
            return None
        if not rows:
            return None
        given = Promise(rows * each, Decimal(0), rows)
        self._hold(given, prompt)
        dollars = self.price.most(prompt, given.tokens) if self.price else Decimal(0)
        return Promise(given.tokens, dollars, rows)

    @property
    def free_calls(self) -> int | None:
        """Calls that may still start just now; None: no limit."""
        own = None if self.budget.calls is None else max(0, self.budget.calls - self.running)
        above = self.parent.free_calls if self.parent else None
        return min((n for n in (own, above) if n is not None), default=None)

    @property
    def idle(self) -> bool:
        """Is nothing promised, here and above?"""
        return not self.running and (self.parent is None or self.parent.idle)

    def settle(self, promise: Promise, prompt: int, usage: Usage, role: str) -> None:
        """The call is over: give the promise back, book what it really cost."""
        meter: Meter | None = self
        while meter:
            meter.running -= 1
            meter.promised -= promise.tokens
            if meter.price:
                meter.promised_dollars -= meter.price.most(prompt, promise.tokens)
            meter.spent[role] = meter.spent.get(role, Usage()) + usage
            for event in meter._freed:
                event.set()
            meter = meter.parent

    def _hold(self, promise: Promise, prompt: int) -> None:
        meter: Meter | None = self
        while meter:
            meter.running += 1
            meter.promised += promise.tokens
            if meter.price:
                meter.promised_dollars += meter.price.most(prompt, promise.tokens)
            meter = meter.parent

    async def freed(self) -> None:
        """Wait until some call under this meter or its ancestors has settled."""
        event = asyncio.Event()
        meters: list[Meter] = []
        meter: Meter | None = self
        while meter:
            meters.append(meter)
            meter._freed.append(event)
            meter = meter.parent
        try:
            await event.wait()
        finally:
            for meter in meters:
                meter._freed.remove(event)

    def seconds_left(self) -> float | None:
        """Wall time left; None: no limit."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - (time.monotonic() - self.started))
