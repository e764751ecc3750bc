"""The watcher that logs one run: its end, and what failed on the way. Of an error it tells the kind, not the text."""

from __future__ import annotations

import logging
from dataclasses import replace

from system2.core import Born, Event, Failed, Finished, Piece, Resumed, Started, Usage
from system2.server.watch.lines import Line, tell
from system2.server.watch.trouble import OURS, code

MOST = 20  # failures of a run that have a line each; all are counted


class Telling:
    """Tells of a run in lines like `about`. `backend`: who writes for it, as an address or a name."""

    def __init__(self, logger: logging.Logger, about: Line, backend: str) -> None:
        self._logger, self._about, self._backend = logger, about, backend
        self._nodes = self._failures = 0

    def __call__(self, event: Event) -> None:
        match event:
            case Piece():  # by far most are
                pass
            case Born():
                self._nodes += 1
            case Started():
                self._about = replace(self._about, run=event.run or self._about.run)
            case Resumed():
                self._nodes = 0  # the tree grows anew
            case Failed():
                self._failed(event)
            case Finished():
                self._finished(event)
            case _:
                pass

    def _failed(self, event: Failed) -> None:
        word = code(event.error)
        if word in OURS:
            return
        self._failures += 1
        if self._failures <= MOST:
            about = replace(self._about, event="backend", role=event.role, error=word)
            tell(self._logger, logging.WARNING, replace(about, backend=self._backend or None))

    def _finished(self, event: Finished) -> None:
        usage = event.usage
        others = [spent for role, spent in event.roles.items() if role != "policy"]
        whole = sum(others, Usage())
        line = replace(
            self._about,
            ms=round(event.seconds * 1000),
            why=event.why,
            samples=event.samples,
            nodes=self._nodes,
            prompt=usage.prompt,
            cached=usage.cached,
            reasoning=usage.reasoning,
            visible=usage.answer,
            others=whole.prompt + whole.completion if others else None,
            failures=self._failures or None,
            cost=event.cost,
        )
        tell(self._logger, logging.ERROR if event.why == "failed" else logging.INFO, line)
