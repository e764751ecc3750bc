"""system2 serve: the server as a process."""

from __future__ import annotations

import argparse
import asyncio
import errno
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
    "model": None, "model_name": None, "price": None, "effort": "medium", "profile": "compat", "thoughts": "",
    "language": None, "moderate": None, "no_summaries": False, "routes": None, "at_once": None,
}  # fmt: skip
"""Options of the one model of the command line, and what each is when it was not given."""
LONGEST = 86_400  # seconds of grace


class SettingsError(ValueError):
    """Settings that cannot work: nothing has listened."""

    exit_status = 2


def serve(options: argparse.Namespace) -> int:
    """Serve until told to end. Raises SettingsError where it cannot begin, in a sentence."""
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
    process: Process | None = None
    try:
        process = Process(settings_of(options), models_of(options), said, said)
        with (
            bound(options.host, options.port) as sock,
            asyncio.Runner(loop_factory=loop_factory()) as runner,
        ):
            return runner.run(process.run(sock, (signal.SIGINT, signal.SIGTERM)))
    except (ValueError, OSError) as error:
        if process and process.serves:
            raise
        file = error.filename if isinstance(error, OSError) and error.strerror else None
        raise SettingsError(f"{file}: {error.strerror}" if file else f"{error}") from error  # type: ignore[union-attr]


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
    """What is told of the process as a whole. Raises ValueError."""
    from system2.server.server import Settings

    if options.most < 1:
        raise ValueError(
            f"--most must be at least 1 search at once, {options.most} was given (default: 256)"
        )
    if not 0 <= options.grace <= LONGEST:
        raise ValueError(
            f"--grace must be at least 0 seconds and at most {LONGEST:,}, {options.grace:g} was given "
            "(default: 10)"
        )
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
    from system2.server.served import Served, bounded, configured, ruled

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
    given_name = (options.offered_as, options.model_name, "system2-mini")
    name = next(one for one in given_name if one is not None)
    made = Served(
        name,
        bounded(cast(Options, given), "serve"),
        effort=options.effort,
        profile=options.profile,
        visibility=options.thoughts,
        language=options.language,
        summaries=not options.no_summaries,
        moderation=options.moderate or "",
    )
    return [ruled(made, "serve")]


def bound(host: str, port: int) -> socket.socket:
    """A socket that is nobody else's, and does not listen yet. Raises OSError, ValueError in a sentence."""
    if not 0 <= port < 65536:
        raise ValueError(f"--port must be from 0 to 65535, {port} was given")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise ValueError(
                f"--host {host} is no address of this machine ({error.strerror or error}); give 127.0.0.1, "
                "or one that `ip address` lists"
            ) from error
        raise OSError(
            f"cannot listen on {host}, port {port} ({error.strerror or error}); another server may be "
            "there: give --port N, or 0 for any free one"
        ) from error
    sock.setblocking(False)
    return sock
