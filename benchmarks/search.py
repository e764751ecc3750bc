"""Strategies against weighted best-of-n, on the tokens of 1, 2, 4, … samples, where the truth is known.

    python benchmarks/search.py [--seeds 20] [--questions 20] [--most 10] [--seed 1] [--length 8] [--only NAME,NAME [--alone]] [--json FILE]

The world is that of simulator.py; questions of more steps are harder. Every strategy has the same cap on
tokens, the same questions, the same verifier, and answers with the vote weighed by its scores. A question has
the same luck at every budget: the lines of a small one are among those of a greater one. Differences, to
best-of-n and to the budget before, are paired by question, with 95 % intervals over all questions. `routed`
is what the router chooses for the cap, after a pilot once the cap allows one; it has learnt from other questions
(ways.py). τ is Kendall's, between budget and accuracy: 1 where more never hurts; and again up to where the curve
flattens: the first budget beyond which no other brings a point more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path
from statistics import mean, stdev

sys.path.insert(0, str(Path(__file__).parent))
from simulator import AUCS, LENGTH, RIGHT, View, World, Writer, tokens_of_a_line, worlds
from ways import SMALL, TRAIN, VOTE, WAYS, learned, pilot

from system2.core import Budget, Meter, Problem, Strategy
from system2.engine import Engine
from system2.routing import Routes, router
from system2.search import (
    adaptive,
    best,
    best_of,
    depth_first,
    dvts,
    halving,
    majority,
    mcts,
    rebase,
)

BASE = "best-of-n, weighted vote"
TRIED = 256
"""Lines' worth that the router learns of; budgets go beyond, and it does not."""


def strategies(length: int) -> dict[str, Callable[[int], Strategy]]:
    """What each makes of the tokens of n samples of so many steps."""
    return {
        BASE: WAYS["lines"],
        "best-of-n, vote": lambda n: best_of(n, choose=majority),
        "best-of-n, best": lambda n: best_of(n, choose=best),
        "beam": WAYS["beam"],
        "dvts": lambda n: dvts(max(1, n // 4), min(n, 4), choose=VOTE),
        "rebase": lambda n: rebase(n, choose=VOTE),
        "particles": WAYS["particles"],
        "mcts": lambda n: mcts(4, length, simulations=n * length, choose=VOTE),
        "halving": lambda n: halving(n * length, min(n, 16), 4, choose=VOTE),
        "adaptive": lambda n: adaptive(n * length, choose=VOTE),
        "depth first": lambda n: depth_first(min(n, 4), 0.3, choose=VOTE, need=lambda tree: None),
    }


def right(world: World, strategy: Strategy, tokens: int, seed: int) -> bool:
    """Does the strategy come to the right answer?"""
    engine = Engine(
        Problem.of(world.name), strategy, Writer(world), Meter(Budget(tokens=tokens)),
        verifier=View(world), seed=seed,
    )  # fmt: skip
    return asyncio.run(engine.run()).answer == RIGHT


def chosen(routes: Routes, n: int, line: float) -> Strategy:
    """What the router does with the tokens of n lines: a pilot, if there is more than it takes."""
    if n <= SMALL:
        return WAYS["particles" if n > 1 else "lines"](n)
    left = partial(routes.within, tokens=(n - SMALL) * line)
    return router(routes, WAYS, pilot(), left, choose=VOTE)


def interval(values: Sequence[float]) -> float:
    """Half of a 95 % interval of their mean."""
    return 1.96 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def kendall(curve: Sequence[float]) -> float:
    """Kendall's τ-b between place and value."""
    pairs = [(a < b) - (a > b) for a, b in combinations(curve, 2)]
    apart = sum(map(abs, pairs))
    return sum(pairs) / (apart * len(pairs)) ** 0.5 if apart else 1.0


def flat(curve: Sequence[float]) -> int:
    """The first place beyond which no other is a hundredth higher."""
    return next(k for k, here in enumerate(curve) if max(curve[k:]) - here < 0.01)


def row(
    auc: float, strategy: Callable[[int, float], Strategy], given: argparse.Namespace
) -> list[list[float]]:
    """Was it right, at every budget (outer) and question (inner)?"""
    rights: list[list[float]] = [[] for _ in range(given.most + 1)]
    for seed in range(given.seed, given.seed + given.seeds):
        for n, world in enumerate(worlds(given.questions, auc, seed, given.length)):
            line = tokens_of_a_line(world)
            luck = random.Random(f"{seed} {n}").getrandbits(32)
            for k, found in enumerate(rights):
                cap = round(line * 2**k * 1.02)
                found.append(float(right(world, strategy(2**k, line), cap, luck)))
    return rights


def note(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """What the first have more than the second, in points."""
    apart = [a - b for a, b in zip(ours, theirs, strict=True)]
    return f"{100 * mean(apart):+.1f}±{100 * interval(apart):.1f}"


def main() -> None:
    """Print a table for each verifier."""
    parser = argparse.ArgumentParser(description="strategies on the simulator")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--questions", type=int, default=20, help="of each seed")
    parser.add_argument("--most", type=int, default=6, help="budgets of 2^0 … 2^most samples")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--length", type=int, default=LENGTH, help="steps of a question")
    parser.add_argument("--only", help="strategies, with commas")
    parser.add_argument("--alone", action="store_true", help="those only, no best-of-n beside them")
    parser.add_argument("--auc", type=float, nargs="+", default=AUCS)
    parser.add_argument("--json", help="also write the numbers here")
    given = parser.parse_args()
    made = strategies(given.length)
    names = ["routed", *made]
    names = [name for name in names if not given.only or name in given.only.split(",")]
    if not given.alone:
        names = [BASE, *(name for name in names if name != BASE)]
    rows: list[dict[str, object]] = []
    for auc in given.auc:
        print(f"\nverifier AUC {auc}: per cent right with the tokens of n samples")
        print(f"{'':26}" + "".join(f"{2**k:>10}" for k in range(given.most + 1)) + "      τ")
        base: list[list[float]] = []
        routes = learned(auc, given.seed, TRAIN, given.length, TRIED) if "routed" in names else None
        for name in names:
            make = (
                partial(chosen, routes)
                if routes and name == "routed"
                else lambda n, line, name=name: made[name](n)
            )
            rights = row(auc, make, given)
            base = base or rights
            curve = [mean(found) for found in rights]
            end = flat(curve)
            print(
                f"{name:26}"
                + "".join(f"{100 * at:10.1f}" for at in curve)
                + f"  {kendall(curve):5.2f}; to {2**end}: {kendall(curve[: end + 1]):.2f}"
            )
            steps = [note(after, before) for before, after in pairwise(rights)]
            print(f"{'  to the budget before':36}" + "".join(f"{step:>10}" for step in steps))
            if rights is not base:
                cells = [note(ours, theirs) for ours, theirs in zip(rights, base, strict=True)]
                print(
                    f"{'  to best-of-n':26}" + "".join(f"{cell:>10}" for cell in cells), flush=True
                )
            for k, (ours, theirs) in enumerate(zip(rights, base, strict=True)):
                apart = [a - b for a, b in zip(ours, theirs, strict=True)]
                rows.append({"auc": auc, "strategy": name, "samples": 2**k, "right": mean(ours),
                             "apart": mean(apart), "interval": interval(apart)})  # fmt: skip
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
