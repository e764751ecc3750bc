"""The server composed: database, accounts, watchers, models, and what begins and ends with the process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from platformdirs import user_data_path

from system2.server.batching import Batching
from system2.server.closing import closed
from system2.server.data.database import Database
from system2.server.data.keys import Keys
from system2.server.data.ledger import Ledger
from system2.server.data.limits import Limits
from system2.server.data.processes import Processes
from system2.server.data.stored import Stored
from system2.server.jobs import Jobs
from system2.server.lateness import Lateness
from system2.server.owner import Owner
from system2.server.revived import revive
from system2.server.sealed import Seal
from system2.server.served import Models, Served
from system2.server.server import Server, Settings
from system2.server.watch.logs import Logs
from system2.server.watch.metrics import Metrics
from system2.server.watch.otlp import spans_of
from system2.store import folder

NEAR = frozenset({"127.0.0.1", "localhost", "::1"})


@asynccontextmanager
async def opened(settings: Settings, served: Sequence[Served]) -> AsyncGenerator[Server]:
    """A server with everything it needs; when the block ends, all that was bought is booked.

    Raises ValueError where the settings are unsafe or a database cannot be used, OSError.
    """
    models = Models(served)
    names = models.served.keys()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.database or None))
        keys = Keys(database)
        guarded = settings.keys or await checked(settings, keys)
        ledger = await stack.enter_async_context(Ledger.open(database))
        home = database.file.parent if database.file else user_data_path("system2")
        owner = await Owner(
            Processes(database), folder().parent / "processes", settings.lease
        ).begin()
        stack.push_async_callback(owner.close)
        server = Server(
            models=models,
            jobs=Jobs(settings.most),
            database=database,
            keys=keys,
            limits=Limits(ledger),
            ledger=ledger,
            stored=Stored(database, owner.id),
            owner=owner,
            metrics=Metrics(models=names),
            spans=spans_of(models=names),
            logs=Logs(models=names),
            seal=Seal.kept(Path(home) / "seal"),
            open=not guarded,
            stays=settings.open,
            images=frozenset(settings.images),
        )
        server.jobs.lateness = Lateness(settings.late)
        watching = asyncio.create_task(server.jobs.lateness.watch(), name="lateness")
        sweeper = asyncio.create_task(sweep(server))
        await revive(server)
        reviver = asyncio.create_task(revived(server, settings.lease / 3))
        server.batching = Batching(server, settings.lease, max(1, settings.most // 2)).start()
        try:
            yield server
        finally:
            sweeper.cancel()
            reviver.cancel()
            watching.cancel()
            await server.batching.close()
            await closed(server, settings.grace)
            await asyncio.gather(sweeper, reviver, watching, return_exceptions=True)
            for one in served:
                await one.aclose()
            if server.spans:
                await asyncio.to_thread(server.spans.close)


async def checked(settings: Settings, keys: Keys) -> bool:
    """Are keys asked for? Where there are any, or others than this machine can reach it. Raises ValueError."""
    if settings.host in NEAR:
        return not settings.open and await keys.any()
    if settings.open:
        raise ValueError(
            f"--open lets everybody in, and --host {settings.host} is for other machines too; leave one out"
        )
    if not await keys.any():
        raise ValueError(
            f"--host {settings.host} lets other machines in, and there are no keys; make one first "
            "(`system2 keys create NAME`), or stay on 127.0.0.1"
        )
    return True


async def revived(server: Server, pace: float) -> None:
    """Now and then, take up what processes left that are gone."""
    while not server.jobs.closing:
        await asyncio.sleep(pace)
        with suppress(OSError):
            await revive(server)


async def sweep(server: Server) -> None:
    """Now and then, forget what has expired."""
    while True:
        server.jobs.sweep()
        server.chats.sweep()
        server.responses.sweep()
        with suppress(OSError):  # the database will be there again
            await server.stored.expire(int(time.time()))
            await server.owner.tidy(int(time.time()))
        await asyncio.sleep(60)
