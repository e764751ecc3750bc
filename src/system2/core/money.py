"""Usage, prices and budgets: plain numbers. Knows nothing about models, search or clocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
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

    def __str__(self) -> str:
        """IN/OUT or IN/OUT/CACHED, as --price takes it."""
        parts = (self.prompt, self.completion) + (() if self.cached is None else (self.cached,))
        return "/".join(f"{part:f}" for part in parts)

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
