"""A request that is asked again gets the searches it began: joined, or gone on with. Knows neither API."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from typing import cast

from system2.core import Meter
from system2.effort import DEFAULT
from system2.engine import Engine
from system2.options import Options
from system2.server.begin import Begun, opens
from system2.server.data.keys import Key
from system2.server.errors import ApiError
from system2.server.jobs import Job
from system2.server.server import Server
from system2.server.spending import admitted, permitted
from system2.server.terms import Terms, again, kept, watch


async def rejoined(server: Server, begun: Begun, key: Key) -> None:
    """Whoever asks again gets the searches that were begun, and holds them: those given up go on.

    key  as it is now: what it may may have changed
    Raises ApiError 403, 409 where a search can neither be joined nor go on, 429 where its key may not
    ask or spend now, 503 where the server takes nothing new.
    """
    begun.key = key
    if not any(one.left for one in begun.jobs):
        server.limits.draw(key)
    begun.hold()
    try:
        if any(one.left for one in begun.jobs):
            await revived(server, begun)
    except BaseException:
        begun.release()
        raise


async def revived(server: Server, begun: Begun) -> None:
    """What was given up goes on, with what it has paid for. Raises ApiError 403, 409, 429, 503."""
    served, key = begun.served, begun.key
    opens(server, key, served)
    permitted(begun.jobs[0].engine.settings.get("effort", DEFAULT), key)
    server.jobs.room()
    tasks = [one.task for one in begun.jobs if one.left and one.task]
    if tasks:
        await asyncio.wait(tasks)
    assert begun.terms
    left = [one for one in begun.jobs if one.left]
    given = begun.jobs[0].options
    options = cast(Options, {**given, "tokens": given.get("tokens", 0)})
    problem = begun.terms.wanted.problem
    cost = begun.spent().dollars or Decimal(0)  # of the attempts before: booked already
    if "dollars" in options:
        options["dollars"] = max(Decimal(0), Decimal(str(options["dollars"])) - cost)
    begun.ticket = await admitted(server.limits, key, served, problem, options, len(left))
    terms = replace(begun.terms, key=key, ticket=begun.ticket, seen=None, meter=common(begun))
    try:
        server.jobs.room()
        again = [await taken_up(one, terms) if one.left else None for one in begun.jobs]
    except BaseException:
        begun.ticket.settle(0)
        raise
    if "dollars" in options:
        held_to(begun.ticket.dollars, [made.engine.meter for made in again if made])
        if terms.meter is not begun.terms.meter:
            held_to(begun.ticket.dollars, [terms.meter])
    for n, made in enumerate(again):
        if made is not None:
            made.holds = begun.jobs[n].holds
            begun.jobs[n] = made
            made.after(begun.settle)
            server.jobs.add(watch(server, made, served, begun.request, begun.ticket))


def held_to(dollars: Decimal, meters: list[Meter]) -> None:
    """Each may spend so much more, as far as it might have."""
    for meter in meters:
        cap, most = (meter.cost or Decimal(0)) + dollars, meter.budget.dollars
        meter.budget = replace(meter.budget, dollars=cap if most is None else min(cap, most))


def common(begun: Begun) -> Meter:
    """A meter over those that are to go on, like the one over all; what is over has spent its part."""
    assert begun.terms
    before = begun.terms.meter
    if before.budget.dollars is None:
        return before
    meter = Meter(before.budget, before.price, before.parent)
    for end in [one.finished for one in begun.jobs if one.finished and not one.left]:
        for role, usage in end.roles.items():
            meter.book(usage, role)
    return meter


async def taken_up(one: Job, terms: Terms) -> Job:
    """The job of a search that was given up. Raises ApiError 409, 503."""
    if not one.events:
        return Job(unbegun(one, terms.meter), one.key, one.model, options=one.options)
    options, wanted = cast(Options, {**one.options}), terms.wanted
    if (wanted.tokens, wanted.most, wanted.dollars) == (None, None, None):
        # Nobody set a cap: what may have been lost when its client left is not its fault.
        options["tokens"] = options.get("tokens", 0) + one.engine.meter.usage.unseen
    try:
        engine = await asyncio.to_thread(
            again, one.run, terms.served, options, terms.meter, terms.sides
        )
    except (ValueError, OSError) as error:
        raise ApiError(409, f"The request cannot be taken up again ({error}).", None) from error
    return Job(engine, one.key, one.model, options=one.options)


def unbegun(one: Job, meter: Meter) -> Engine:
    """The engine of a job that was given up before its turn came. Raises ApiError 503."""
    engine = one.engine
    engine.watchers[:] = [kept(one.run)]
    engine.meter.parent, engine.meter.started = meter, time.monotonic()
    return engine
