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

from system2.policies.local import LocalPolicy
from system2.policies.local.decoder import DecoderError
from system2.server import assets, sockets
from system2.server.app import application
from system2.server.backends import Backends
from system2.server.closing import HURRY, closed
from system2.server.opened import opened
from system2.server.patient import Patient
from system2.server.served import Served
from system2.server.server import Server, Settings
from system2.server.spots import SPOTS
from system2.server.usable import usable, writable
from system2.server.watch.logs import begin

YOUNG = 3_000  # objects more before the young are looked at: a request makes a thousand, and drops them in circles
FILES = 65_536  # open at once, where the system allows so many
BACKLOG = 2_048  # clients that may knock before they are let in


class Unicorn(uvicorn.Server):
    """uvicorn's server, which leaves signals to us: what runs is to be told of them first."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Take none."""
        yield


class Process:
    """One server, from its start to its end.

    said    where a person is told that it runs; told: and what goes on before, or is amiss
    serves  it has begun to listen
    """

    def __init__(
        self,
        settings: Settings,
        served: Sequence[Served],
        said: Callable[[str], None],
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings, self.served, self.said, self.told = settings, served, said, told
        self.serves = False
        self.closing: asyncio.Task[None] | None = None

    async def run(self, sock: socket.socket, signals: Sequence[signal.Signals]) -> int:
        """Serve until one of these signals; its exit status. Raises ValueError, OSError where it cannot begin.

        It listens once the first request need not wait for anything that could be done before.
        """
        begin("json" if self.settings.logs == "json" else "text")
        room()
        writable()
        await asyncio.to_thread(ready, self.served)
        async with opened(self.settings, self.served) as server:
            server.backends = Backends(self.told, self.settings.pace)
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
            try:
                await self.warm()
                await server.backends.begin(self.served)
                if not self.closing:  # nobody has thought better of it
                    listen(sock)
                    self.serves = True
                    self.said(self.greeting(sock, server))
                    with suppress(asyncio.CancelledError):
                        await unicorn.serve([sock])
            finally:
                await server.backends.close()
                if self.closing:
                    await self.closing
                for one in signals:
                    loop.remove_signal_handler(one)
        return 0

    async def warm(self) -> None:
        """Let the embedded model write its first tokens. Raises ValueError where it cannot run here."""
        for one in self.served:
            policy = one.policy(one.options)
            if isinstance(policy, LocalPolicy):
                self.told(
                    f"system2: {one.name} is made ready (the first time on a machine it is compiled: "
                    "about ten seconds)"
                )
                try:
                    await policy.warm()
                except DecoderError as error:
                    raise ValueError(
                        f"{one.place}: the embedded model cannot run here ({error})"
                    ) from error

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


def listen(sock: socket.socket) -> None:
    """Let clients come. Raises OSError in a sentence."""
    try:
        sock.listen(BACKLOG)
    except OSError as error:  # two may hold a port as long as neither listens
        host, port = sock.getsockname()[:2]
        raise OSError(
            f"cannot listen on {host}, port {port} ({error.strerror or error}); another server began there "
            "at the same time: give --port N, or 0 for any free one"
        ) from error


def ready(served: Sequence[Served]) -> None:
    """Load what the first request would wait for; none of it is looked at again by the garbage collector.

    Raises ValueError, OSError where it cannot be loaded.
    """
    usable(served)
    if not all(one.local for one in served):
        importlib.import_module("aiohttp")
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
