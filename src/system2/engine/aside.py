"""One sidecar of a run: its purse, the calls it is lent, what becomes of its failures. Knows no tree and no plan."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from system2.core import (
    Bill,
    Budget,
    CallFailed,
    Chain,
    Failed,
    Meter,
    Moment,
    Note,
    Policy,
    Price,
    Problem,
    Reply,
    Request,
    Sidecar,
    Usage,
    Veto,
)
from system2.engine.calls import Caller, describe, granted
from system2.engine.recall import ROOT, digest, named
from system2.engine.work import Part

SHARE = 8  # a sidecar may spend at most this part of the run's budget
AT_ONCE = 4  # calls of one sidecar, in lanes of their own


@dataclass(frozen=True, slots=True)
class Aside:
    """A sidecar as an engine is given it.

    policy   that its calls go to; None: the run's own. price: of that policy, where it is another
    tokens   completion tokens that it may spend in a run; never more than an eighth of the run's
    every    tokens of thought to be shown at once: steps are gathered until they have as many
    seconds  that one look may take
    strict   a look that fails or is late is a veto; else it is a failure and nothing more
    """

    sidecar: Sidecar
    policy: Policy | None = None
    price: Price | None = None
    tokens: int = 2048
    every: int = 120
    seconds: float = 10.0
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What a sidecar said; failed: it could not look, and what is said is only that it is strict."""

    said: Note | Veto | None
    failed: bool = False


class Side:
    """One sidecar at work. Its share of the budget is kept from the first moment on, spent or not: what the
    search may spend never hangs on when a sidecar speaks.

    spent  what it cost in this run
    """

    def __init__(self, aside: Aside, problem: Problem, caller: Caller) -> None:
        self.aside, self.problem, self.main = aside, problem, caller
        self.name, self.strict = aside.sidecar.name, aside.strict and aside.sidecar.holds
        self.meter, self.recall = caller.meter, caller.recall
        self.price = self.meter.price if aside.policy is None else aside.price
        capped = any(meter.budget.dollars is not None for meter in self.meter.lineage())
        if capped and self.price is None and aside.sidecar.tokens:
            raise ValueError(
                f"a cap of dollars was given, but the price of the model of sidecar {self.name!r} is "
                "unknown; give its price, or no cap of dollars"
            )
        self.purse: Meter | None = None
        self.caller = Caller(
            problem, aside.policy or caller.policy, Meter(price=self.price), caller.seed, caller.tell, (),
            self.recall,
        )  # fmt: skip
        self.failures = 0  # in a row
        self.over = False
        self.before = self.recall.aside.get(self.name, Usage())
        if self.before != Usage():
            self.meter.book(self.before, "sidecar", self.price)

    @property
    def spent(self) -> Usage:
        """What it cost, also before the run was resumed."""
        return self.purse.usage if self.purse else self.before

    @property
    def unpriced(self) -> bool:
        """Did it cost something whose price is unknown?"""
        return self.price is None and bool(self.spent.calls)

    @property
    def left(self) -> tuple[int, Decimal]:
        """Tokens and dollars of its share that are not spent."""
        if self.purse is None:
            return 0, Decimal(0)
        usage, budget = self.purse.usage, self.purse.budget
        tokens = max(0, (budget.tokens or 0) - usage.completion - usage.unseen)
        dollars = Decimal(0)
        if budget.dollars is not None and self.price:
            spent = self.price.of(usage) + self.price.most(0, usage.unseen)
            dollars = max(dollars, budget.dollars - spent)
        return tokens, dollars

    def begin(self) -> None:
        """Keep its share of the run's budget, which is known now."""
        limits = [meter.budget for meter in self.meter.lineage()]
        dollars = [limit.dollars for limit in limits if limit.dollars is not None]
        wholes = [limit.tokens // SHARE for limit in limits if limit.tokens is not None]
        cap = min([self.aside.tokens, *wholes])
        if self.aside.sidecar.tokens and cap >= self.aside.sidecar.tokens:  # a call could be paid
            most = min(dollars) / SHARE if dollars else None
            self.purse = Meter(Budget(cap, most, calls=AT_ONCE), self.price)
            self.purse.book(self.before, "sidecar")
            self.caller.meter = self.purse
        self.meter.keep(*self.left)

    def end(self) -> None:
        """Give back what is left of it; a call that would not end may have cost all that it was promised."""
        tokens, dollars = self.left
        self.over = True
        self.meter.keep(-tokens, -dollars)
        if self.purse and self.purse.promised:
            self.meter.book(Usage(unseen=self.purse.promised), "sidecar", self.price)

    async def look(self, ask: int, chain: Chain, moment: Moment) -> Look:
        """What the sidecar says of this chain; a failure is told, and is a veto where it is strict."""
        try:
            async with asyncio.timeout(self.aside.seconds):
                write = partial(self.lend, ask)
                said = await self.aside.sidecar.at_step(self.problem, chain, write, moment)
            checked(said, holds=self.aside.sidecar.holds)
        except TimeoutError as error:
            late = TimeoutError(f"it took longer than {self.aside.seconds:g} seconds")
            return self.failed(ask, describe(error if str(error) else late))
        except Exception as error:  # noqa: BLE001  a sidecar's fault must not end the search
            return self.failed(ask, describe(error))
        self.failures = 0
        return Look(said)

    def failed(self, ask: int, trouble: str) -> Look:
        """A look has failed."""
        self.failures += 1
        self.main.tell(Failed(ask, "sidecar", f"{self.name}: {trouble}"))
        told = f"{self.name} could not look, and is strict: {trouble}"
        return Look(Veto(told) if self.strict else None, failed=True)

    async def lend(self, ask: int, request: Request) -> Reply:
        """A call for the sidecar: promised, metered, tried again and told like any other. Raises CallFailed."""
        name = digest(request, self.name)
        if kept := self.recall.lent(name):
            if kept.failed:
                raise CallFailed("its call failed before", retry=False)
            return Reply([steps for _, steps in kept.chains], Bill(Usage(), estimated=True))
        part = self.part(ask, request)
        part.name = name
        try:
            await self.caller.write(part)
        finally:
            before = self.left
            part.land()
            if not self.over:
                tokens, dollars = self.left
                self.meter.keep(tokens - before[0], dollars - before[1])
                self.meter.book(part.usage, "sidecar", self.price)
        if part.failed:
            raise CallFailed("its call failed", retry=False)
        return Reply([*part.chains.values()], Bill(part.usage, part.estimated))

    def part(self, ask: int, request: Request) -> Part:
        """The call with a promise for the whole of it. Raises CallFailed: nothing is left."""
        bound, purse = self.caller.policy.prompt_bound(request), self.purse
        promise = purse.promise(request.n, bound, request.max_tokens) if purse else None
        if purse is None or promise is None or granted(request, promise) is not request:
            if purse and promise:
                purse.settle(promise, Usage(), "sidecar")
            cap = purse.budget.tokens if purse else 0
            raise CallFailed(f"its share of the budget is spent ({cap} tokens)", retry=False)
        children = tuple(range(request.n))
        return self.main.numbered(
            Part(ask, purse, children, request, [promise], role="sidecar", by=self.name)
        )


def checked(said: object, *, holds: bool) -> None:
    """Raises TypeError for what a sidecar may not say."""
    if said is not None and not isinstance(said, Note | Veto):
        raise TypeError(f"a Note, a Veto or None was expected, {said!r:.80} came")
    if isinstance(said, Veto) and not holds:
        raise TypeError(
            "a veto came from a sidecar that does not hold; only one that does has a veto"
        )


def traced(chain: Chain, what: str = "") -> str:
    """A name for an occasion and the chain that it is about."""
    name = ROOT + what.encode()
    for step in chain:
        name = named(name, step)
    return name.hex()
