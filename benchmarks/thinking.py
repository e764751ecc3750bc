"""Strategies on the embedded model's own lines of thought: accuracy, any right, tokens.

    python benchmarks/thinking.py [--problems 100] [--lines 32] [--seed 0] [--tasks countdown4,sorting,grid]

Held-out problems at temperature 1. No verifier sees an answer: DeepConf has the confidence of the model's own
tokens. The answers are judged afterwards. Differences to plain sampling are paired by problem, with 95 % intervals.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev

from system2.core import Budget, Meter, Problem, Strategy, Verifier
from system2.engine import Engine
from system2.evals.problems import Item, suite
from system2.policies.local import LocalPolicy
from system2.search import best_of, confidence, deepconf, forking, majority, relative, weighted
from system2.verifiers import group_confidence

VOTE = weighted(confidence)


@dataclass(frozen=True, slots=True)
class Way:
    """A strategy of so many lines, and its verifier."""

    make: Callable[[int], Strategy]
    verifier: Verifier | None = None


WAYS: dict[str, Way] = {
    "lines, weighted vote": Way(lambda n: best_of(n, choose=VOTE)),
    "lines, plain vote": Way(lambda n: best_of(n, choose=majority)),
    "lines, relative vote": Way(lambda n: best_of(n, choose=relative(confidence))),
    "forking, first 4": Way(lambda n: forking(n, 4, choose=VOTE)),
    "forking, first half": Way(lambda n: forking(n, n // 2, choose=VOTE)),
    "deepconf, keep .5": Way(lambda n: deepconf(n, n // 4, 0.5, choose=VOTE), group_confidence(32)),
    "deepconf, keep .9": Way(lambda n: deepconf(n, n // 4, 0.9, choose=VOTE), group_confidence(32)),
}


def run(item: Item, way: Way, lines: int, policy: LocalPolicy, seed: int) -> tuple[bool, bool, int]:
    """Is the answer right, is any line's, and the tokens."""
    engine = Engine(
        Problem.of(item.question, effort="high"), way.make(lines), policy,
        Meter(Budget(per_call=640)), verifier=way.verifier, seed=seed,
    )  # fmt: skip
    end = asyncio.run(engine.run())
    rights = [node.answer is not None and item.right(node.answer) for node in engine.tree.finals]
    return end.answer is not None and item.right(end.answer), any(rights), end.usage.completion


def main() -> None:
    """Print a table for each task."""
    parser = argparse.ArgumentParser(description="strategies on the embedded model")
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--lines", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", default="countdown4,sorting,grid")
    parser.add_argument("--only", default="", help="ways whose names begin so, beside the first")
    given = parser.parse_args()
    policy = LocalPolicy(temperature=1.0)
    for task in given.tasks.split(","):
        items = suite(task, given.problems, given.seed)
        print(f"\n| {task}, {given.lines} lines | right % | paired | any right % | tokens |")
        print("|---|---|---|---|---|")
        base: list[bool] = []
        first, *others = WAYS
        for name in [first, *(other for other in others if other.startswith(given.only))]:
            way = WAYS[name]
            found = [run(item, way, given.lines, policy, n) for n, item in enumerate(items)]
            rights = [right for right, _, _ in found]
            base = base or rights
            apart = [float(a) - b for a, b in zip(rights, base, strict=True)]
            half = 1.96 * stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
            print(
                f"| {name} | {100 * mean(rights):.0f} | {100 * mean(apart):+.0f} ± {100 * half:.0f} | "
                f"{100 * mean(any_ for _, any_, _ in found):.0f} | {mean(t for _, _, t in found):,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
