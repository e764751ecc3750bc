"""What an ask brought grows into the tree, live and in replay alike. Knows nothing about calls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from system2.core import Chain, Expand, Node, Planted, Tree
from system2.core.tree import Key


@dataclass(frozen=True, slots=True)
class Child:
    """One continuation of an ask: its number, its steps, and the score of the whole chain."""

    number: int
    steps: Chain
    score: float | None


def plant(
    tree: Tree, key: Key, ask: Expand, children: Iterable[Child], *, failed: bool
) -> list[list[Planted]]:
    """Lead the children into the tree; close their node if nothing came, or nothing new."""
    paths = [tree.plant(ask.place, child.steps, child.score, key) for child in children]
    fresh = any(planted.new for path in paths for planted in path)
    whole = ask.n > 0 and ask.place is ask.node and len(paths) in (0, ask.n)
    if whole and not failed and not fresh:
        ask.node.closed = True
    return paths


def weigh(nodes: Iterable[Node], scores: Iterable[float | None]) -> None:
    """Give nodes that stand already their scores; None leaves what there was."""
    for node, score in zip(nodes, scores, strict=True):
        if score is not None:
            node.score = score
