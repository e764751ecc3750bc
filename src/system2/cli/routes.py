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
from system2.cli.batch import Screen, parsed, read, spendable, until_stopped
from system2.cli.options import settings
from system2.cli.terminal import shown
from system2.core import FREE, Strategy, Tree, Usage
from system2.effort import PILOT, checked_or_voted, pilot, unrefuted, verified, ways_of
from system2.options import LIMIT, is_url
from system2.routing import STOP, Outcome, Signs, explore, learn, save, signs
from system2.search import routed
from system2.verifiers import canonical

FEWEST = 30  # outcomes, below which nothing is said


def routes(options: argparse.Namespace) -> int:
    """Answer them all, learn, write; exit status 0, or 130 when it was interrupted and wrote what there is."""
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
    if target.exists() and (target.samefile(source) or not target.is_file()):
        raise ValueError(f"{target} cannot hold the routes; give another file for them")
    given, budget = settings(options), spendable(options)
    for name in ("dollars", "seconds"):
        given.pop(name, None)
    given["tokens"] = LIMIT  # a question's own cap would leave long lines out of what is learnt
    local = not is_url(given.get("model", ""))
    if local:
        given.setdefault("price", FREE)
    explorer = Explorer(options.most, options.seed or 0, embedded=local)
    given["strategy"], given["trace"] = explorer.strategy, False
    pot = pot_of(budget, given, Usage())
    screen = Screen(len(items), 0)
    sys.stderr.write(f"system2: {screen.begun(budget, 0)}\n")
    outcomes: list[Outcome] = []
    with target.open(
        "a", encoding="utf-8"
    ):  # what cannot be written is said before anything is spent
        pass

    def tell(row: Row) -> None:
        screen.show(row)
        if outcome := explorer.outcome(row, golds[row.item.id]):
            outcomes.append(outcome)

    batch = Batch(given, pot, {}, lambda item, run: None, tell, options.parallel, shared=False)
    try:
        left = asyncio.run(until_stopped(batch, items, screen))
        screen.clear()
        if len(outcomes) < FEWEST:
            raise ValueError(
                f"only {len(outcomes)} questions taught something ({explorer.solved} were settled by their "
                f"first {PILOT} lines); at least {FEWEST} are needed: give more questions, or more budget"
            )
        part = target.with_name(target.name + ".part")
        save(learn(outcomes), part)
        part.replace(target)
    finally:
        if target.exists() and not target.stat().st_size:
            target.unlink()
    right = sum(one.right for one in outcomes) / len(outcomes)
    asked = f"; {len(left)} questions were not asked" if left else ""
    sys.stderr.write(
        f"system2: {len(outcomes)} outcomes, {right:.0%} right, {pot.usage.completion:,} tokens; the routes are in "
        f"{target}{asked}\n"
    )
    return 130 if batch.ending == "interrupted" else 0


class Explorer:
    """A strategy that goes on at random after its pilot, and remembers what it saw and did.

    solved  questions whose pilot already settled them: there is nothing to route
    """

    def __init__(self, most: int, seed: int, *, embedded: bool) -> None:
        self.ways, self.most, self.rng = ways_of(embedded=embedded), most, Random(seed)
        self.seen: dict[Tree, tuple[Signs, str, int, int]] = {}
        self.solved = 0
        self.strategy = routed(pilot(), self.pick, choose=checked_or_voted, need=verified)

    def pick(self, tree: Tree) -> Strategy | None:
        """The next way, drawn at random."""
        way, size = explore(self.ways, self.most, self.rng)
        self.seen[tree] = signs(tree, unrefuted), way, size, spent(tree)
        return None if way == STOP else self.ways[way](size)

    def outcome(self, row: Row, gold: str) -> Outcome | None:
        """What a question taught; None: its pilot settled it, or it ended before its way did."""
        found = self.seen.pop(row.result.tree, None) if row.result else None
        self.solved += found is None and row.settled
        if found is None or row.result is None or not row.settled:
            return None
        seen, way, size, before = found
        answer = row.result.answer
        right = answer is not None and canonical(answer) == canonical(gold)
        return Outcome(seen, way, size, max(0, row.usage.completion - before), right)


def spent(tree: Tree) -> int:
    """Completion tokens of all arrivals."""
    return sum(node.step.tokens * node.count for node in tree.nodes if node.step)


def answers(source: Path, items: list[Item]) -> tuple[dict[str | int, str], list[str]]:
    """The right answers by id, and what is wrong with lines that have none."""
    golds: dict[str | int, str] = {}
    faults: list[str] = []
    wanted = {item.id for item in items}
    for number, line in enumerate(source.read_bytes().splitlines(), 1):
        try:
            item = parsed(line.decode("utf-8-sig"), number)
        except ValueError:
            continue  # told by `read`
        if item.id not in wanted:
            continue  # a second line of an id
        wanted.discard(item.id)
        found: Any = json.loads(line.decode("utf-8-sig"))
        answer = cast(dict[str, Any], found).get("answer") if isinstance(found, dict) else None
        if isinstance(answer, str | int | float) and not isinstance(answer, bool):
            golds[item.id] = str(answer)
        else:
            faults.append(f'{source}, line {number}: it has no "answer"; the line is left out')
    return golds, faults
