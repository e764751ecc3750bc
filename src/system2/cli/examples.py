"""`system2 examples`: worked examples out of a file of questions, thought through by the model that will read them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from system2.auto_cot import Chosen, auto_cot
from system2.cli.batch import read
from system2.cli.options import settings
from system2.cli.terminal import shown
from system2.demonstrations import Demonstration


def examples(options: argparse.Namespace) -> int:
    """Write them; exit status 0 if every kind of question has one, else 1."""
    items, faults = read(Path(options.input))
    for fault in faults:
        sys.stderr.write(f"system2: {shown(fault)}\n")
    given = settings(options)
    target = Path(options.out)
    count = 0
    with target.open("x", encoding="utf-8") as file:  # what was paid for is not written over

        def tell(example: Demonstration) -> None:
            nonlocal count
            count += 1
            file.write(example.line() + "\n")
            file.flush()
            sys.stderr.write(f"system2: {count} of {options.k}: {shown(first(example.question))}\n")

        try:
            found = auto_cot([item.question for item in items], options.k, tell=tell, **given)
        finally:
            if not count:
                target.unlink()
    sys.stderr.write(f"system2: {told(found, options.k, options.out)}\n")
    return 0 if len(found.examples) == options.k and not faults else 1


def first(question: str) -> str:
    """A question in a line of progress."""
    text = " ".join(question.split())
    return text if len(text) <= 60 else text[:59] + "…"


def told(found: Chosen, k: int, out: str) -> str:
    """What came of it, and what it cost."""
    cost = "price unknown" if found.cost is None else f"${found.cost:.6f}" if found.cost else "free"
    lines = f"{len(found.examples)} of {k} examples"
    lines += f" in {out}" if found.examples else ""
    lines += (
        f"; {found.thought} questions thought through, {found.usage.completion:,} tokens, {cost}"
    )
    if found.empty:
        lines += f"; {found.empty} kinds of question had no chain simple enough"
    return lines + (f"; ended: {found.ended}" if found.ended else "")
