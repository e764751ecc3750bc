"""Usage, prices, budgets and the meter that keeps them. Knows nothing about models or search."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
        return Usage(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.reasoning + other.reasoning,
            self.answer + other.answer,
            self.aborted + other.aborted,
            self.failed + other.failed,
            self.unseen + other.unseen,
            self.overrun + other.overrun,
            self.calls + other.calls,
        )

    @property
    def completion(self) -> int:
        """Completion tokens: reasoning and answer."""
        return self.reasoning + self.answer

    def told(self, tokens: int) -> Usage:
        """The same usage with `tokens` of the reasoning counted as the answer shown."""
        moved = min(tokens, self.reasoning)
        return replace(self, reasoning=self.reasoning - moved, answer=self.answer + moved)


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
    """Set aside for one call of `rows` continuations: completion tokens, and the prompt."""

    rows: int
    tokens: int
    prompt: int


@dataclass(slots=True)
class Meter:
    """Promise before a call, settle after: spent plus promised never exceeds the budget.

    A meter may have a parent (a backend that searches share): a promise must be granted by all.
    Tokens that broken calls may have cost unseen count as spent.
    """

    budget: Budget = Budget()
    price: Price | None = None
    parent: Meter | None = None
    spent: dict[str, Usage] = field(default_factory=dict[str, Usage])
    usage: Usage = Usage()  # all roles together
    promised: int = 0
    promised_dollars: Decimal = Decimal(0)
    running: int = 0
    started: float = field(default_factory=time.monotonic)
    _waiting: list[asyncio.Event] = field(default_factory=list[asyncio.Event])

    def __post_init__(self) -> None:
        if self.budget.dollars is not None and self.price is None:
            raise ValueError(
                f"a cap of {self.budget.dollars} dollars was given, but the price of this model is "
                "unknown; give --price IN/OUT (dollars per million tokens) or list it in prices.toml"
            )

    @property
    def cost(self) -> Decimal | None:
        """Dollars spent; None where the price is unknown."""
        return None if self.price is None else self.price.of(self.usage)

    def promise(self, rows: int, prompt: int, each: int, reserve: int = 0) -> Promise | None:
        """Set aside `each` completion tokens for each of up to `rows` continuations, and the prompt.

        Fewer rows if there is no room for all; fewer tokens only if nothing at all is promised, so
        that waiting could not help. None: no room just now (`idle` tells whether waiting can help).
        """
        if not self.line_free():
            return None
        room = self.room(prompt)
        if room is not None:
            room -= reserve
            rows = min(rows, room // each) or (1 if room >= 1 and self.idle else 0)
            each = min(each, room)
        if not rows:
            return None
        promise = Promise(rows, rows * each, prompt)
        for meter in self.lineage():
            meter.running += 1
            meter.promised += promise.tokens
            if meter.price:
                meter.promised_dollars += meter.price.most(prompt, promise.tokens)
        return promise

    def settle(self, promise: Promise, usage: Usage, role: str) -> None:
        """The call is over: give the promise back, book what it really cost."""
        for meter in self.lineage():
            meter.running -= 1
            meter.promised -= promise.tokens
            if meter.price:
                meter.promised_dollars -= meter.price.most(promise.prompt, promise.tokens)
            meter.spent[role] = meter.spent.get(role, Usage()) + usage
            meter.usage = meter.usage + usage
            for event in meter._waiting:
                event.set()

    def room(self, prompt: int) -> int | None:
        """Completion tokens that may still be promised to a call with this prompt; None: no limit."""
        rooms: list[int] = []
        for meter in self.lineage():
            budget, usage = meter.budget, meter.usage
            if budget.tokens is not None:
                rooms.append(budget.tokens - usage.completion - usage.unseen - meter.promised)
            if budget.dollars is not None and meter.price is not None:
                price = meter.price
                left = budget.dollars - price.of(usage) - meter.promised_dollars
                left -= price.most(prompt, usage.unseen)
                if left < 0:
                    rooms.append(0)
                elif price.completion:
                    rooms.append(int(left * MILLION / price.completion))
        return min(rooms, default=None)

    def line_free(self) -> bool:
        """May one more call run at once, here and above?"""
        return all(
            meter.budget.calls is None or meter.running < meter.budget.calls
            for meter in self.lineage()
        )

    @property
    def idle(self) -> bool:
        """Is nothing promised, here and above?"""
        return all(not meter.running for meter in self.lineage())

    def lineage(self) -> Iterator[Meter]:
        """This meter and its ancestors."""
        meter: Meter | None = self
        while meter:
            yield meter
            meter = meter.parent

    async def freed(self) -> None:
        """Wait until a call under this meter or an ancestor settles."""
        event = asyncio.Event()
        for meter in self.lineage():
            meter._waiting.append(event)
        try:
            await event.wait()
        finally:
            for meter in self.lineage():
                meter._waiting.remove(event)

    def seconds_left(self) -> float | None:
        """Wall time left; None: no limit."""
        if self.budget.seconds is None:
            return None
        return max(0.0, self.budget.seconds - (time.monotonic() - self.started))
