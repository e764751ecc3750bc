"""Lines of the log, as text or as JSON: words and numbers, no texts.

What may stand in one is the fields of `Line`; thoughts, questions, answers and keys have none.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, TextIO

from system2.server.watch.labels import word
from system2.server.watch.trouble import said

Form = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log: everything that can be in one. None: left out.

    request, run, key   their ids; route: as `/v1/responses/{id}`; error: a code, or a class
    said   a sentence of ours, found by `error`
    ms     wall time; cost: dollars
    """

    event: Literal["request", "run", "backend"]
    request: str | None = None
    method: str | None = None
    route: str | None = None
    status: int | None = None
    ms: int | None = None
    key: str | None = None
    model: str | None = None
    backend: str | None = None
    run: str | None = None
    why: str | None = None
    samples: int | None = None
    nodes: int | None = None
    prompt: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    visible: int | None = None
    others: int | None = None
    failures: int | None = None
    cost: Decimal | None = None
    role: str | None = None
    error: str | None = None

    def plain(self) -> dict[str, str | int]:
        """What is known, as JSON has it. A string that is no plain word is not shown."""
        told: dict[str, str | int] = {}
        for name in NAMES:
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, Decimal):
                told[name] = f"{value:f}"
            elif isinstance(value, int):
                told[name] = value
            else:
                told[name] = word(value)
        if self.event == "backend" and self.error is not None:
            told["said"] = said(self.error)
        return told

    def __str__(self) -> str:
        told = self.plain()
        event = told.pop("event")
        shown = (f"{k}={json.dumps(v) if k == 'said' else v}" for k, v in told.items())
        return " ".join((str(event), *shown))


NAMES = tuple(field.name for field in fields(Line))


class Formatter(logging.Formatter):
    """Formats `Line`s. Of any other record: who spoke, and what was raised where; never its message."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        self.form = form

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": time.replace("+00:00", "Z"), "level": record.levelname.lower()}
        line = record.msg if isinstance(record.msg, Line) else None
        if self.form == "json":
            body = line.plain() if line else foreign(record)
            return json.dumps(head | body, separators=(",", ":"))
        body = {} if line else foreign(record)
        tail = str(line) if line else " ".join(f"{k}={v}" for k, v in body.items())
        return f"{head['time']} {head['level']} {tail}"


def tell(logger: logging.Logger, level: int, line: Line) -> None:
    """Log a line. Who calls is not looked for: that takes longer than all the rest."""
    if logger.isEnabledFor(level):
        logger.handle(logging.LogRecord(logger.name, level, "", 0, line, (), None))


def foreign(record: logging.LogRecord) -> dict[str, str | int]:
    """What may be said of a record that others wrote: their messages may quote anything."""
    told: dict[str, str | int] = {
        "event": "other",
        "logger": word(record.name),
        "at": word(f"{record.module}:{record.lineno}"),
    }
    if record.exc_info and record.exc_info[0] is not None:
        kind, _, frames = record.exc_info
        told["error"] = word(kind.__qualname__)
        if frames and (stack := traceback.extract_tb(frames)):
            file = stack[-1].filename.replace("\\", "/").rsplit("/", 1)[-1]
            told["raised"] = word(f"{file}:{stack[-1].lineno}")
    return told


def handler(form: Form, stream: TextIO | None = None) -> logging.Handler:
    """Writes to `stream`, standard error by default; for any logger."""
    made = logging.StreamHandler(sys.stderr if stream is None else stream)
    made.setFormatter(Formatter(form))
    return made
