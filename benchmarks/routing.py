"""What routing saves against weighted best-of-n at the same accuracy, and what it loses to one who knows.

    python benchmarks/routing.py [--seeds 20] [--questions 20] [--train 800] [--seed 1] [--json FILE]

The world is that of simulator.py, its four kinds of questions mixed. The router learns from `--train`
questions of other seeds, whose ways on were drawn at random, and sees of a question only what its pilot
of four particles shows. The oracle knows of each question which of the four kinds it is, and of each kind
what every way comes to; it needs no pilot. Grids and seeds below were fixed before anything was tuned.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import exp, log
from pathlib import Path
from statistics import mean, stdev

sys.path.insert(0, str(Path(__file__).parent))
from simulator import AUCS, RIGHT, SKILLS, View, World, Writer, tokens_of_a_line, worlds
from ways import MOST, TRAIN, VOTE, WAYS, learned, pilot

from system2.core import Budget, Meter, Problem, Strategy
from system2.engine import Engine
from system2.routing import SIZES, Route, Routes, router

BUDGETS = (0, 1, 2, 4, 8, 16, 32, 64)  # mean lines' worth beyond the pilot


@dataclass(frozen=True, slots=True)
class Run:
    """Was it right, and what did it take?"""

    right: bool
    tokens: int


def run(world: World, strategy: Strategy, seed: str) -> Run:
    """One question."""
    writer = Writer(world)
    engine = Engine(
        Problem.of(world.name), strategy, writer, Meter(Budget()),
        verifier=View(world), seed=random.Random(f"{seed} {world.name}").getrandbits(32),
    )  # fmt: skip
    return Run(asyncio.run(engine.run()).answer == RIGHT, writer.sent)


def oracle(auc: float, questions: int, seed: int) -> dict[float, list[Route]]:
    """For each kind of question what every way truly comes to, from questions of their own."""
    table: dict[float, list[Route]] = {}
    for skill in SKILLS:
        rows: list[Route] = []
        crowd = [World(f"{seed}/oracle/{skill}/{n}", skill, auc=auc) for n in range(questions)]
        for name, way in WAYS.items():
            for size in (size for size in SIZES if size <= MOST):
                runs = [run(world, way(size), f"oracle {name} {size}") for world in crowd]
                rows.append(
                    Route(name, size, mean(r.right for r in runs), mean(r.tokens for r in runs))
                )
        table[skill] = rows
    return table


def needed(points: Sequence[tuple[float, float]], accuracy: float) -> float:
    """Fewest tokens of a curve (tokens, accuracy) that reach this accuracy, its points joined on a
    logarithmic scale; infinite where it does not."""
    ordered = sorted(points)
    if ordered[0][1] >= accuracy:
        return ordered[0][0]
    for (t0, a0), (t1, a1) in pairwise(ordered):
        if a1 >= accuracy:
            return exp(log(t0) + (accuracy - a0) / (a1 - a0) * (log(t1) - log(t0)))
    return float("inf")


def half(values: Sequence[float]) -> float:
    """Half of a 95 % interval of their mean."""
    return 1.96 * stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def main() -> None:
    """Print a table for each verifier."""
    parser = argparse.ArgumentParser(description="routing on the simulator")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--questions", type=int, default=20, help="of each seed")
    parser.add_argument("--train", type=int, default=TRAIN)
    parser.add_argument("--oracle", type=int, default=60, help="questions of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--auc", type=float, nargs="+", default=AUCS)
    parser.add_argument("--json", help="also write the numbers here")
    given = parser.parse_args()
    rows: list[dict[str, object]] = []
    for auc in given.auc:
        routes = learned(auc, given.seed, given.train)
        truth = oracle(auc, given.oracle, 20_000 + given.seed)
        tested = [worlds(given.questions, auc, given.seed + n) for n in range(given.seeds)]
        rows.append(measured(auc, routes, truth, tested))
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1))


def measured(
    auc: float, routes: Routes, truth: dict[float, list[Route]], tested: list[list[World]]
) -> dict[str, object]:
    """One table: weighted best-of-n, the router and the oracle, each by mean tokens."""
    everyone = [world for crowd in tested for world in crowd]
    line = mean(tokens_of_a_line(world) for world in everyone)
    base: list[tuple[float, float]] = []
    print(
        f"\nverifier AUC {auc}: lines' worth of tokens, per cent right (95 % interval over seeds)"
    )
    for size in (size for size in SIZES if size <= MOST):
        point, apart = averaged(
            tested, lambda world, n=size: run(world, WAYS["lines"](n), f"base {n}")
        )
        base.append(point)
        print(
            f"  best-of-n {size:5}   {point[0] / line:6.1f}   {100 * point[1]:5.1f} ± {100 * apart:.1f}"
        )
    found: list[tuple[float, float]] = []
    regrets: list[float] = []
    for budget in BUDGETS:
        price = routes.price(max(1.0, budget * line)) if budget else 1.0
        strategy = router(routes, WAYS, pilot(), partial(routes.at, price=price), choose=VOTE)
        point, apart = averaged(tested, lambda world, s=strategy: run(world, s, "routed"))
        found.append(point)
        known = knowing(truth, everyone, point[0])
        regrets.append((known - point[1]) / known)
        print(
            f"  routed    {budget:5}   {point[0] / line:6.1f}   {100 * point[1]:5.1f} ± {100 * apart:.1f}"
            f"   one who knows {100 * known:5.1f}   regret {100 * regrets[-1]:4.1f} %"
        )
    ratios: dict[int, float] = {}
    for size, (tokens, accuracy) in zip(SIZES, base, strict=False):
        ratios[size] = tokens / needed(found, accuracy)
    told = ", ".join(f"{size}: {ratio:.1f}" for size, ratio in ratios.items() if size >= 4)
    print(f"  tokens of best-of-n ÷ those routed at the same accuracy, by n: {told}")
    return {"auc": auc, "base": base, "routed": found, "regrets": regrets, "ratios": ratios}


def averaged(
    tested: list[list[World]], one: Callable[[World], Run]
) -> tuple[tuple[float, float], float]:
    """Mean tokens and accuracy, and half the interval of the accuracy over seeds."""
    crowds = [[one(world) for world in crowd] for crowd in tested]
    rights = [mean(run.right for run in crowd) for crowd in crowds]
    return (mean(run.tokens for crowd in crowds for run in crowd), mean(rights)), half(rights)


def knowing(truth: dict[float, list[Route]], everyone: Sequence[World], tokens: float) -> float:
    """The accuracy of one who knows each question's kind, on the same mean tokens."""
    shares = {skill: mean(world.skill == skill for world in everyone) for skill in truth}
    low, high = 1e-9, 1.0
    for _ in range(60):
        price = (low * high) ** 0.5
        best = {s: max(rows, key=lambda r: r.right - price * r.tokens) for s, rows in truth.items()}
        spent = sum(shares[s] * route.tokens for s, route in best.items())
        low, high = (price, high) if spent > tokens else (low, price)
    points: list[tuple[float, float]] = []
    for price in (low, high):  # what lies between two choices is had by tossing a coin
        best = {s: max(rows, key=lambda r: r.right - price * r.tokens) for s, rows in truth.items()}
        points.append(
            (
                sum(shares[s] * r.tokens for s, r in best.items()),
                sum(shares[s] * r.right for s, r in best.items()),
            )
        )
    (t0, a0), (t1, a1) = sorted(points)
    share = 0.0 if t1 - t0 < 1e-9 else min(1.0, max(0.0, (tokens - t0) / (t1 - t0)))
    return a0 + share * (a1 - a0)


if __name__ == "__main__":
    main()
