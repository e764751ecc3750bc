"""Whole lines of thought, one or many, and the answer without any. Knows nothing about steps."""

from __future__ import annotations

from collections.abc import Callable

from system2.core import PLAIN, Expand, Node, Plan, Strategy, Style, Tree, local, never
from system2.core.tree import Key
from system2.search.asking import all_of
from system2.search.choose import best


def best_of(
    n: int,
    *,
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
    key: Key = local,
) -> Strategy:
    """`n` independent lines of thought, each written to its end.

    With `choose=best` it is best-of-n under a verifier (Cobbe et al. 2021, arXiv 2110.14168);
    with `choose=majority`, self-consistency (Wang et al. 2022, arXiv 2203.11171). A failed line is
    not asked for again. Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"best_of: n must be at least 1, {n} was given")

    def plan(tree: Tree) -> Plan:
        yield from all_of([Expand(tree.root, until="answer", verify=True) for _ in range(n)])

    return Strategy(plan, choose, need, key)


def single() -> Strategy:
    """One line of thought (Wei et al. 2022, arXiv 2201.11903)."""
    return best_of(1)


def direct(style: Style = PLAIN) -> Strategy:
    """The answer at once, without thinking: the baseline. Its reply is chosen, though no final.

    style  in which the reply is written: what is chosen is what is shown
    """

    def plan(tree: Tree) -> Plan:
        yield from all_of([Expand(tree.root, until="reply", style=style)])

    return Strategy(plan, best)
