"""Reward-balanced search: a level's continuations go to where the scores are. Knows nothing about what a step says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp

from system2.core import Expand, Node, Plan, Strategy, Tree, local, never
from system2.core.tree import Key
from system2.search.asking import all_of
from system2.search.beam import cut, worth
from system2.search.choose import best


def rebase(
    n: int,
    depth: int = 64,
    temperature: float = 0.2,
    *,
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """`n` continuations a level, shared out by the softmax of the scores.

    REBASE (Wu et al. 2024, arXiv 2408.00724, sec. 3.1.2). A line that finishes keeps its share for good:
    the next level has one continuation less. Cut steps are continued only where no whole one is
    left, and that once. Raises ValueError for n or depth below 1, or a temperature not above 0.
    """
    if min(n, depth) < 1 or not temperature > 0:
        raise ValueError(
            f"rebase: n and depth must be at least 1 and temperature above 0, {n}, {depth} and "
            f"{temperature} were given"
        )

    def plan(tree: Tree) -> Plan:
        shares, room, broken = {tree.root: n}, n, False
        for _ in range(depth):
            asks = [Expand(node, count, verify=True) for node, count in shares.items()]
            born = yield from all_of(asks)
            room -= sum(node.final for node in born)
            level = [node for node in dict.fromkeys(born) if not (node.final or node.closed)]
            level = [node for node in level if not cut(node)] or level
            if broken and all(map(cut, level)):
                return
            broken = all(map(cut, level))
            most = max(map(worth, level), default=0.0)
            weights = [exp((worth(node) - most) / temperature) for node in level]
            counts = shared(room, weights)
            shares = {node: k for node, k in zip(level, counts, strict=True) if k}

    return Strategy(plan, choose, need, key)


def shared(room: int, weights: Sequence[float]) -> list[int]:
    """`room` whole shares in proportion to the weights: largest remainders, ties to the first."""
    whole = sum(weights)
    if room < 1 or not whole > 0:
        return [0] * len(weights)
    due = [room * weight / whole for weight in weights]
    counts = [int(share) for share in due]
    rest = sorted(range(len(due)), key=lambda i: counts[i] - due[i])
    for i in rest[: room - sum(counts)]:
        counts[i] += 1
    return counts
