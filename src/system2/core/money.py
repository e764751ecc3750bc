"""Usage, prices, budgets and the meter that keeps them. Knows nothing about models or search."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import isnan

MILLION = 1_000_000
LEAST = {
    "tokens": 1,
    "dollars": 0,
    "seconds": 0,
    "calls": 1,
    "per_call": 1,
    "reserve": 0,
    "reserve_seconds": 0,
}


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
    reserve   completion tokens set aside for the last ask, the reply, and its prompt
    reserve_seconds   wall time set aside for it
    """

    tokens: int | None = None
    dollars: Decimal | None = None
    seconds: float | None = None
    calls: int | None = None
    per_call: int = 4096
    reserve: int = 0
    reserve_seconds: float = 0.0

    def __post_init__(self) -> None:
        for name, low in LEAST.items():
            value = getattr(self, name)
            if value is not None and (isnan(value) or value < low):
                raise ValueError(f"budget: {name} must be at least {low}, {value} was given")


@dataclass(frozen=True, slots=True)
class Promise:
    """Set aside for one call of `rows` continuations: completion tokens, and the prompt."""

    rows: int
    tokens: int
    prompt: int


@dataclass(slots=True, eq=False)
class Meter:
    """Promise before a call, settle after: spent plus promised never exceeds the budget.

    A meter may have a parent (a backend that searches share): a promise must be granted by all.
    Tokens that broken calls may have cost unseen count as spent. How many calls run at once is
    kept apart from promises: a call waits in line (`enter`), streams, and leaves.
    """

    budget: Budget = Budget()
    price: Price | None = None
    parent: Meter | None = None
    spent: dict[str, Usage] = field(default_factory=dict[str, Usage])
    usage: Usage = Usage()  # all roles together
    promised: int = 0
    promised_dollars: Decimal = Decimal(0)
    promises: int = 0
    running: int = 0
    started: float = field(default_factory=time.monotonic)
    _line: asyncio.Semaphore | None = None
    _waiting: list[asyncio.Event] = field(default_factory=list[asyncio.Event])

    def __post_init__(self) -> None:
        if self.budget.dollars is not None and self.price is None:
            raise ValueError(
                f"a cap of {self.budget.dollars} dollars was given, but the price of this model is "
                "unknown; give --price IN/OUT (dollars per million tokens) or list it in prices.toml"
            )
        if self.budget.calls is not None:
            self._line = asyncio.Semaphore(self.budget.calls)

    @property
    def cost(self) -> Decimal | None:
        """Dollars spent; None where the price is unknown."""
        return None if self.price is None else self.price.of(self.usage)

    # ---------------------------------------------------------------- tokens and dollars

    def promise(self, rows: int, prompt: int, each: int, reserve: int = 0) -> Promise | None:
        """Set aside `each` completion tokens for each of up to `rows` continuations, and the prompt.

        Leaves `reserve` tokens (and a prompt for them) untouched. Fewer rows if there is no room
        for all; fewer tokens only if nothing at all is promised, so that waiting could not help.
        None: no room just now (`idle` tells whether waiting can help).
        """
        room = self.room(2 * prompt + each if reserve else prompt)
        if room is not None:
            room -= reserve
            if room < 1 or (room < each and not self.idle):
                return None
            each = min(each, room)
            rows = min(rows, room // each)
        promise = Promise(rows, rows * each, prompt)
        for meter in self.lineage():
            meter.promises += 1
            meter.promised += promise.tokens
            if meter.price:
                meter.promised_dollars += meter.price.most(prompt, promise.tokens)
        return promise

    def settle(self, promise: Promise, usage: Usage, role: str) -> None:
        """The call is over: give the promise back, book what it really cost."""
        for meter in self.lineage():
            meter.promises -= 1
            meter.promised -= promise.tokens
            if meter.price:
                meter.promised_dollars -= meter.price.most(promise.prompt, promise.tokens)
        self.book(usage, role)

    def book(self, usage: Usage, role: str) -> None:
        """Count what was spent, here and above, and wake who waits for room."""
        for meter in self.lineage():
            meter.spent[role] = meter.spent.get(role, Usage()) + usage
            meter.usage = meter.usage + usage
            meter.wake()

    def room(self, prompt: int) -> int | None:
        """Completion tokens that may still be promised to a call with this prompt; None: no limit."""
        rooms: list[int] = []
        for meter in self.lineage():
            budget, usage, price = meter.budget, meter.usage, meter.price
            if budget.tokens is not None:
                rooms.append(budget.tokens - usage.completion - usage.unseen - meter.promised)
            if budget.dollars is not None and price is not None:
                left = budget.dollars - price.of(usage) - meter.promised_dollars
                left -= price.most(prompt, usage.unseen)
                if left < 0:
                    rooms.append(0)
                elif price.completion:
                    rooms.append(int(left * MILLION // price.completion))
        return min(rooms, default=None)

    def purse(self, promises: list[Promise], usage: Usage) -> Meter | None:
        """What a call that is over left of its promises, as a meter of its own; None: nothing."""
        tokens = sum(promise.tokens for promise in promises) - usage.completion - usage.unseen
        dollars = None
        if self.price:
            dollars = -self.price.of(usage) - self.price.most(0, usage.unseen)
            dollars += sum(self.price.most(p.prompt, p.tokens) for p in promises)
        if tokens < 1 or (dollars is not None and dollars < 0):
            return None
        return Meter(Budget(tokens=tokens, dollars=dollars), self.price)

    @property
    def idle(self) -> bool:
        """Is nothing promised, here and above?"""
        return all(not meter.promises for meter in self.lineage())

    def lineage(self) -> Iterator[Meter]:
        """This meter and its ancestors."""
        meter: Meter | None = self
        while meter:
            yield meter
            meter = meter.parent

    async def freed(self) -> None:
        """Wait until a call under this meter or an ancestor settles, or `wake` is called."""
        event = asyncio.Event()
        for meter in self.lineage():
            meter._waiting.append(event)
        try:
            await event.wait()
        finally:
            for meter in self.lineage():
                meter._waiting.remove(event)

    def wake(self) -> None:
        """Let those who wait in `freed` look again."""
        for event in self._waiting:
            event.set()

    # ---------------------------------------------------------------- lines and time

    def line_free(self) -> bool:
        """May one more call run at once, here and above?"""
        return all(
            meter.budget.calls is None or meter.running < meter.budget.calls
            for meter in self.lineage()
        )

    async def enter(self) -> None:
        """Wait for a line, here and above, first come first served; `leave` gives it back."""
        held: list[Meter] = []
        try:
            for meter in self.lineage():
                if meter._line:
                    await meter._line.acquire()
                meter.running += 1
                held.append(meter)
        except asyncio.CancelledError:
            for meter in held:
                meter.leave_one()
            raise

    def leave(self) -> None:
        """The call is over: the next in line may set out."""
        for meter in self.lineage():
            meter.leave_one()

    def leave_one(self) -> None:
        """Free one line of this meter alone."""
        self.running -= 1
        if self._line:
            self._line.release()

    def seconds_left(self) -> float | None:
        """Wall time left, here and above; None: no limit."""
        now = time.monotonic()
        left = [
            max(0.0, meter.budget.seconds - (now - meter.started))
            for meter in self.lineage()
            if meter.budget.seconds is not None
        ]
        return min(left, default=None)
