"""`system2 batch`: a file of questions to a file of answers, on one budget. Stopped, the same command goes on.

The answers are their own ledger: what stands there is settled, and what it cost counts as spent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any, cast

from system2.batch import Batch, Item, Row, pot_of
from system2.cli.ledger import Ledger
from system2.cli.options import settings
from system2.cli.terminal import shown
from system2.core import FREE, Budget
from system2.options import LIMIT, amount, is_url

MOST = 1 << 30  # bytes of a file of questions


def batch(options: argparse.Namespace) -> int:
    """Answer them all; exit status 0 if every question is settled, 1 if not, 130 when interrupted."""
    source, target = Path(options.input), Path(options.output)
    items, faults = read(source)
    for fault in faults:
        sys.stderr.write(f"system2: {shown(fault)}\n")
    given, budget = settings(options), spendable(options)
    for name in ("tokens", "dollars", "seconds"):
        given.pop(name, None)  # of all questions together
    if not is_url(given.get("model", "")):
        given.setdefault("price", FREE)
    if target.exists() and target.samefile(source):
        raise ValueError(f"{target} holds the questions; give another file for the answers")
    with Ledger(target, given.get("price")) as ledger:
        for fault in ledger.faults:
            sys.stderr.write(f"system2: {shown(fault)}\n")
        open_items = [item for item in items if ledger.settled.get(item.id) != item.question]
        open_items.sort(key=ledger.failed)
        runs = {item.id: run for item in open_items if (run := ledger.run_of(item))}
        pot = pot_of(budget, given, ledger.spent)
        screen = Screen(len(items), len(items) - len(open_items))
        sys.stderr.write(f"system2: {screen.begun(budget, len(faults))}\n")

        def tell(row: Row) -> None:
            ledger.write(row)
            screen.show(row)

        batch = Batch(given, pot, runs, ledger.begin, tell, options.parallel)
        asyncio.run(until_stopped(batch, open_items, screen))
        left = sum(ledger.settled.get(i.id) != i.question for i in open_items) - screen.settled
    screen.end(left, target, batch.ending)
    if batch.ending == "interrupted":
        return 130
    return 0 if not left and not faults else 1


def spendable(options: argparse.Namespace) -> Budget:
    """The budget of all questions together. Raises ValueError."""
    if options.tokens is not None and not 1 <= options.tokens <= LIMIT:
        raise ValueError(
            f"--tokens must be at least 1 and at most {LIMIT:,}, something else was given"
        )
    if not 1 <= options.parallel <= 1000:
        raise ValueError(f"--parallel must be from 1 to 1000, {options.parallel} was given")
    if options.seconds is not None and not options.seconds > 0:
        raise ValueError(f"--seconds must be more than 0, {options.seconds} was given")
    dollars = None if options.dollars is None else amount(options.dollars, "--dollars")
    calls = options.at_once or (64 if is_url(options.model or "") else None)
    return Budget(options.tokens, dollars, options.seconds, calls)


async def until_stopped(batch: Batch, items: list[Item], screen: Screen) -> list[Item]:
    """Run; the first Ctrl-C ends what is under way and keeps it, a second one ends it at once."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        batch.stop("interrupted")
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, interrupted)
    if (seconds := batch.pot.budget.seconds) is not None:
        loop.call_later(seconds, batch.stop, "time")
    ticking = asyncio.create_task(screen.tick(batch))
    try:
        return await batch.run(items)
    finally:
        ticking.cancel()


# ---------------------------------------------------------------- questions


def read(path: Path) -> tuple[list[Item], list[str]]:
    """Questions of a JSON Lines file, and what is wrong with lines that hold none. Raises ValueError, OSError.

    A line is a text, or an object with "question" and, if wanted, "id"; the id is else the line's number.
    """
    if path.stat().st_size > MOST:
        raise ValueError(f"{path} has more than {MOST:,} bytes; split it")
    items: dict[str | int, Item] = {}
    faults: list[str] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = parsed(line.decode("utf-8-sig"), number)
        except ValueError as error:
            faults.append(f"{path}, line {number}: {error}; the line is left out")
            continue
        if item.id in items:
            faults.append(
                f"{path}, line {number}: the id {str(item.id)[:40]!r} was there before; left out"
            )
            continue
        items[item.id] = item
    if not items:
        first = f" ({faults[0]})" if faults else ""
        raise ValueError(
            f'{path} holds no questions; every line is an object such as {{"question": "What is 17 * 23?"}}{first}'
        )
    return [*items.values()], faults


def parsed(line: str, number: int) -> Item:
    """The question of a line. Raises ValueError."""
    try:
        found: Any = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"no JSON ({error})") from error
    if isinstance(found, str):
        return Item(number, found)
    given = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    question, id = given.get("question"), given.get("id", number)
    if not isinstance(question, str):
        raise ValueError('expected an object with the text "question"')
    if not isinstance(id, str | int) or isinstance(id, bool):
        raise ValueError(f'"id" must be a text or a whole number, {str(id)[:40]} was given')
    return Item(id, question)


# ---------------------------------------------------------------- progress


class Screen:
    """How far it is, on standard error: a line that changes on a terminal, the end everywhere."""

    def __init__(self, items: int, done: int) -> None:
        self.items, self.done, self.before, self.began = items, done, done, time.monotonic()
        self.settled, self.answered, self.capped = 0, 0, False
        self.on = sys.stderr.isatty()

    def begun(self, budget: Budget, faults: int) -> str:
        """What is about to happen."""
        some = many(self.items, "question")
        some += f", {self.before:,} of them answered before" if self.before else ""
        caps = [
            many(budget.tokens, "token") if budget.tokens is not None else "",
            f"${budget.dollars}" if budget.dollars is not None else "",
            f"{budget.seconds:g} s" if budget.seconds is not None else "",
        ]
        cap = " and ".join(filter(None, caps))
        self.capped = bool(cap)
        left = f"; left out: {many(faults, 'line')}" if faults else ""
        return f"{some}; at most {cap} for all of them{left}" if cap else some + left

    def show(self, row: Row) -> None:
        """One more is settled, or had all the budget there was; what went wrong is said."""
        self.done += row.settled
        self.settled += row.settled
        self.answered += bool(row.result and row.result.answer is not None)
        for fault in filter(None, [row.error, *(row.result.faults if row.result else ())]):
            self.clear()
            sys.stderr.write(f"system2: question {shown(str(row.item.id)[:40])}: {shown(fault)}\n")

    def clear(self) -> None:
        """Make room for a sentence."""
        if self.on:
            sys.stderr.write("\r\x1b[2K")

    async def tick(self, batch: Batch) -> None:
        """Draw the line anew, four times a second."""
        while self.on:
            cost = batch.pot.cost
            money = f", ${cost:.4f}" if cost else ""
            sys.stderr.write(
                f"\r\x1b[2K{self.done:,} of {self.items:,} questions, {len(batch.under_way)} under way, "
                f"{batch.pot.usage.completion:,} tokens{money}, {time.monotonic() - self.began:.0f} s"
            )
            sys.stderr.flush()
            await asyncio.sleep(0.25)

    def end(self, left: int, target: Path, ending: str) -> None:
        """What came of it, and what to do next."""
        self.clear()
        told = f"{many(self.settled, 'question')} settled, {self.answered:,} with an answer"
        told += f", in {target}"
        if ending:
            told += f"; ended: {shown(ending)}"
        if left:
            more = ", with a larger budget where it is spent" if self.capped else ""
            told += f"; still open: {left:,}; the same command goes on with them{more}"
        sys.stderr.write(f"system2: {told}\n")


def many(count: int, noun: str) -> str:
    """`1 line`, `2,000 lines`."""
    return f"{count:,} {noun}" + "s" * (count != 1)
