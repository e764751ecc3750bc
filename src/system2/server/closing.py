"""The end of a server: what runs may finish, then answers with what it has; responses in the background wait for the next."""

from __future__ import annotations

import asyncio

from system2.server.server import Server

HURRY = 3.0  # seconds to write an answer once there is no time to think


async def closed(server: Server, grace: float) -> None:
    """Wait, hurry, cut; when it returns nothing runs, and all that was said is stored.

    grace  seconds that what runs may take; counted from `Jobs.end`, where that was called before
    """
    server.jobs.end(grace)
    await server.jobs.over()
    for held in [*server.under_way.values()]:
        held.pause()
    server.jobs.hurry()
    if tasks := [job.task for job in server.jobs.running if job.task]:
        await asyncio.wait(tasks, timeout=HURRY)
    await server.jobs.cut()
    if writing := [held.task for held in server.under_way.values() if held.task]:
        await asyncio.wait(writing)
