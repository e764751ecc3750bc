"""The answers of a batch on disk, which are its ledger: what is settled, what it cost, whose run is whose."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import Any, cast

from system2.batch import OPEN, Item, Row
from system2.cli.ask import report
from system2.cli.terminal import quoted
from system2.core import Price, Problem, Usage
from system2.resuming import account
from system2.store import whole

BEGIN = b'{"id": '  # of every line of ours
BREAKS = "\u2028\u2029"  # ends of lines to some readers


class Ledger:
    """The file of answers, one object a line, and beside it which run is whose while they go on.

    The last line of an id is what holds. Raises ValueError where the file holds something else, which is
    never written over, where another process writes it, or where it was bought at another price.
    """

    def __init__(self, path: Path, price: Price | None = None) -> None:
        path = path.resolve()  # one file, however it is called, is one ledger
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no regular file; give another one for the answers")
        self.path, self.beside = path, path.with_name(path.name + ".runs")
        self.price = "" if price is None else str(price)
        objects(path)  # before anything is made beside what may be somebody's notes
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
        """What is settled, what everything cost, and which runs can go on."""
        for path in (self.path, self.beside):
            if path.exists():
                os.truncate(path, whole(path))
        self.rows: dict[str | int, dict[str, Any]] = {row["id"]: row for row in objects(self.path)}
        self.settled = {
            id: row["question"] for id, row in self.rows.items() if row["why"] not in OPEN
        }
        self.spent = Usage()
        self.faults: list[str] = []
        self.asked: dict[str, str] = {}  # run → its question, of runs that can go on
        latest: dict[str, dict[str, Any]] = {}  # run → its last line
        for row in objects(self.path):
            latest[row["run"]] = row
        named = {row["run"]: row["id"] for row in objects(self.beside)}
        self.owners = {run: row["id"] for run, row in latest.items() if run} | named
        for run in self.owners:
            self.book(run, latest.get(run))

    def book(self, run: str, row: dict[str, Any] | None) -> None:
        """Count what a run has cost: by its line if it is settled, else by its trace."""
        if row and row["why"] not in OPEN:
            self.spent += usage_of(row)
            self.same_price(row)
            return
        try:
            self.asked[run], spent = account(run)
        except (ValueError, OSError) as error:
            spent = usage_of(row) if row else Usage()
            self.faults.append(f"what the run {run} has cost is known in part only ({error})")
        self.spent += spent
        if row:
            self.same_price(row)

    def same_price(self, row: dict[str, Any]) -> None:
        """Raises ValueError where a line was bought at another price than today's."""
        then = row.get("price", self.price)
        if then != self.price and usage_of(row).calls:
            raise ValueError(
                f"{self.path} was bought at a price of {then or 'nobody knows what'}, and now "
                f"{self.price or 'none'} is given; its dollars would not add up: give the same "
                "price, or another file"
            )

    def run_of(self, item: Item) -> str | None:
        """The last run of this very question that can go on."""
        fitting = [
            run
            for run, id in self.owners.items()
            if id == item.id and self.asked.get(run) == Problem.of(item.question).question
        ]
        return fitting[-1] if fitting else None

    def failed(self, item: Item) -> bool:
        """Did this question fail before? It comes last then: others must have their turn."""
        return self.rows.get(item.id, {}).get("why") == "failed"

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self.compact()
        self._begun.close()

    def begin(self, item: Item, run: str) -> None:
        """Note the run of a question before its first call."""
        self.owners[run] = item.id
        self.note(run)

    def note(self, run: str) -> None:
        """Keep whose run it is, whatever happens."""
        self._begun.write(line_of({"id": self.owners[run], "run": run}))
        self._begun.flush()

    def write(self, row: Row) -> None:
        """An answer, on disk when this returns. One that was bought stays until there is another."""
        before = self.rows.get(row.item.id, {})
        if not row.result and before.get("run") and before["question"] == row.item.question:
            return
        self.rows[row.item.id] = told(row, self.price)
        self._answers.write(line_of(self.rows[row.item.id]))
        self._answers.flush()
        os.fsync(self._answers.fileno())

    def compact(self) -> None:
        """Keep one line an id; what they do not name stands beside them."""
        told = {row["run"] for row in self.rows.values()}
        beside = {row["run"] for row in objects(self.beside)}
        for run in self.owners.keys() - told - beside:  # what it has cost must not be forgotten
            self.note(run)
        if len(objects(self.path)) > len(self.rows):
            part = self.path.with_name(self.path.name + ".part")
            with part.open("w", encoding="utf-8") as file:
                file.writelines(map(line_of, self.rows.values()))
                file.flush()
                os.fsync(file.fileno())
            shutil.copymode(self.path, part)
            part.replace(self.path)
        if self.owners.keys() <= told:
            self.beside.unlink(missing_ok=True)


def objects(path: Path) -> list[dict[str, Any]]:
    """The lines of answers, or of runs. A last one that was never finished is none, if it began as one.

    Raises ValueError at the first that is neither.
    """
    found: list[dict[str, Any]] = []
    if not path.exists():
        return found
    *lines, last = path.read_bytes().split(b"\n")
    begun = last.startswith(BEGIN) or BEGIN.startswith(last)
    for number, line in enumerate(lines if begun else [*lines, last], 1):
        try:
            found.append(row_of(line, answer=path.suffix != ".runs"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{path}, line {number}, is no answer of a batch; give another file, or move this "
                "one away"
            ) from error
    return found


def row_of(line: bytes, *, answer: bool) -> dict[str, Any]:
    """A line read back. Raises ValueError, KeyError, TypeError, AttributeError where it is none of ours."""
    row = cast(dict[str, Any], json.loads(line))
    texts = [row["run"], *((row["why"], row["question"]) if answer else ())]
    if not isinstance(row["id"], str | int) or not all(isinstance(text, str) for text in texts):
        raise TypeError("a name is a text")
    if answer:
        usage_of(row)
    return row


def usage_of(row: dict[str, Any]) -> Usage:
    """What a line says was spent. Raises KeyError, TypeError, ValueError where it says nothing sensible."""
    spent = row["spent"]
    if any(not isinstance(n, int) or n < 0 for n in spent.values()):
        raise ValueError("what was spent is a number of tokens")
    return Usage(**spent)


def told(row: Row, price: str) -> dict[str, Any]:
    """A row as it is written: what --json prints of one question, its id, and all that was spent."""
    empty = {"answer": None, "why": row.why, "samples": 0, "run": ""}
    found = report(row.result, thoughts=False) if row.result else empty
    fields = {name: n for name in Usage.__slots__ if (n := getattr(row.usage, name))}
    faults = {"error": row.error} if row.error else {}
    return {
        "id": row.item.id, "question": row.item.question, **found, "spent": fields, "price": price, **faults
    }  # fmt: skip


def line_of(row: dict[str, Any]) -> str:
    """One line of JSON; what no file can hold, or a terminal or reader of lines would obey, is escaped."""
    told = quoted(json.dumps(row, ensure_ascii=False))
    for mark in BREAKS:
        told = told.replace(mark, f"\\u{ord(mark):04x}")
    return told.encode("utf-8", "backslashreplace").decode() + "\n"
