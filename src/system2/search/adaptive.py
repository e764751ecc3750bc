"""Adaptive branching: wider or deeper, whichever has paid so far. Knows nothing about what a step says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from system2.core import Ask, Done, Expand, Node, Plan, Strategy, Tree, Until, local, never
from system2.core.tree import Key
from system2.search.choose import best

UNKNOWN = 0.5  # credit of a step without a score


@dataclass(slots=True, eq=False)
class Branch:
    """A node of the tree with what came of going wider here (`wide`) and deeper (`deep`).

    Both are sums of scores and of what they lack of 1, beside a prior of a half each (Jeffreys).
    """

    node: Node
    above: Branch | None = None
    below: dict[Node, Branch] = field(default_factory=dict[Node, "Branch"])
    wide: list[float] = field(default_factory=lambda: [0.5, 0.5])
    deep: list[float] = field(default_factory=lambda: [0.5, 0.5])


def adaptive(
    simulations: int,
    parallel: int = 8,
    seed: int = 0,
    *,
    until: Until = "answer",
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """At every node, draw whether to write another next step here or to go on below one that is there.

    AB-MCTS-A with Beta posteriors and Thompson sampling (Inoue et al. 2025, arXiv 2503.04412,
    sec. 3.4). Draws differ by themselves, so `parallel` asks need no virtual loss. `seed` decides
    them. Raises ValueError for simulations or parallel below 1.
    """
    if min(simulations, parallel) < 1:
        raise ValueError(
            f"adaptive: simulations and parallel must be at least 1, {simulations} and {parallel} "
            "were given"
        )

    def plan(tree: Tree) -> Plan:
        rng, top = Random(seed), Branch(tree.root)
        running: dict[Node, list[Branch]] = {}
        begun = flying = 0
        while True:
            asks: list[Ask] = []
            while flying < parallel and begun < simulations:
                branch = descend(top, rng)
                if branch is None:
                    break
                running.setdefault(branch.node, []).append(branch)
                asks.append(Expand(branch.node, until=until, verify=True))
                flying += 1
                begun += 1
            if not flying:
                return
            for done in (yield asks):
                flying -= 1
                credit(running[done.ask.node].pop() if isinstance(done.ask, Expand) else top, done)

    return Strategy(plan, choose, need, key)


def descend(branch: Branch, rng: Random) -> Branch | None:
    """The branch to widen; None: nothing is left to write anywhere."""
    while True:
        live = [below for below in branch.below.values() if open_below(below)]
        wider = -1.0 if shut(branch.node) else rng.betavariate(*branch.wide)
        if not live:
            return None if wider < 0 else branch
        if wider > rng.betavariate(*branch.deep):
            return branch
        branch = max(live, key=lambda below: rng.betavariate(*below.deep))


def shut(node: Node) -> bool:
    """Does writing on here bring nothing new?"""
    return node.final or node.closed


def open_below(branch: Branch) -> bool:
    """Is there anything left to write here or below?"""
    stack = [branch]
    while stack:
        one = stack.pop()
        if not shut(one.node):
            return True
        stack += one.below.values()
    return False


def credit(branch: Branch, done: Done) -> None:
    """Tell everything above of what was written; a failed ask counts as a line worth nothing."""
    for leaf in done.nodes or [branch.node]:
        score = 0.0 if leaf is branch.node else UNKNOWN if leaf.score is None else leaf.score
        score = min(max(score, 0.0), 1.0)
        end = branch
        for node in path(branch.node, leaf):
            end = end.below.setdefault(node, Branch(node, end))
        told(branch.wide, score)
        for above in upward(end):
            told(above.deep, score)


def told(beta: list[float], score: float) -> None:
    """One more outcome."""
    beta[0] += score
    beta[1] += 1 - score


def path(above: Node, leaf: Node) -> list[Node]:
    """The nodes below `above` down to the leaf."""
    nodes: list[Node] = []
    node: Node | None = leaf
    while node is not None and node is not above:
        nodes.append(node)
        node = node.parent
    return nodes[::-1]


def upward(branch: Branch | None) -> Iterator[Branch]:
    """The branch and all above it."""
    while branch is not None:
        yield branch
        branch = branch.above
