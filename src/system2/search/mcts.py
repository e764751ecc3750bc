"""Monte Carlo tree search over steps. Knows nothing about what a step says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from math import sqrt

from system2.core import Ask, Done, Expand, Node, Plan, Strategy, Tree, Until, local, never
from system2.core.tree import Key
from system2.search.choose import best
from system2.search.transpositions import State, Transpositions, unlike

UNKNOWN = 0.5  # the value of a step without a score where nothing above it has one either


def mcts(
    fan: int = 3,
    parallel: int = 8,
    c: float = 1.4,
    *,
    simulations: int | None = None,
    until: Until = "answer",
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
    state: State = unlike,
) -> Strategy:
    """Walk down by an upper confidence bound, write on from there, credit the score to all above it.

    PUCT with even priors (Rosin 2011; Silver et al. 2017, arXiv 1712.01815). With `until="answer"` a
    simulation is a play-out: the line is written to its end, so that every one brings an answer; with
    "step" it grows one step, and the verifier stands in for the play-out (Feng et al. 2023, arXiv
    2309.17179), which needs one that can judge unfinished lines. No node
    with `fan` tries below it is asked, duplicates and failures included; a duplicate is a further visit of the known
    node. At most `parallel` asks are in flight, and count as visits that lost (Chaslot et al.
    2008). Nodes that `state` names alike are one: the first is searched, all learn from it. A step without a score is credited with its parent's mean, and so leaves it as it was.
    Ends after `simulations` asks, failed ones included, or when nothing is left to try. Raises
    ValueError for a fan, parallel or simulations below 1, or a negative c.
    """
    if min(fan, parallel, 1 if simulations is None else simulations) < 1 or c < 0:
        raise ValueError(
            "mcts: fan, parallel and simulations must be at least 1 and c at least 0, "
            f"{fan}, {parallel}, {simulations} and {c} were given"
        )

    def plan(tree: Tree) -> Plan:
        failed: Counter[Node] = Counter()
        alike = Transpositions(state)
        running = begun = 0
        while True:
            asks: list[Ask] = []
            while running < parallel and (simulations is None or begun < simulations):
                leaf = descend(tree.root, fan, c, failed)
                if leaf is None:
                    break
                asks.append(Expand(leaf, until=until, verify=True))
                running += 1
                begun += 1
            if not running:
                return
            for done in (yield asks):
                running -= 1
                alike.update(tree)
                back_up(done, fan, failed, alike)

    return Strategy(plan, choose, need, key)


def descend(root: Node, fan: int, c: float, failed: Counter[Node]) -> Node | None:
    """Walk to the most urgent node with room for one more try, and mark the way as being visited.

    Where the most urgent way ends in nodes that only wait for replies, the next most urgent is
    taken; None: all of them do, or nothing is left to try.
    """
    stack = [root]
    while stack:
        node = stack.pop()
        waiting = node.pending - sum(child.pending for child in node.children)
        if not node.final and not node.closed and node.tried + failed[node] + waiting < fan:
            for above in upward(node):
                above.pending += 1
            return node
        reach = c * sqrt(node.visits + node.pending)
        live = [child for child in reversed(node.children) if not child.exhausted]
        stack += sorted(live, key=lambda k: mean(k) + reach / (1 + k.visits + k.pending))
    return None


def mean(node: Node) -> float:
    """Average credit, counting visits under way as losses so that others look elsewhere."""
    return node.total / max(1, node.visits + node.pending)


def back_up(done: Done, fan: int, failed: Counter[Node], alike: Transpositions) -> None:
    """Credit the new steps to everything above them; tell what has nothing left to try."""
    node = done.ask.node if isinstance(done.ask, Expand) else None
    for above in upward(node):
        above.pending -= 1
    if node is not None and not done.nodes:
        failed[node] += 1
    for leaf in done.nodes:
        value = worth(leaf)
        for above in alike.above(leaf):
            above.visits += 1
            above.total += value
    for end in done.nodes or [node]:
        for above in upward(end):
            full = above.closed or above.tried + failed[above] >= fan
            spent = full and all(child.exhausted for child in above.children)
            above.exhausted = above.final or spent or alike.met(above)


def worth(leaf: Node) -> float:
    """The score of a step; without one, the mean of the nearest node above that was visited."""
    if leaf.score is not None:
        return leaf.score
    known = (above for above in upward(leaf.parent) if above.visits)
    above = next(known, None)
    return UNKNOWN if above is None else above.total / above.visits


def upward(node: Node | None) -> Iterator[Node]:
    """The node and all above it."""
    while node is not None:
        yield node
        node = node.parent
