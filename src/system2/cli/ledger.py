"""The answers of a batch on disk, which are its ledger: what is settled, what it cost, whose run is whose."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from system2.batch import OPEN, Item, Row
from system2.cli.ask import report
from system2.core import Usage
from system2.resuming import account
from system2.store import whole


class Ledger:
    """The file of answers, one object a line, and beside it which run is whose while they go on.

    Raises ValueError where the file holds something else, which is never written over, or where
    another process writes it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.beside = path, path.with_name(path.name + ".runs")
        self._begun = self.beside.open("a", encoding="utf-8")
        try:
            fcntl.flock(self._begun, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.load()
            self._answers = path.open("a", encoding="utf-8")
        except BaseException as error:
            self._begun.close()
            if not isinstance(error, BlockingIOError):
                raise
            raise ValueError(
                f"another batch is writing {path}; wait for its end, or stop it"
            ) from error

    def load(self) -> None:
        """What is settled, what it cost, and which runs can go on."""
        path = self.path
        os.truncate(self.beside, whole(self.beside))
        self.settled: dict[str, str] = {}  # id → question
        self.spent = Usage()
        begun: list[tuple[str, str]] = []
        kept: list[dict[str, Any]] = []
        rows = [*objects(path)]
        try:
            begun += [(row["id"], row["run"]) for row in objects(self.beside)]
            for row in rows:
                if row["why"] in OPEN:
                    if row["run"] and (row["id"], row["run"]) not in begun:
                        begun.append((row["id"], row["run"]))
                        self.note(row["id"], row["run"])
                else:
                    self.spent += Usage(**row["spent"])
                    self.settled[row["id"]] = row["question"]
                    kept.append(row)
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"{path} holds something else than answers of a batch ({error!r}); give another "
                "file, or move this one away"
            ) from error
        over = {row["run"] for row in kept}
        self.runs = {id: run for id, run in begun if run not in over}  # those that can go on
        self.named, self.told = {run for _, run in begun}, over  # beside; among the answers
        for run in self.named - over - {*self.runs.values()}:  # left for another question's
            with suppress(ValueError):  # without a trace nobody knows
                self.spent += account(run)[1]
        if len(kept) < len(rows) or (path.exists() and not path.read_bytes().endswith(b"\n")):
            part = path.with_name(path.name + ".part")
            part.write_text("".join(map(line_of, kept)), "utf-8")
            part.replace(path)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._begun.close()

    def begin(self, item: Item, run: str) -> None:
        """Note the run of a question before its first call."""
        self.named.add(run)
        self.note(item.id, run)

    def note(self, id: str, run: str) -> None:
        """Keep whose run it is, whatever happens."""
        self._begun.write(line_of({"id": id, "run": run}))
        self._begun.flush()

    def write(self, row: Row) -> None:
        """An answer, on disk when this returns."""
        self.told.add(row.result.run if row.result else "")
        self._answers.write(line_of(told(row)))
        self._answers.flush()
        os.fsync(self._answers.fileno())

    def tidy(self) -> None:
        """Where the answers name every run themselves, nothing else need be kept."""
        if self.named <= self.told:
            self.beside.unlink(missing_ok=True)


def objects(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, if there is one; a last line that was never finished is no object."""
    if not path.exists():
        return
    *lines, _ = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ValueError(
                f"{path}, line {number}, is no answer of a batch; give another file, or move this "
                "one away"
            )
        yield cast(dict[str, Any], found)


def told(row: Row) -> dict[str, Any]:
    """A row as it is written: what --json prints of one question, its id, and all that was spent."""
    empty = {"answer": None, "why": row.why, "samples": 0, "run": ""}
    found = report(row.result, thoughts=False) if row.result else empty
    fields = {name: n for name in Usage.__slots__ if (n := getattr(row.usage, name))}
    return {
        "id": row.item.id, "question": row.item.question, **found, "spent": fields, **({"error": row.error} if row.error else {})
    }  # fmt: skip


def line_of(row: dict[str, Any]) -> str:
    """One line of JSON; halves of surrogate pairs, which no file can hold, are escaped."""
    told = json.dumps(row, ensure_ascii=False)
    return told.encode("utf-8", "backslashreplace").decode() + "\n"
