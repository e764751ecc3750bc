"""What a search loses when its calls run at once: the best score found by 192 calls, 1, 4, 16 or 64 at a time.

    python benchmarks/parallel.py [--calls 192] [--seeds 20] [--seed 1]

A world of refinements: a step is a draft with a quality from 0 to 1 that the verifier sees exactly; its
children scatter around it, a little better on average where it is poor, no better where it is good. A first
draft is drawn anew from the root. Every call costs the same, and replies come in random order. `kept` is the share of
paid drafts that stand in the tree.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from random import Random
from statistics import mean, stdev

from system2.core import Bill, Budget, Chain, Delta, Meter, Problem, Request, Strategy, Usage, Write
from system2.engine import Engine
from system2.search import adaptive, beam, halving, mcts, particles, rebase

AT_ONCE = (1, 4, 16, 64)
STRATEGIES: dict[str, Callable[[int, int], Strategy]] = {
    "mcts": lambda calls, many: mcts(3, many, simulations=calls, until="step"),
    "halving": lambda calls, many: halving(calls, 16, 3, many, until="step"),
    "adaptive": lambda calls, many: adaptive(calls, many, until="step"),
    "beam": lambda calls, many: beam(4, 6, depth=calls // 24),
    "rebase": lambda calls, many: rebase(24, calls // 24),
    "particles": lambda calls, many: particles(24, calls // 24),
}


class Drafts:
    """Writes drafts; the text is the quality."""

    can = frozenset({"continue", "n"})

    def __init__(self, seed: int) -> None:
        self.seed, self.sent = seed, 0

    def prompt_bound(self, request: Request) -> int:
        """None to speak of."""
        return 1

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """One draft a child."""
        before = float(request.chain[-1].text) if request.chain else 0.3
        for child, seed in enumerate(request.seeds):
            rng = Random(f"{self.seed} {seed} {before}")
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            quality = min(0.999, max(0.001, rng.gauss(before + 0.1 * (0.5 - before), 0.08)))
            self.sent += 1
            yield Delta(child, f"{quality:.9f}", 1, end="step")
        yield Bill(Usage(prompt=1, reasoning=len(request.seeds), calls=1))


class Exact:
    """Sees the quality."""

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """That of the last draft."""
        return [float(chain[-1].text) for chain in chains]


def best(
    make: Callable[[int, int], Strategy], calls: int, many: int, seed: int
) -> tuple[float, float]:
    """The best quality found, and the share of paid drafts that is in the tree."""
    policy = Drafts(seed)
    meter = Meter(Budget(tokens=calls, calls=many, per_call=1))
    strategy = make(calls, many)
    engine = Engine(
        Problem.of("draft"), strategy, policy, meter, verifier=Exact(), seed=seed, ordered=False
    )
    asyncio.run(engine.run())
    nodes = engine.tree.nodes[1:]
    return max(node.score or 0.0 for node in nodes), sum(node.count for node in nodes) / policy.sent


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description="searches with many calls at once")
    parser.add_argument("--calls", type=int, default=192)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(
        f"best score of {given.calls} calls, mean of {given.seeds} seeds; ÷ that of one call at a time"
    )
    print(f"{'':12}" + "".join(f"{many:>16}" for many in AT_ONCE) + f"{'kept':>8}")
    for name, make in STRATEGIES.items():
        cells, alone, kept = list[str](), list[float](), list[float]()
        for many in AT_ONCE:
            runs = [best(make, given.calls, many, given.seed + n) for n in range(given.seeds)]
            scores = [score for score, _ in runs]
            kept += [share for _, share in runs]
            alone = alone or scores
            ratio = [a / b for a, b in zip(scores, alone, strict=True)]
            half = 1.96 * stdev(ratio) / len(ratio) ** 0.5 if len(ratio) > 1 else 0.0
            cells.append(f"{mean(scores):.3f} {100 * mean(ratio):.0f}±{100 * half:.0f} %")
        print(
            f"{name:12}" + "".join(f"{cell:>16}" for cell in cells) + f"{100 * min(kept):>6.0f} %"
        )


if __name__ == "__main__":
    main()
