"""Beam search, level by level: over steps, or over tokens. Knows nothing about what a step says."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from system2.core import Expand, Node, Plan, Strategy, Tree, Until, local, never
from system2.core.tree import Key
from system2.search.asking import all_of
from system2.search.choose import best

Worth = Callable[[Node], float]


def beam(
    width: int,
    fan: int,
    depth: int = 64,
    *,
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """Keep the `width` best unfinished lines of thought, continue each `fan` times, level by level.

    Tree of thoughts, breadth first (Yao et al. 2023, arXiv 2305.10601, alg. 1), with a verifier's
    score. Finished lines leave the beam and stay candidates for `choose`. A step without a score
    stands as high as the step before it. A step that was cut off is continued only where too few
    whole ones are left, and a beam of nothing but cut steps only once, so that a backend that
    cuts everything ends the search; so do `depth` levels. Raises ValueError for a width, fan or
    depth below 1.
    """
    return _levels("beam", width, fan, depth, "step", worth, choose, need, key)


def token_beam(
    width: int,
    fan: int,
    depth: int = 512,
    *,
    choose: Callable[[Tree], Node | None] | None = None,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """The beam of machine translation: the `width` likeliest texts, a token at a time.

    Texts are ranked by the mean log-probability of their tokens, and the likeliest finished one
    answers, unless `choose` says otherwise. Kept as a control: the likeliest
    text is not the best one (Stahlberg and Byrne 2019, arXiv 1908.10090; Holtzman et al. 2020,
    arXiv 1904.09751). Needs a backend that continues and gives log-probabilities. Raises ValueError
    for a width, fan or depth below 1.
    """
    rule = choose or likeliest
    return _levels("token_beam", width, fan, depth, "token", likelihood, rule, need, key)


def _levels(
    name: str,
    width: int,
    fan: int,
    depth: int,
    until: Until,
    rank: Worth,
    choose: Callable[[Tree], Node | None],
    need: Callable[[Tree], int | None],
    key: Key,
) -> Strategy:
    if min(width, fan, depth) < 1:
        raise ValueError(
            f"{name}: width, fan and depth must be at least 1, {width}, {fan} and {depth} were given"
        )

    def plan(tree: Tree) -> Plan:
        level = [tree.root]
        broken = False
        for _ in range(depth):
            # The root is asked anew: another strategy may have been there before.
            counts = [fan if node.parent is None else fan - node.tried for node in level]
            asks = [
                Expand(node, count, until, verify=until == "step")
                for node, count in zip(level, counts, strict=True)
            ]
            born = yield from all_of(asks)
            level = top(width, (node for node in born if open_to(node, fan)), rank)
            if broken and all(cut(node) for node in level):
                return
            broken = all(cut(node) for node in level)

    return Strategy(plan, choose, need, key)


def open_to(node: Node, fan: int) -> bool:
    """May this node still be continued, up to `fan` times?"""
    return not node.final and not node.closed and node.tried < fan


def cut(node: Node) -> bool:
    """Was the step broken off before its end?"""
    return node.step is not None and node.step.cut


def goes_on(node: Node) -> bool:
    """Is there more to write after this step, and any hope of it? Cut off twice running: no."""
    above = node.parent
    broken = cut(node) and above is not None and cut(above)
    return not (node.final or node.closed or broken)


def worth(node: Node) -> float:
    """The node's score, or that of its nearest ancestor that has one; 0 where none has."""
    at: Node | None = node
    while at is not None and at.score is None:
        at = at.parent
    return 0.0 if at is None or at.score is None else at.score


def likelihood(node: Node) -> float:
    """Mean log-probability of all tokens of the line; 0 where the backend gives none."""
    logprobs = [logprob for step in node.chain() for logprob in step.logprobs]
    return sum(logprobs) / len(logprobs) if logprobs else 0.0


def likeliest(tree: Tree) -> Node | None:
    """The finished line with an answer whose tokens are likeliest; the first of equals."""
    answered = [node for node in tree.finals if node.answer is not None]
    return max(answered, key=likelihood, default=None) or best(tree)


def top(width: int, nodes: Iterable[Node], rank: Worth = worth) -> list[Node]:
    """The `width` best different nodes, whole steps first; ties to the one named first."""
    return heapq.nlargest(width, dict.fromkeys(nodes), key=lambda n: (not cut(n), rank(n)))
