"""A request that is asked again gets the searches it began: joined, or gone on with. Knows neither API."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import cast

from system2.core import Meter
from system2.engine import Engine
from system2.options import Options
from system2.server.begin import Begun
from system2.server.errors import ApiError
from system2.server.jobs import Job
from system2.server.server import Server
from system2.server.spending import dollars_of
from system2.server.terms import Terms, again, kept, watch


async def rejoined(server: Server, begun: Begun) -> None:
    """Whoever asks again gets the searches that were begun, and holds them: those given up go on.

    Raises ApiError 409 where a search can neither be joined nor go on, 429 where its key may not spend now.
    """
    begun.hold()
    try:
        if any(one.left for one in begun.jobs):
            await revived(server, begun)
    except BaseException:
        begun.release()
        raise


async def revived(server: Server, begun: Begun) -> None:
    """What was given up goes on, with what it has paid for. Raises ApiError 409, 429."""
    tasks = [one.task for one in begun.jobs if one.left and one.task]
    if tasks:
        await asyncio.wait(tasks)
    assert begun.terms
    options, served = begun.jobs[0].options, begun.served
    tokens = options.get("tokens", 0) * len(begun.jobs)
    dollars = dollars_of(options, served.price, tokens)
    begun.ticket = await server.limits.admit(begun.key, tokens, dollars)
    terms = replace(begun.terms, ticket=begun.ticket, seen=None, meter=common(begun))
    try:
        again = [await taken_up(one, terms) if one.left else None for one in begun.jobs]
    except BaseException:
        begun.ticket.settle(0)
        raise
    for n, made in enumerate(again):
        if made is not None:
            made.holds = begun.jobs[n].holds
            begun.jobs[n] = made
            made.after(begun.settle)
            server.jobs.add(watch(server, made, served, begun.request, begun.ticket))


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
