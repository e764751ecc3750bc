"""system2 serve: the server as a process."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from system2.cli.options import key_of, price_of
from system2.options import Options, is_url

ALONE: dict[str, object] = {
    "model": None, "model_name": None, "price": None, "effort": "medium", "profile": "compat", "thoughts": "summary",
    "language": None, "moderate": None, "no_summaries": False, "routes": None, "at_once": None,
}  # fmt: skip
"""Options of the one model of the command line, and what each is when it was not given."""


def serve(options: argparse.Namespace) -> int:
    """Serve until told to end. Raises ValueError, OSError in a sentence."""
    try:
        import starlette  # noqa: F401  # pyright: ignore[reportUnusedImport]
        import uvicorn

        from system2.server.process import Process
    except ImportError as error:
        raise ValueError(
            f"the server needs more than the base install ({error.name} is missing): "
            "pip install 'system2[server]'"
        ) from error
    del uvicorn
    process = Process(settings_of(options), models_of(options), said)
    sock = bound(options.host, options.port)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(process.run(sock, (signal.SIGINT, signal.SIGTERM)))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is to be had: a request costs a third less; else Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def said(text: str) -> None:
    """Tell whoever started it."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def settings_of(options: argparse.Namespace) -> Any:
    """What is told of the process as a whole."""
    from system2.server.server import Settings

    return Settings(
        host=options.host,
        port=options.port,
        grace=options.grace,
        database=options.database or "",
        keys=options.keys,
        open=options.open,
        logs=options.log_format,
        most=options.most,
        images=tuple(options.fetch_images or ()),
    )


def models_of(options: argparse.Namespace) -> list[Any]:
    """The models to offer: those of a file, or the one of the command line. Raises ValueError, OSError."""
    from system2.server.served import Served, configured, ruled

    if options.config:
        told = [name for name, none in ALONE.items() if getattr(options, name) != none]
        if told:
            words = ", ".join(f"--{name.replace('_', '-')}" for name in told)
            raise ValueError(
                f"--config and {words} were given; a configuration says that of each model"
            )
        return configured(Path(options.config), os.environ)
    given: dict[str, Any] = {
        name: value
        for name in ("model", "model_name", "at_once", "routes")
        if (value := getattr(options, name, None)) is not None
    }
    if (price := price_of(options)) is not None:
        given["price"] = price
    if is_url(options.model or "") and (key := key_of(options)):
        given["key"] = key
    name = options.offered_as or options.model_name or "system2-mini"
    made = Served(
        name,
        cast(Options, given),
        effort=options.effort,
        profile=options.profile,
        visibility=options.thoughts,
        language=options.language,
        summaries=not options.no_summaries,
        moderation=options.moderate or "",
    )
    return [ruled(made, "serve")]


def bound(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError, ValueError in a sentence."""
    if not 0 <= port < 65536:
        raise ValueError(f"--port must be from 0 to 65535, {port} was given")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(
            f"cannot listen on {host}, port {port} ({error.strerror or error}); another server may be "
            "there: give --port N, or 0 for any free one"
        ) from error
    sock.listen(2048)
    sock.setblocking(False)
    return sock
