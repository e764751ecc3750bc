"""Logs of the server: one line for a request, a run, a failure of a backend, through the standard library."""

from __future__ import annotations

import logging
from collections.abc import Container
from decimal import Decimal
from typing import TextIO

from system2.core import Usage
from system2.server.watch.labels import Few
from system2.server.watch.lines import Form, Line, handler, tell
from system2.server.watch.telling import Telling

NAME = "system2.server"


def begin(form: Form, stream: TextIO | None = None) -> None:
    """All that this process logs from now on goes to `stream` (standard error) in this form.

    For the command that serves: it takes the root logger, so that no library writes past the
    formatter. Of what libraries log, warnings and errors are shown, without their messages.
    """
    root = logging.getLogger()
    root.handlers[:] = [handler(form, stream)]
    root.setLevel(logging.WARNING)
    logging.getLogger(NAME).setLevel(logging.INFO)


class Logs:
    """Writes the lines of one server. `models`: names that may stand in them; all others are "other"."""

    def __init__(
        self, logger: logging.Logger | None = None, *, models: Container[str] = ()
    ) -> None:
        self.logger = logger or logging.getLogger(NAME)
        self.model = Few(models)

    def request(
        self,
        *,
        request: str,
        method: str,
        route: str,
        status: int,
        ms: int,
        key: str | None = None,
        model: str | None = None,
        run: str | None = None,
        usage: Usage | None = None,
        cost: Decimal | None = None,
        error: str | None = None,
    ) -> None:
        """A request has ended. `error`: a code, or a class."""
        level = logging.INFO if status < 400 else logging.WARNING
        line = Line(
            "request",
            request=request,
            method=method,
            route=route,
            status=status,
            ms=ms,
            key=key,
            model=None if model is None else self.model(model),
            run=run,
            prompt=usage.prompt if usage else None,
            cached=usage.cached if usage else None,
            reasoning=usage.reasoning if usage else None,
            visible=usage.answer if usage else None,
            cost=cost,
            error=error,
        )
        tell(self.logger, logging.ERROR if status >= 500 else level, line)

    def run(
        self,
        *,
        model: str,
        key: str,
        backend: str = "",
        request: str | None = None,
        run: str | None = None,
    ) -> Telling:
        """A watcher of one run, who tells its end and what failed on the way. `run`: where it is resumed."""
        about = Line("run", request, key=key, model=self.model(model), run=run)
        return Telling(self.logger, about, backend)
