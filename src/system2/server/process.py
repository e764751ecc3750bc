"""The process that serves: uvicorn, signals, and an end in which nothing that was bought is lost."""

from __future__ import annotations

import asyncio
import gc
import importlib
import resource
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress

import uvicorn

from system2.server import assets, sockets
from system2.server.app import application
from system2.server.closing import HURRY, closed
from system2.server.opened import opened
from system2.server.patient import Patient
from system2.server.served import Served
from system2.server.server import Server, Settings
from system2.server.spots import SPOTS
from system2.server.watch.logs import begin

FILES = 65_536  # open at once, where the system allows so many


class Unicorn(uvicorn.Server):
    """uvicorn's server, which leaves signals to us: what runs is to be told of them first."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take none."""
        yield


class Process:
    """One server, from its start to its end. said: where a person is told that it runs."""

    def __init__(
        self, settings: Settings, served: Sequence[Served], said: Callable[[str], None]
    ) -> None:
        self.settings, self.served, self.said = settings, served, said
        self.closing: asyncio.Task[None] | None = None

    async def run(self, sock: socket.socket, signals: Sequence[signal.Signals]) -> int:
        """Serve until one of these signals; its exit status. Raises ValueError, OSError where it cannot begin."""
        begin("json" if self.settings.logs == "json" else "text")
        room()
        await asyncio.to_thread(ready, self.served)
        async with opened(self.settings, self.served) as server:
            config = uvicorn.Config(
                application(server, SPOTS, [*assets.ROUTES, *sockets.ROUTES]),
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=max(1, round(self.settings.grace + HURRY + 2)),
                http=Patient,
                ws="websockets-sansio",
                ws_max_size=sockets.LARGEST,
                ws_per_message_deflate=False,  # a few kB may unpack to as much as a message may have
                server_header=False,
            )
            unicorn = Unicorn(config)
            loop = asyncio.get_running_loop()
            for one in signals:
                loop.add_signal_handler(one, self.end, unicorn, server)
            self.said(self.greeting(sock, server))
            with suppress(asyncio.CancelledError):
                await unicorn.serve([sock])
            if self.closing:
                await self.closing
            for one in signals:
                loop.remove_signal_handler(one)
        return 0

    def end(self, unicorn: uvicorn.Server, server: Server) -> None:
        """A signal: take nothing new; what runs may finish, then answers with what it has. Another: at once."""
        if unicorn.should_exit:
            unicorn.force_exit = True
            server.jobs.until = 0.0
            for job in server.jobs.running:
                job.cancel()
            return
        unicorn.should_exit = True
        server.jobs.end(self.settings.grace)
        self.closing = asyncio.create_task(closed(server, self.settings.grace))

    def greeting(self, sock: socket.socket, server: Server) -> str:
        """Where it is, what it offers, and who may come in."""
        host, port = sock.getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        offered = ", ".join(server.models.served)
        door = "no key needed on this machine" if server.open else "keys needed"
        return f"system2 serves {offered} at http://{host}:{port}/v1 ({door})"


def room() -> None:
    """As many open files as the system allows: a stream takes a connection here and there, and a trace."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FILES)), hard))


def ready(served: Sequence[Served]) -> None:
    """Load what the first request would wait for; none of it is looked at again by the garbage collector."""
    if not all(one.local for one in served):
        importlib.import_module("aiohttp")
    gc.collect()
    gc.freeze()
