"""One strategy after another on the same tree, until they are agreed. Knows nothing about where to look."""

from __future__ import annotations

from collections.abc import Callable

from system2.core import Node, Plan, Strategy, Tree
from system2.search.choose import majority
from system2.search.stop import agreed


def cascade(
    *stages: Strategy,
    choose: Callable[[Tree], Node | None] = majority,
    need: Callable[[Tree], int | None] = agreed(2),  # noqa: B008  pure
) -> Strategy:
    """Begin with the cheapest; the next one sets out only where `need` is not content with it.

    As in model cascades (Chen et al. 2023, arXiv 2305.05176), here of strategies on one model: all
    see the same tree, so nothing is thought twice. Raises ValueError without stages, or with stages
    that disagree on which steps are the same.
    """
    if not stages:
        raise ValueError("cascade: at least one strategy is needed, none was given")
    if len({stage.key for stage in stages}) > 1:
        raise ValueError("cascade: its strategies must have the same key, at least two differ")

    def plan(tree: Tree) -> Plan:
        for stage in stages:
            yield from stage.plan(tree)

    return Strategy(plan, choose, need, stages[0].key)
