"""A pilot, and then whichever strategy its outcome calls for. Knows nothing about how that is decided."""

from __future__ import annotations

from collections.abc import Callable

from system2.core import Node, Plan, Strategy, Tree, never
from system2.search.choose import best


def routed(
    pilot: Strategy,
    pick: Callable[[Tree], Strategy | None],
    *,
    choose: Callable[[Tree], Node | None] = best,
    need: Callable[[Tree], int | None] = never,
) -> Strategy:
    """Run the pilot, look at the tree, run what `pick` chooses on the same tree; None: it is enough.

    Compute-optimal allocation in the sense of Snell et al. 2024 (arXiv 2408.03314, sec. 3): how a
    question is searched depends on how hard it looks. The lines of the pilot stay and take part in
    the answer. Only the plan of what is picked is used; which steps are the same, the pilot says.
    """

    def plan(tree: Tree) -> Plan:
        yield from pilot.plan(tree)
        after = pick(tree)
        if after is not None:
            yield from after.plan(tree)

    return Strategy(plan, choose, need, pilot.key)
