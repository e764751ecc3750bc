"""The meter that keeps a budget: promises, what was spent, slots for calls. Knows nothing about search."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from system2.core.money import MILLION, Budget, Price, Usage


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
    kept apart from promises: a call waits for a slot (`enter`), streams, and leaves it.
    """

    budget: Budget = field(default_factory=Budget)
    price: Price | None = None
    parent: Meter | None = None
    spent: dict[str, Usage] = field(default_factory=dict[str, Usage])
    usage: Usage = field(default_factory=Usage)  # all roles together
    promised: int = 0
    promised_dollars: Decimal = Decimal(0)
    apart: Decimal = Decimal(0)  # dollars that usage at other prices cost more than at this one
    promises: int = 0
    running: int = 0
    started: float = field(default_factory=time.monotonic)
    _slots: asyncio.Semaphore | None = None
    _waiting: list[asyncio.Event] = field(default_factory=list[asyncio.Event])

    def __post_init__(self) -> None:
        if self.budget.dollars is not None and self.price is None:
            raise ValueError(
                f"a cap of {self.budget.dollars} dollars was given, but the price of this model is "
                "unknown; give --price IN/OUT (dollars per million tokens) or list it in prices.toml"
            )
        if self.budget.calls is not None:
            self._slots = asyncio.Semaphore(self.budget.calls)

    @property
    def cost(self) -> Decimal | None:
        """Dollars spent; None where the price is unknown."""
        return None if self.price is None else self.price.of(self.usage) + self.apart

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

    def book(self, usage: Usage, role: str, price: Price | None = None) -> None:
        """Count what was spent, here and above, and wake who waits for room; price: another model's."""
        for meter in self.lineage():
            if price and meter.price:
                meter.apart += price.of(usage) - meter.price.of(usage)
            meter.spent[role] = meter.spent.get(role, Usage()) + usage
            meter.usage = meter.usage + usage
            meter.wake()

    def keep(self, tokens: int, dollars: Decimal) -> None:
        """Keep so much from everybody, here and above; negative: give it back. No promise: nobody waits for it."""
        for meter in self.lineage():
            meter.promised += tokens
            meter.promised_dollars += dollars
            meter.wake()

    def room(self, prompt: int) -> int | None:
        """Completion tokens that may still be promised to a call with this prompt; None: no limit."""
        rooms = (self.affords(prompt), *self.counts())
        return min((room for room in rooms if room is not None), default=None)

    def dear(self, prompt: int) -> bool:
        """Is it dollars, rather than tokens, that leave a call with this prompt the least room?"""
        dollars, tokens = self.affords(prompt), min(self.counts(), default=None)
        return dollars is not None and (tokens is None or dollars < tokens)

    def counts(self) -> list[int]:
        """What is left of every limit on tokens, here and above."""
        return [
            meter.budget.tokens - meter.usage.completion - meter.usage.unseen - meter.promised
            for meter in self.lineage()
            if meter.budget.tokens is not None
        ]

    def affords(self, prompt: int) -> int | None:
        """Completion tokens that the dollars pay for, here and above; None: no limit."""
        rooms: list[int] = []
        for meter in self.lineage():
            budget, usage, price = meter.budget, meter.usage, meter.price
            if budget.dollars is not None and price is not None:
                left = budget.dollars - price.of(usage) - meter.apart - meter.promised_dollars
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
        """Is nothing promised, here and above, of what has an end? Who caps nothing keeps nobody waiting."""
        return not any(meter.promises and meter.capped for meter in self.lineage())

    @property
    def capped(self) -> bool:
        """Is there an end to its tokens or dollars?"""
        return self.budget.tokens is not None or self.budget.dollars is not None

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

    # ---------------------------------------------------------------- slots and time

    async def enter(self) -> None:
        """Wait for a slot, here and above, first come first served; `leave` gives it back."""
        held: list[Meter] = []
        try:
            for meter in self.lineage():
                if meter._slots:
                    await meter._slots.acquire()
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
        """Free one slot of this meter alone."""
        self.running -= 1
        if self._slots:
            self._slots.release()

    def seconds_left(self) -> float | None:
        """Wall time left, here and above; None: no limit."""
        now = time.monotonic()
        left = [
            max(0.0, meter.budget.seconds - (now - meter.started))
            for meter in self.lineage()
            if meter.budget.seconds is not None
        ]
        return min(left, default=None)
