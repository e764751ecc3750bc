"""Diverse verifier tree search: many small greedy searches beside each other. Knows nothing about what a step says."""

from __future__ import annotations

from collections.abc import Callable

from system2.core import Expand, Node, Plan, Strategy, Tree, local, never
from system2.core.tree import Key
from system2.search.beam import goes_on, top
from system2.search.choose import best


def dvts(
    trees: int,
    fan: int,
    depth: int = 64,
    *,
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """`trees` lines of thought, each going on with the best of `fan` next steps, apart from the others.

    Beeching et al. 2024 ("Scaling test-time compute", section on DVTS). No line waits for another.
    One whose step was cut off twice running, or whose ask brought nothing, ends. Raises ValueError
    for trees, fan or depth below 1.
    """
    if min(trees, fan, depth) < 1:
        raise ValueError(
            f"dvts: trees, fan and depth must be at least 1, {trees}, {fan} and {depth} were given"
        )

    def plan(tree: Tree) -> Plan:
        done = yield [Expand(tree.root, fan, verify=True) for _ in range(trees)]
        running = trees
        while True:
            running -= len(done)
            leaves = [leaf for one in done for leaf in top(1, one.nodes)]
            asks = [
                Expand(leaf, fan, verify=True)
                for leaf in leaves
                if goes_on(leaf) and leaf.depth < depth
            ]
            running += len(asks)
            if not running:
                return
            done = yield [*asks]

    return Strategy(plan, choose, need, key)
