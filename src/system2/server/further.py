"""More for a run: a larger budget while it goes on, or another go once it is over. Pays for nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, cast

from system2.core import Budget, Meter
from system2.effort import DEFAULT
from system2.engine import Engine
from system2.options import LIMIT, Options, amount
from system2.resuming import reopen
from system2.server import beside
from system2.server.begin import opens
from system2.server.data.keys import Key
from system2.server.data.limits import Ticket
from system2.server.errors import ApiError, invalid
from system2.server.history import History
from system2.server.jobs import Job
from system2.server.server import Server
from system2.server.spending import let_go, permitted
from system2.server.spending import more as spend_more
from system2.server.terms import watch


@dataclass(frozen=True, slots=True)
class More:
    """What is added to a budget; None: nothing. seconds: of the time from now on, for a run that was over."""

    tokens: int | None = None
    dollars: Decimal | None = None
    seconds: float | None = None


def more_of(given: object) -> More:
    """What `add_budget` says. Raises ApiError 400."""
    if not isinstance(given, dict) or not given:
        raise invalid(
            'Say what to add, as {"tokens": 10000}; there are tokens, usd and seconds.',
            "add_budget",
            "missing_required_parameter",
        )
    table = cast(dict[str, object], given)
    if odd := sorted(table.keys() - {"tokens", "usd", "seconds"}):
        raise invalid(f"Unknown field {odd[0][:60]!r}.", f"add_budget.{odd[0][:60]}")
    for name, value in table.items():
        fits = isinstance(value, int | float | str) and not isinstance(value, bool)
        try:
            right = fits and 0 < amount(cast(float, value), name) <= LIMIT
        except ValueError:
            right = False
        if not right or (name == "tokens" and not isinstance(value, int)):
            raise invalid(
                f"Invalid value: {str(value)[:40]!r}. Expected a positive number.",
                f"add_budget.{name}",
            )
    tokens, dollars, seconds = (cast(Any, table.get(name)) for name in ("tokens", "usd", "seconds"))
    return More(
        tokens,
        None if dollars is None else Decimal(str(dollars)),
        None if seconds is None else float(seconds),
    )


def larger(budget: Budget, more: More) -> Budget:
    """The budget with more tokens in it; what had no limit keeps none."""
    tokens = None if budget.tokens is None else budget.tokens + (more.tokens or 0)
    return replace(budget, tokens=tokens)


async def further(server: Server, found: History, key: Key, more: More, request: str) -> Job:
    """Let a run spend more; one that is over goes on where it was. Raises ApiError 400, 403, 409, 429."""
    if found.job is not None and found.live:
        return await extended(server, found.job, key, more)
    caps = found.caps()
    options = Options()
    tokens = caps["tokens"]
    if tokens is not None:
        options["tokens"] = tokens + (more.tokens or 0)
    if (seconds := more.seconds or caps["seconds"]) is not None:
        options["seconds"] = seconds
    served, _ = server.models.find(found.model)
    opens(server, key, served)
    before = found.started.settings.get("effort")
    told: Options = {**served.options, **options}
    if before:
        told["effort"] = before
    permitted(before or served.effort, key)
    ticket: Ticket | None = None
    engine: Engine | None = None

    def regrown() -> Engine:
        return reopen(
            found.run,
            backend=served.policy(told),
            parent=served.meter,
            sidecars=beside.again(found.started.settings, served),
            **cast(Any, told),
        )

    try:
        server.jobs.room()
        if found.job is not None and found.job.task is not None:
            await asyncio.wait({found.job.task})
        engine = await asyncio.to_thread(regrown)
        added = more.tokens or (tokens or 0)
        ticket = await bought(server, key, engine.meter, added, more.dollars)
        if engine.meter.budget.dollars is not None:
            engine.settings["dollars"] = f"{engine.meter.budget.dollars:f}"
    except (ValueError, OSError) as error:
        raise ApiError(409, f"The run cannot go on ({error}).", None, "run") from error
    finally:
        if ticket is None and engine is not None:
            let_go(engine)
    assert engine is not None and ticket is not None  # else something was raised
    grown, bill = engine, ticket
    grown.settings |= labels(found.started.settings)
    spent = grown.meter.usage.completion
    job = Job(grown, key, served.name, options=told, background=True)
    watch(server, job, served, request, bill)
    job.after(lambda: bill.settle(max(0, grown.meter.usage.completion - spent)))
    return server.jobs.add(job)


async def bought(
    server: Server, key: Key, meter: Meter, tokens: int, dollars: Decimal | None
) -> Ticket:
    """The right to spend more, and the dollars of it in the meter's cap. Raises ApiError 400, 403, 429."""
    before = meter.budget.dollars
    ticket = await spend_more(server.limits, key, meter, tokens, dollars or Decimal(0))
    if before is not None and meter.budget.dollars == before and dollars:  # its key has no limits
        meter.budget = replace(meter.budget, dollars=before + dollars)
    return ticket


async def extended(server: Server, job: Job, key: Key, more: More) -> Job:
    """A running search with a larger budget. Raises ApiError."""
    if more.tokens is None and more.dollars is None:
        raise ApiError(
            409,
            "The time of a running search cannot be made longer; add tokens, or wait for its end and "
            "continue with more seconds.",
            None,
            "add_budget.seconds",
        )
    if not key.allows(job.model):
        raise ApiError(403, f"This key may not use {job.model}.", "model_not_allowed", "model")
    meter = job.engine.meter
    permitted(job.engine.settings.get("effort", DEFAULT), key)
    ticket = await bought(server, key, meter, more.tokens or 0, more.dollars)
    meter.budget = larger(meter.budget, more)
    meter.wake()
    job.after(lambda: ticket.settle(0))
    return job


def labels(settings: Mapping[str, str]) -> dict[str, str]:
    """What the server itself wrote into a trace's settings."""
    names = ("key", "served", beside.MODERATED, beside.SUMMARIES)
    return {name: settings[name] for name in names if name in settings}
