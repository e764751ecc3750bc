"""Lines of thought that part where the model was least sure. Knows nothing about what a step says."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from math import log

from system2.core import Expand, Node, Plan, Strategy, Style, Tree, local, never
from system2.core.tree import Key
from system2.search.asking import all_of
from system2.search.choose import majority

Spot = tuple[float, int, int]  # log-probability of a token, id of its node, its place in the step


def forking(
    n: int,
    first: int = 4,
    sure: float = 0.9,
    *,
    choose: Callable[[Tree], Node | None] = majority,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """`first` whole lines; then `n` in all, each written anew from the least likely token there is.

    After the branching of EAGer (Scalena et al. 2025, arXiv 2510.11170, sec. 3), which forks while it
    writes. Where another strategy has written lines before, these are forked at at once. No token is forked at twice, and none as likely as `sure`; where no other is left, whole
    lines are begun. Needs a backend that gives log-probabilities and can fork inside a step (the
    embedded model). Raises ValueError for n or first below 1 and a share that is not from 0 to 1.
    """
    if min(n, first) < 1 or not 0 <= sure <= 1:
        raise ValueError(
            f"forking: n and first must be at least 1 and sure from 0 to 1, {n}, {first} and {sure} "
            "were given"
        )

    def plan(tree: Tree) -> Plan:
        begun, read = 0 if tree.finals else min(n, first), 1
        spots: list[Spot] = []
        yield from all_of([Expand(tree.root, until="answer", verify=True)] * begun)
        while begun < n:
            for node in tree.nodes[read:]:
                for spot in unsure(node, sure):
                    heapq.heappush(spots, spot)
            read = len(tree.nodes)
            wave = min(first, n - begun)
            asks: list[Expand] = []
            for _ in range(wave):
                node, style = tree.root, Style()
                if spots:
                    _, id, at = heapq.heappop(spots)
                    node, style = tree.nodes[id], Style(at=at)
                asks.append(Expand(node, until="answer", verify=True, style=style))
            begun += wave
            yield from all_of(asks)

    return Strategy(plan, choose, need, key)


def unsure(node: Node, sure: float) -> Iterator[Spot]:
    """Tokens drawn for a step although they were less likely than `sure`."""
    step = node.step
    if step is None or step.cut or not step.ids:
        return
    drawn = step.sampled or [True] * len(step.ids)
    edge = log(sure) if sure else float("-inf")
    for at, (logprob, own) in enumerate(zip(step.logprobs, drawn, strict=False)):
        if own and logprob < edge:
            yield logprob, node.id, at
