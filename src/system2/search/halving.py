"""Sequential halving over first steps, tree search below them. Knows nothing about what a step says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import ceil, log2

from system2.core import Ask, Expand, Node, Plan, Strategy, Tree, Until, local, never
from system2.core.tree import Key
from system2.search.asking import all_of
from system2.search.choose import best
from system2.search.mcts import back_up, descend, upward, worth
from system2.search.transpositions import Transpositions, unlike


def halving(
    simulations: int,
    wide: int = 8,
    fan: int = 3,
    parallel: int = 8,
    c: float = 1.4,
    *,
    until: Until = "answer",
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """`wide` first steps share the simulations evenly; after each round the better half goes on.

    The root of Gumbel AlphaZero (Danihelka et al. 2022, "Policy improvement by planning with Gumbel",
    sec. 3.4; for language models Ugadiarov et al. 2026, arXiv 2603.21162): first steps drawn from the model are a draw
    without the Gumbel noise, which a model's samples bring along. Below them `mcts` with the same
    `fan` and `c`. Unlike plain PUCT it cannot spend a large budget on one early favourite. Raises
    ValueError for numbers below 1, or a negative c.
    """
    if min(simulations, wide, fan, parallel) < 1 or c < 0:
        raise ValueError(
            "halving: simulations, wide, fan and parallel must be at least 1 and c at least 0, "
            f"{simulations}, {wide}, {fan}, {parallel} and {c} were given"
        )

    def plan(tree: Tree) -> Plan:
        failed: Counter[Node] = Counter()
        alone = Transpositions(unlike)
        born = yield from all_of([Expand(tree.root, min(wide, simulations), until, verify=True)])
        for leaf in born:
            credit = worth(leaf)
            for above in upward(leaf):
                above.visits += 1
                above.total += credit
        arms = [node for node in tree.root.children if not node.final]
        rounds = max(1, ceil(log2(max(1, len(arms)))))
        left = simulations - len(born)
        for turn in range(rounds):
            share = left // (rounds - turn)
            while share > 0:
                asks: list[Ask] = []
                for arm in arms * max(1, parallel // max(1, len(arms))):
                    leaf = descend(arm, fan, c, failed) if len(asks) < share else None
                    if leaf is not None:
                        asks.append(Expand(leaf, until=until, verify=True))
                if not asks:
                    break
                share -= len(asks)
                left -= len(asks)
                done = yield asks
                while len(done) < len(asks):
                    done = [*done, *(yield [])]
                for one in done:
                    back_up(one, fan, failed, alone)
            arms = sorted(arms, key=value, reverse=True)[: max(1, len(arms) // 2)]

    return Strategy(plan, choose, need, key)


def value(arm: Node) -> float:
    """Mean credit of everything below a first step, and its own."""
    return arm.total / max(1, arm.visits)
