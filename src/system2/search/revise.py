"""One answer after another, each having read what came before. Knows nothing about what a step says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random

from system2.core import Expand, Node, Plan, Strategy, Style, Tree, apart, local, never
from system2.core.tree import Key
from system2.search.asking import all_of
from system2.search.choose import majority

ANSWER = 'End with a line "Answer: ..." that holds the final answer alone.'
REVISE = f"Below is an earlier attempt. Check it step by step and correct what is wrong. {ANSWER}"
MERGE = f"Below are earlier attempts. Some may be wrong. Take what is right in them. {ANSWER}"


def revise(
    n: int,
    *,
    choose: Callable[[Tree], Node | None] = majority,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """`n` lines of thought, each having read the one before it.

    Sequential revision (Madaan et al. 2023, arXiv 2303.17651; Snell et al. 2024, arXiv 2408.03314,
    sec. 6). Ends early where a line fails. Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"revise: n must be at least 1, {n} was given")

    def plan(tree: Tree) -> Plan:
        last = yield from all_of([Expand(tree.root, until="answer", verify=True)])
        for _ in range(n - 1):
            if not last:
                return
            ask = Expand(
                tree.root, until="answer", verify=True, also=tuple(last), style=Style(REVISE)
            )
            last = yield from all_of([ask])

    return Strategy(plan, choose, need, key)


def force(
    waits: int,
    word: str = "Wait",
    *,
    choose: Callable[[Tree], Node | None] = majority,
    need: Callable[[Tree], int | None] = never,
) -> Strategy:
    """One line of thought that is not allowed to end: `waits` times its end is replaced by `word`.

    Budget forcing (Muennighoff et al. 2025, arXiv 2501.19393, sec. 3). Each end stays an answer, and
    they vote. Needs a backend that continues and takes a forced beginning. Raises ValueError for
    waits below 0.
    """
    if waits < 0:
        raise ValueError(f"force: waits must be at least 0, {waits} was given")

    def plan(tree: Tree) -> Plan:
        born = yield from all_of([Expand(tree.root, until="answer", verify=True)])
        for _ in range(waits):
            if not born or not born[0].final or born[0].parent is None:
                return
            style = Style(prefix=word)
            ask = Expand(born[0].parent, until="answer", verify=True, style=style)
            born = yield from all_of([ask])

    return Strategy(plan, choose, need, apart)


def aggregate(
    n: int,
    k: int = 4,
    rounds: int = 3,
    seed: int = 0,
    *,
    choose: Callable[[Tree], Node | None] | None = None,
    need: Callable[[Tree], int | None] = never,
) -> Strategy:
    """A population of `n` answers, made anew `rounds` times, each from `k` of the ones before.

    Recursive self-aggregation (Venkatraman et al. 2025, arXiv 2509.26626, alg. 1). The last generation
    votes, unless `choose` says otherwise. `seed` decides who reads whom. Raises ValueError for n, k or rounds
    below 1.
    """
    if min(n, k, rounds) < 1:
        raise ValueError(
            f"aggregate: n, k and rounds must be at least 1, {n}, {k} and {rounds} were given"
        )

    def plan(tree: Tree) -> Plan:
        rng = Random(seed)
        ask = Expand(tree.root, until="answer", verify=True)
        crowd = yield from all_of([ask] * n)
        for turn in range(1, rounds):
            if not crowd:
                return
            asks = [
                Expand(
                    tree.root, until="answer", verify=True, style=Style(MERGE),
                    also=tuple(rng.sample(crowd, min(k, len(crowd)))),
                )
                for _ in range(n)
            ]  # fmt: skip
            crowd = yield from all_of(asks)
            for node in crowd:
                node.visits = turn

    return Strategy(plan, choose or latest, need, apart)


def select(
    n: int,
    *,
    need: Callable[[Tree], int | None] = never,
) -> Strategy:
    """`n` lines of thought, and one more that reads them all and answers.

    Generative selection (Toshniwal et al. 2025, arXiv 2507.17797). Its answer is given; where it has
    none, the vote's. Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"select: n must be at least 1, {n} was given")

    def plan(tree: Tree) -> Plan:
        crowd = yield from all_of([Expand(tree.root, until="answer", verify=True)] * n)
        if crowd:
            style = Style(MERGE)
            ask = Expand(tree.root, until="answer", also=tuple(crowd), style=style)
            for node in (yield from all_of([ask])):
                node.visits = 1

    return Strategy(plan, latest, need, apart)


def latest(tree: Tree) -> Node | None:
    """The vote of the last generation (`visits` of its nodes) that came to an answer."""
    answered = [node for node in tree.finals if node.answer is not None]
    last = max((node.visits for node in answered), default=0)
    own = [node for node in answered if node.visits == last]
    votes = Counter(node.answer for node in own)
    return max(own, key=lambda node: votes[node.answer], default=None) or majority(tree)
