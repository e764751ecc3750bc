"""Depth-first search over steps, with pruning. Knows nothing about what a step says."""

from __future__ import annotations

from collections.abc import Callable

from system2.core import Expand, Node, Plan, Strategy, Tree, local
from system2.core.tree import Key
from system2.search.asking import all_of
from system2.search.beam import cut, worth
from system2.search.choose import best
from system2.search.stop import solved


def depth_first(
    fan: int,
    floor: float = 0.5,
    depth: int = 64,
    *,
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = solved(),  # noqa: B008  pure
    key: Key = local,
) -> Strategy:
    """Follow the best of `fan` next steps to its end, then go back to the next best.

    Tree of thoughts, depth first (Yao et al. 2023, arXiv 2305.10601, alg. 2): steps scored below
    `floor` are given up at once; a step without a score stands as high as the one before it. One node
    is asked at a time. Goes on until `need` says stop – by default once a finished line is
    known to be right – or everything above the floor was tried. Raises ValueError for a fan or depth
    below 1.
    """
    if min(fan, depth) < 1:
        raise ValueError(
            f"depth_first: fan and depth must be at least 1, {fan} and {depth} were given"
        )

    def plan(tree: Tree) -> Plan:
        stack, seen = [tree.root], set[Node]()
        while stack:
            node = stack.pop()
            seen.add(node)
            born = yield from all_of([Expand(node, fan, verify=True)])
            new = [one for one in dict.fromkeys(born) if one not in seen and one not in stack]
            hopeful = [one for one in new if goes_on(one, floor, depth)]
            downward = sorted(hopeful, key=worth, reverse=True)
            stack += downward[::-1]  # ties: the first is taken first

    return Strategy(plan, choose, need, key)


def goes_on(node: Node, floor: float, depth: int) -> bool:
    """Is this step worth following?"""
    over = node.final or node.closed or cut(node)
    return not over and node.depth < depth and (node.score is None or worth(node) >= floor)
