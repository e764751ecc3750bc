"""Lines of thought that are left as soon as they stumble. Knows nothing about what a score is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import ceil

from system2.core import Expand, Node, Plan, Strategy, Tree, apart, never
from system2.search.asking import all_of
from system2.search.beam import goes_on
from system2.search.choose import confidence, weighted


def deepconf(
    n: int,
    warm: int = 16,
    keep: float = 0.9,
    depth: int = 512,
    *,
    choose: Callable[[Tree], Node | None] = weighted(confidence),  # noqa: B008  pure
    need: Callable[[Tree], int | None] = never,
) -> Strategy:
    """`warm` whole lines set a bar; of the others, step by step, those whose score falls below it are left.

    DeepConf online (Fu et al. 2025, arXiv 2508.15260, alg. 2) with `group_confidence` as the verifier; any
    other that scores unfinished lines will do. The bar is the score that the share `keep` of the warm
    lines reaches. Lines that were left do not vote. All lines stay apart, also where they say the same. `n` counts the warm ones. Ends after `depth`
    steps. Raises ValueError for n, warm or depth below 1, and a share that is not from 0 to 1.
    """
    if min(n, warm, depth) < 1 or not 0 <= keep <= 1:
        raise ValueError(
            "deepconf: n, warm and depth must be at least 1 and keep from 0 to 1, "
            f"{n}, {warm}, {depth} and {keep} were given"
        )

    def plan(tree: Tree) -> Plan:
        whole = Expand(tree.root, until="answer", verify=True)
        born = yield from all_of([whole] * min(n, warm))
        bar = reached([node.score for node in born if node.score is not None], keep)
        lines = [tree.root] * (n - warm)
        for _ in range(depth):
            live = Counter(node for node in lines if goes_on(node) and sure(node, bar))
            if not live:
                return
            asks = [Expand(node, count, verify=True) for node, count in live.items()]
            lines = yield from all_of(asks)

    return Strategy(plan, choose, need, apart)


def reached(scores: list[float], share: float) -> float:
    """The score that this share of them reaches; 0 where there is none."""
    ordered = sorted(scores, reverse=True)
    return ordered[max(1, ceil(share * len(ordered))) - 1] if ordered else 0.0


def sure(node: Node, bar: float) -> bool:
    """Has the line not stumbled yet? One without a score has not."""
    return node.score is None or node.score >= bar
