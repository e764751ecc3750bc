"""Particle filtering over lines of thought. Knows nothing about what a step says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from system2.core import Expand, Node, Plan, Strategy, Tree, local, never
from system2.core.tree import Key
from system2.search.asking import all_of
from system2.search.beam import goes_on, worth
from system2.search.choose import best

EDGE = 0.01  # scores are taken as at least this far from 0 and 1: no verifier is that sure


def particles(
    n: int,
    depth: int = 64,
    seed: int = 0,
    *,
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """`n` lines of thought, a step at a time; after each step drawn anew by the odds of their scores.

    Puri et al. 2025 (arXiv 2502.01618, alg. 1), with systematic resampling (Kitagawa 1996), which
    keeps good lines more surely than independent draws. Finished lines are particles too: a good one
    crowds out others. `seed` decides the draws; what replies arrive first does not. Ends when all
    particles are finished, or were cut off twice running. Raises ValueError for n or depth below 1.
    """
    if min(n, depth) < 1:
        raise ValueError(f"particles: n and depth must be at least 1, {n} and {depth} were given")

    def plan(tree: Tree) -> Plan:
        rng = Random(seed)
        swarm = [tree.root] * n
        for _ in range(depth):
            live = Counter(node for node in swarm if goes_on(node))
            if not live:
                return
            asks = [Expand(node, count, verify=True) for node, count in live.items()]
            born = yield from all_of(asks)
            swarm = drawn([*(node for node in swarm if node.final), *born], n, rng)

    return Strategy(plan, choose, need, key)


def drawn(swarm: Sequence[Node], n: int, rng: Random) -> list[Node]:
    """`n` particles in proportion to their odds: one random number, evenly spaced."""
    scores = [min(max(worth(node), EDGE), 1 - EDGE) for node in swarm]
    odds = [score / (1 - score) for score in scores]
    step, at, sum_ = sum(odds) / n, 0, 0.0
    start = rng.random() * step
    found: list[Node] = []
    for i, node in enumerate(swarm):
        sum_ += odds[i]
        while at < n and start + at * step < sum_:
            found.append(node)
            at += 1
    return found
