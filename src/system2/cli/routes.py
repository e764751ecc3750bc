"""`system2 routes`: questions with known answers teach a router how much a question deserves."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from random import Random
from typing import Any, cast

from system2.batch import Batch, Item, Row, pot_of
from system2.cli.batch import MOST, Screen, read, spendable, until_stopped
from system2.cli.options import settings
from system2.cli.terminal import shown
from system2.core import FREE, Strategy, Tree, Usage
from system2.effort import checked_or_voted, pilot, unrefuted, ways_of
from system2.routing import STOP, Outcome, Signs, explore, learn, save, signs
from system2.search import routed, solved
from system2.solve import is_url
from system2.verifiers import canonical

FEWEST = 30  # outcomes, below which nothing is said


def routes(options: argparse.Namespace) -> int:
    """Answer them all, learn, write; exit status 0, or 130 when interrupted before enough was seen."""
    source, target = Path(options.input), Path(options.output)
    items, faults = read(source)
    golds, missing = answers(source, items)
    for fault in [*faults, *missing]:
        sys.stderr.write(f"system2: {shown(fault)}\n")
    items = [item for item in items if item.id in golds]
    if len(items) < FEWEST:
        raise ValueError(
            f"{source} has {len(items)} questions with an answer; at least {FEWEST} are needed, and "
            "some hundreds are better"
        )
    if options.most < 1:
        raise ValueError(f"--most must be at least 1, {options.most} was given")
    target.touch()  # what cannot be written is said before anything is spent
    given, budget = settings(options), spendable(options)
    for name in ("tokens", "dollars", "seconds"):
        given.pop(name, None)
    local = not is_url(given.get("model", ""))
    if local:
        given.setdefault("price", FREE)
    explorer = Explorer(options.most, options.seed or 0, embedded=local)
    given["strategy"], given["trace"] = explorer.strategy, False
    pot = pot_of(budget, given, Usage())
    screen = Screen(len(items), 0)
    sys.stderr.write(f"system2: {screen.begun(budget, 0)}\n")
    found: list[Outcome] = []

    def tell(row: Row) -> None:
        screen.show(row)
        if outcome := explorer.outcome(row, golds[row.item.id]):
            found.append(outcome)

    batch = Batch(given, pot, {}, lambda item, run: None, tell, options.parallel)
    left = asyncio.run(until_stopped(batch, items, screen))
    screen.clear()
    if len(found) < FEWEST:
        raise ValueError(
            f"only {len(found)} questions came to an end; at least {FEWEST} are needed: give more budget"
        )
    save(learn(found), target)
    right = sum(one.right for one in found) / len(found)
    sys.stderr.write(
        f"system2: {len(found)} outcomes, {right:.0%} right, {pot.usage.completion:,} tokens; the routes are in "
        f"{target}{f'; {len(left)} questions were not asked' if left else ''}\n"
    )
    return 130 if batch.ending == "interrupted" else 0


class Explorer:
    """A strategy that goes on at random after its pilot, and remembers what it saw and did."""

    def __init__(self, most: int, seed: int, *, embedded: bool) -> None:
        self.ways, self.most, self.rng = ways_of(embedded=embedded), most, Random(seed)
        self.seen: dict[Tree, tuple[Signs, str, int, int]] = {}
        self.strategy = routed(pilot(), self.pick, choose=checked_or_voted, need=solved())

    def pick(self, tree: Tree) -> Strategy | None:
        """The next way, drawn at random."""
        way, size = explore(self.ways, self.most, self.rng)
        self.seen[tree] = signs(tree, unrefuted), way, size, spent(tree)
        return None if way == STOP else self.ways[way](size)

    def outcome(self, row: Row, gold: str) -> Outcome | None:
        """What a question taught; None: it ended before its pilot did, or by its budget."""
        tree = row.result.tree if row.result else None
        if tree is None or tree not in self.seen or not row.settled:
            return None
        seen, way, size, before = self.seen.pop(tree)
        answer = row.result.answer if row.result else None
        right = answer is not None and canonical(answer) == canonical(gold)
        return Outcome(seen, way, size, max(0, row.usage.completion - before), right)


def spent(tree: Tree) -> int:
    """Completion tokens of all arrivals."""
    return sum(node.step.tokens * node.count for node in tree.nodes if node.step)


def answers(source: Path, items: list[Item]) -> tuple[dict[str | int, str], list[str]]:
    """The right answers by id, and what is wrong with lines that have none."""
    golds: dict[str | int, str] = {}
    faults: list[str] = []
    known = {item.id for item in items}
    for number, line in enumerate(source.read_bytes()[:MOST].splitlines(), 1):
        try:
            row = cast(dict[str, Any], json.loads(line.decode("utf-8-sig")))
            id, answer = row.get("id", number), row["answer"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            if number in known:
                faults.append(f'{source}, line {number}: it has no "answer"; the line is left out')
            continue
        if id in known and isinstance(answer, str | int | float) and not isinstance(answer, bool):
            golds.setdefault(id, str(answer))
    return golds, faults
