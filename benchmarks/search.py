"""Strategies against weighted best-of-n, on the tokens of 1, 2, 4, … samples, where the truth is known.

    python benchmarks/search.py [--questions 100] [--most 6] [--seed 1] [--only NAME,NAME] [--json FILE]

The world is that of simulator.py. Every strategy has the same cap on tokens, the same questions, the
same verifier, and answers with the vote weighed by its scores; differences to best-of-n are paired
by question, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

sys.path.insert(0, str(Path(__file__).parent))
from simulator import AUCS, RIGHT, View, World, Writer, tokens_of_a_line, worlds

from system2.core import Budget, Meter, Node, Problem, Strategy
from system2.engine import Engine
from system2.search import (
    adaptive,
    beam,
    best,
    best_of,
    depth_first,
    dvts,
    halving,
    majority,
    mcts,
    particles,
    rebase,
    weighted,
)

LENGTH = World("", 0.0).length


def scored(node: Node) -> float:
    """The verifier's score."""
    return node.score or 0.0


VOTE = weighted(scored)

# What each makes of the tokens of n samples.
STRATEGIES: dict[str, Callable[[int], Strategy]] = {
    "best-of-n, weighted vote": lambda n: best_of(n, choose=VOTE),
    "best-of-n, vote": lambda n: best_of(n, choose=majority),
    "best-of-n, best": lambda n: best_of(n, choose=best),
    "beam": lambda n: beam(max(1, n // 4), min(n, 4), choose=VOTE),
    "dvts": lambda n: dvts(max(1, n // 4), min(n, 4), choose=VOTE),
    "rebase": lambda n: rebase(n, choose=VOTE),
    "particles": lambda n: particles(n, choose=VOTE),
    "mcts": lambda n: mcts(4, 8, simulations=n * LENGTH, choose=VOTE),
    "halving": lambda n: halving(n * LENGTH, min(n, 16), 4, choose=VOTE),
    "adaptive": lambda n: adaptive(n * LENGTH, choose=VOTE),
    "depth first": lambda n: depth_first(min(n, 4), 0.3, choose=VOTE, need=lambda tree: None),
}
BASE = "best-of-n, weighted vote"


def right(world: World, strategy: Strategy, tokens: int, seed: int) -> bool:
    """Does the strategy come to the right answer?"""
    engine = Engine(
        Problem.of(world.name), strategy, Writer(world), Meter(Budget(tokens=tokens)),
        verifier=View(world), seed=seed,
    )  # fmt: skip
    return asyncio.run(engine.run()).answer == RIGHT


def interval(differences: list[float]) -> float:
    """Half of a 95 % interval of their mean."""
    return 1.96 * stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0


def main() -> None:
    """Print a table for each verifier."""
    parser = argparse.ArgumentParser(description="strategies on the simulator")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--most", type=int, default=6, help="budgets of 2^0 … 2^most samples")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="strategies, with commas")
    parser.add_argument("--auc", type=float, nargs="+", default=AUCS)
    parser.add_argument("--json", help="also write the numbers here")
    given = parser.parse_args()
    names = [name for name in STRATEGIES if not given.only or name in given.only.split(",")]
    names = [BASE, *(name for name in names if name != BASE)]
    rows: list[dict[str, object]] = []
    for auc in given.auc:
        print(
            f"\nverifier AUC {auc}: per cent right with the tokens of n samples (paired difference)"
        )
        print(f"{'':26}" + "".join(f"{2**k:>15}" for k in range(given.most + 1)))
        base: dict[int, list[bool]] = {}
        for name in names:
            cells: list[str] = []
            for k in range(given.most + 1):
                found: list[bool] = []
                for n, world in enumerate(worlds(given.questions, auc, given.seed)):
                    cap = round(tokens_of_a_line(world) * 2**k * 1.02)
                    seed = random.Random(f"{given.seed} {n} {k}").getrandbits(32)
                    found.append(right(world, STRATEGIES[name](2**k), cap, seed))
                base.setdefault(k, found)
                apart = [float(a) - b for a, b in zip(found, base[k], strict=True)]
                note = (
                    ""
                    if name == BASE
                    else f" ({100 * mean(apart):+.0f}±{100 * interval(apart):.0f})"
                )
                cells.append(f"{100 * mean(found):.0f}{note}")
                rows.append({"auc": auc, "strategy": name, "samples": 2**k, "right": mean(found),
                             "apart": mean(apart), "interval": interval(apart)})  # fmt: skip
            print(f"{name:26}" + "".join(f"{cell:>15}" for cell in cells), flush=True)
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
