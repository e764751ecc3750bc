"""Game of 24, games 900–949, on recorded GPT-4 calls: solved and dollars, beside the recorded tree of thoughts.

    SYSTEM2_DATA=FOLDER python benchmarks/game24.py [--seeds 20] [--seed 1] [--json FILE]

Bar: at least as many solved as the recorded search, at half of its cost. Every call is paid for, also
one that was never recorded, which brings nothing. The checker is exact, and free. What a strategy
may not see: which states were recorded, and which games were solved.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import mean, stdev

from recorded24 import (
    BATCH,
    VALUE,
    VERDICTS,
    Game,
    Rates,
    Recording,
    after,
    load,
    numbers,
    tokens,
)

from system2.core import (
    CallFailed,
    Chain,
    Expand,
    Meter,
    Node,
    Plan,
    Price,
    Problem,
    Request,
    Step,
    Strategy,
    Style,
    Tree,
    Write,
    never,
)
from system2.engine import Engine
from system2.search import all_of, beam, best, cascade, depth_first, rebase, solved
from system2.verifiers import reaches

PRICE = Price(Decimal(30), Decimal(60))  # dollars a million tokens, as the recorded run counts
FAN = 64  # a recorded call brings all next moves together
PICK = "20 chains, then depth first"


class Moves:
    """Scores moves by exact arithmetic, answers by the checker, and unfinished lines by recorded votes.

    0: not exactly right, or the same numbers were left before. Else 0.5, or with `votes` what the
    recorded verdicts say, from 0 to 1; those are paid for, once for the same numbers.
    """

    def __init__(self, given: Sequence[int], *, votes: bool) -> None:
        self.given, self.votes = given, votes
        self.met: dict[object, tuple[str, ...]] = {}

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """One score a chain."""
        return [await self.one(problem, chain, write) for chain in chains]

    async def one(self, problem: Problem, chain: Chain, write: Write) -> float | None:
        """The score of a chain."""
        last = chain[-1]
        if last.final:
            return float(reaches(last.answer or "", self.given, 24))
        if last.state is None:
            return 0.0
        path = tuple(step.text for step in chain)
        if self.met.setdefault(numbers(last.state), path) != path:
            return 0.0
        if not self.votes or len(last.state) == 1:
            return 0.5
        ask = Request(problem, chain, 3, "answer", 200, (1, 2, 3), style=Style(VALUE))
        try:
            told = [other[-1].text for other in (await write(ask)).chains]
        except CallFailed:
            return None
        worth = dict(zip(VERDICTS, (1.0, 0.05, 0.00005), strict=True))
        return sum(worth.get(text, 0.0) for text in told) / 3


def same(node: Node, step: Step) -> object:
    """Moves that leave the same numbers are one, and so are lines with the same answer."""
    if step.final:
        return step.answer or step.text
    return step.text if step.state is None else numbers(step.state)


def chains(count: int) -> Strategy:
    """Whole chains, as many in a call as were recorded together."""

    def plan(tree: Tree) -> Plan:
        for begun in range(0, count, BATCH):
            n = min(BATCH, count - begun)
            yield from all_of([Expand(tree.root, n, "answer", verify=True)])

    return Strategy(plan, best, by_calls, same)


def by_calls(tree: Tree) -> int:
    """Stop at the first right answer; a chain more costs little in a call of BATCH, so ask for that."""
    return 0 if solved()(tree) == 0 else BATCH


def deep(floor: float) -> Strategy:
    """Depth first over all that is above the floor."""
    return depth_first(FAN, floor, key=same)


@dataclass(frozen=True)
class Run:
    """A strategy; with votes or without; the answer composed from the moves, or written by GPT-4."""

    strategy: Strategy
    votes: bool = False
    composes: bool = True
    chance: bool = False  # does it hang on the order of the chains?


RUNS = {
    "1 chain": Run(chains(1), chance=True),
    "20 chains": Run(chains(20), chance=True),
    "100 chains": Run(chains(100), chance=True),
    "beam 5, votes: the recorded search again": Run(
        beam(5, FAN, choose=best, need=never, key=same), votes=True, composes=False
    ),
    "beam 5, votes, stops when solved": Run(beam(5, FAN, need=solved(), key=same), votes=True),
    "beam 5": Run(beam(5, FAN, need=solved(), key=same)),
    "rebase 64, votes": Run(rebase(FAN, need=solved(), key=same), votes=True),
    "depth first, votes": Run(deep(0.0001), votes=True),
    "depth first": Run(deep(0.5)),
    PICK: Run(cascade(chains(20), deep(0.5), choose=best, need=by_calls), chance=True),
    f"{PICK}, answers by GPT-4": Run(
        cascade(chains(20), deep(0.5), choose=best, need=by_calls), composes=False, chance=True
    ),
    "20 chains, then beam 5, votes": Run(
        cascade(chains(20), beam(5, FAN, key=same), choose=best, need=by_calls),
        votes=True,
        chance=True,
    ),
}


def play(game: Game, rates: Rates, run: Run, seed: int) -> tuple[bool, Decimal, int, int]:
    """Solved?, dollars, calls, misses."""
    given = [int(number) for number in numbers(game.start)]
    policy = Recording(game, rates, seed, composes=run.composes)
    meter = Meter(price=PRICE)
    problem = Problem.of(f"Use {', '.join(map(str, given))} to make 24")
    engine = Engine(
        problem, run.strategy, policy, meter, verifier=Moves(given, votes=run.votes), seed=seed
    )
    end = asyncio.run(engine.run())
    assert not engine.faults and end.why != "failed", (end.why, engine.faults)
    right = reaches(end.answer or "", given, 24)
    return right, meter.cost or Decimal(0), meter.usage.calls, policy.misses


def about(figures: list[float], digits: int) -> str:
    """Mean, and half of its 95 % interval where there are several."""
    if len(figures) < 2:
        return f"{figures[0]:.{digits}f}"
    return f"{mean(figures):.{digits}f} ± {1.96 * stdev(figures) / len(figures) ** 0.5:.{digits}f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Game of 24 on recorded calls")
    parser.add_argument("--seeds", type=int, default=20, help="orders of the recorded chains")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--json", help="also write the numbers here")
    given = parser.parse_args()
    folder = os.environ.get("SYSTEM2_DATA")
    if not folder:
        print("SYSTEM2_DATA is not set: it names the folder of the recorded games")
        return
    games, rates, recorded = load(Path(folder))
    theirs = sum(any(info["r"] for info in tree["infos"]) for tree in recorded)
    cost = Decimal(str(recorded[-1]["usage_so_far"]["cost"]))
    counted = sum(tokens(text) for game in games for text in game.chains)
    print(
        f"prompts of {rates.propose} (moves), {rates.answer} (answer), {rates.value} (value) tokens, "
        f"fitted to ±{rates.error:.1%}; a value's verdicts {rates.verdicts} tokens, a miss "
        f"{rates.miss}; chains {counted:,} tokens\n"
    )
    print(
        f"| strategy | solved of {len(games)} (bar {theirs}) | dollars (bar {cost / 2:.2f}) | calls | misses | |"
    )
    print("|---|---|---|---|---|---|")
    print(f"| recorded tree of thoughts | {theirs} | {cost:.2f} | | | |")
    composed = sum(
        any(
            numbers(after(game, new) or ()) == (24,)
            for step in tree["steps"]
            for new in step["new_ys"]
        )
        for game, tree in zip(games, recorded, strict=True)
    )
    print(f"| … with answers composed from its moves | {composed} | | | | |")
    rows: list[dict[str, object]] = []
    for name, run in RUNS.items():
        seeds = range(given.seed, given.seed + (given.seeds if run.chance else 1))
        ends = [[play(game, rates, run, seed) for game in games] for seed in seeds]
        right, paid, calls, misses = (
            [float(sum(one[at] for one in end)) for end in ends] for at in range(4)
        )
        met = sum(r >= theirs and p <= cost / 2 for r, p in zip(right, paid, strict=True))
        verdict = "met" if met == len(ends) else f"met by {met} of {len(ends)}" if met else "MISSED"
        rows.append({"strategy": name, "solved": right, "dollars": paid, "verdict": verdict})
        print(
            f"| {'**' + name + '**' if name == PICK else name} | {about(right, 1)} | "
            f"{about(paid, 2)} | {mean(calls):.0f} | {mean(misses):.0f} | {verdict} |",
            flush=True,
        )
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
