"""A request that is asked again gets the searches it began: joined, or gone on with. Knows neither API."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from system2.core import Meter
from system2.engine import Engine
from system2.options import Options
from system2.resuming import reopen
from system2.server.begin import Begun, dollars_of
from system2.server.errors import ApiError
from system2.server.jobs import Job
from system2.server.server import Server
from system2.server.terms import kept, watch


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
    served, first = begun.served, begun.jobs[0]
    tokens = first.options.get("tokens", 0) * len(begun.jobs)
    begun.ticket = await server.limits.admit(
        begun.key, tokens, dollars_of(first.options, served.price, tokens)
    )
    try:
        shared = begun.common()
        again = [
            await taken_up(begun, n, shared) if one.left else None
            for n, one in enumerate(begun.jobs)
        ]
    except BaseException:
        begun.ticket.settle(0)
        raise
    for n, made in enumerate(again):
        if made is not None:
            made.holds = begun.jobs[n].holds
            begun.jobs[n] = made
            made.after(begun.settle)
            server.jobs.add(watch(server, made, served, begun.request, begun.ticket))


async def taken_up(begun: Begun, n: int, shared: Meter) -> Job:
    """The job of a search that was given up. Raises ApiError 409."""
    one, served = begun.jobs[n], begun.served
    if not one.events:
        return Job(unbegun(one, shared), begun.key, served.name, options=one.options)
    options = cast(Options, {**served.options, **one.options})
    given = cast(Options, {k: v for k, v in options.items() if k not in ("seed", "reply")})
    if (
        not begun.capped and "tokens" in given
    ):  # what may have been lost with the client is not its fault
        given["tokens"] += one.engine.meter.usage.unseen
    try:
        engine = await asyncio.to_thread(reopen, one.run, served.policy(options), shared, **given)
    except (ValueError, OSError) as error:
        raise ApiError(409, f"The request cannot be taken up again ({error}).", None) from error
    engine.settings |= {
        name: said for name, said in one.engine.settings.items() if name in ("key", "served")
    }
    return Job(engine, begun.key, served.name, options=one.options)


def unbegun(one: Job, shared: Meter) -> Engine:
    """The engine of a job that was given up before its turn came. Raises ApiError 503."""
    engine = one.engine
    engine.watchers[:] = [kept(one.run)]
    engine.meter.parent, engine.meter.started = shared, time.monotonic()
    return engine
