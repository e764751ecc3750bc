"""What a request may cost its key in dollars: set aside before anything is bought, and held to. Knows neither API."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from system2.core import Meter, Price, Problem
from system2.effort import DEFAULT, EFFORTS
from system2.engine import Engine
from system2.options import Options
from system2.server.data.keys import Key
from system2.server.data.limits import Limits, Ticket
from system2.server.errors import ApiError
from system2.server.served import Served
from system2.server.wire.wanted import Wanted
from system2.store import Trace

READS = 8  # times that a line of thought has its question read, in most searches
OWN = 4  # times that it has its own text read


def capped(key: Key) -> bool:
    """Has the key any limit in dollars?"""
    caps = (key.dollars_a_request, key.dollars_a_day, key.dollars_a_month)
    return any(cap is not None for cap in caps)


def dollars_of(options: Options, price: Price | None, tokens: int) -> Decimal | None:
    """The most this may cost, prompts left out; None where the price is unknown."""
    if "dollars" in options:
        return Decimal(str(options["dollars"]))
    return None if price is None else price.most(0, tokens)


def likely(served: Served, problem: Problem, options: Options, tokens: int, n: int) -> Decimal:
    """What a request may cost with its prompts, unless it reads far more than most; the price must be known."""
    assert served.price
    lines = options.get("samples") or EFFORTS[options.get("effort", served.effort)].samples
    read = READS * lines * n * served.prompt_tokens(problem) + OWN * tokens
    return served.price.most(read, tokens)


async def admitted(
    limits: Limits, key: Key, served: Served, problem: Problem, options: Options, n: int
) -> Ticket:
    """The right to a request, whose `options` are told how many dollars it has where its key has limits.

    A wish in dollars is refused where it is too dear; what nobody wished for is cut to what there is.
    Raises ApiError 400, 403, 429.
    """
    tokens = options.get("tokens", 0) * n
    if not capped(key) or served.price is None or not served.price.most(1, 1):
        return await limits.admit(key, tokens, dollars_of(options, served.price, tokens), count=n)
    if "dollars" in options:
        wish, clip = Decimal(str(options["dollars"])), False
        if key.dollars_a_request is None or wish <= key.dollars_a_request:
            clip = True  # else `admit` says that it is too dear
    else:
        wish, clip = likely(served, problem, options, tokens, n), True
    ticket = await limits.admit(key, tokens, wish, count=n, clip=clip)
    options["dollars"] = ticket.dollars
    return ticket


async def more(limits: Limits, key: Key, meter: Meter, tokens: int, dollars: Decimal) -> Ticket:
    """The right to go on: with so many more tokens, and dollars where they are more than those tokens cost.

    The meter's cap is raised by what was admitted. All that one run may cost, what it has cost before
    included, counts as one request. Raises ApiError 400, 403, 429.
    """
    price = meter.price
    wanted = None if price is None else max(dollars, price.most(0, tokens))
    if not capped(key) or price is None or not price.most(1, 1):
        return await limits.admit(key, tokens, wanted)
    assert wanted is not None
    cost, cap = meter.cost or Decimal(0), key.dollars_a_request
    before = max(cost, cost if meter.budget.dollars is None else meter.budget.dollars)
    if cap is not None and before + wanted > cap:
        raise ApiError(
            403,
            f"This run may cost ${before:f} already, ${wanted:f} more were asked for, and this key allows "
            f"${cap:f} a request; ask for less.",
            "budget_not_allowed",
            "add_budget",
        )
    ticket = await limits.admit(key, tokens, wanted, clip=True)
    now = meter.budget.dollars  # others may have raised it meanwhile
    now = before if now is None else now
    meter.budget = replace(meter.budget, dollars=now + ticket.dollars)
    return ticket


async def goes_on(limits: Limits, key: Key, engine: Engine) -> Ticket:
    """The right of a run to spend what is left of its budget. Raises ApiError 403, 429."""
    meter = engine.meter
    budget, price = meter.budget, meter.price
    used = meter.usage.completion + meter.usage.unseen
    tokens = max(0, (budget.tokens or used) - used)
    cost = meter.cost or Decimal(0)
    rest = None if price is None else price.most(0, tokens)
    if budget.dollars is not None:
        rest = max(Decimal(0), budget.dollars - cost)
    ticket = await limits.admit(key, tokens, rest, clip=True)
    if capped(key) and price is not None and price.most(1, 1):
        meter.budget = replace(budget, dollars=cost + ticket.dollars)
    return ticket


def lowered(effort: str, key: Key) -> str:
    """This effort, or the most that the key may think with."""
    order = list(EFFORTS)
    most = key.most_effort if key.most_effort in order else order[-1]
    return min(effort, most, key=order.index)


def hold(wanted: Wanted, options: Options, key: Key) -> None:
    """No more lines of thought, of all answers together, than the key's most effort has.

    The effort's own are cut to that, in `options`. Raises ApiError 403 for more samples or answers that were asked for.
    """
    row = EFFORTS.get(key.most_effort or "")
    if row is None:
        return
    most = max(1, row.samples)
    each = options.get("samples") or EFFORTS[options.get("effort", DEFAULT)].samples
    asked = wanted.samples or 1
    if asked * wanted.n > most:
        many = "samples" if wanted.samples else "answers (n)"
        raise ApiError(
            403,
            f"This key may have {most:,} lines of thought a request at most, those of effort {key.most_effort}; "
            f"{asked * wanted.n:,} {many} were asked for.",
            "budget_not_allowed",
            "system2.samples" if wanted.samples else "n",
        )
    if each * wanted.n > most:
        options["samples"] = most // wanted.n
        options.pop("routes", None)


def permitted(effort: str, key: Key) -> None:
    """Raises ApiError 403 where the key may not think with this effort."""
    if lowered(effort, key) != effort:
        raise ApiError(
            403,
            f"This key may think with effort {key.most_effort} at most, {effort} was asked for.",
            "budget_not_allowed",
            "reasoning_effort",
        )


def let_go(engine: Engine) -> None:
    """An engine that will not run: its trace is free for others again."""
    for watcher in engine.watchers:
        if isinstance(watcher, Trace):
            watcher.close()
