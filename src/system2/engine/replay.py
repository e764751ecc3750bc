"""A search is a fold over its replies: recorded events regrow the identical tree. No I/O, no money."""

from __future__ import annotations

from collections.abc import Iterable

from system2.core import (
    Ask,
    Asked,
    Born,
    Done,
    Event,
    Expand,
    Handed,
    Merged,
    Node,
    Scored,
    Step,
    Strategy,
    Tree,
)


def regrow(strategy: Strategy, events: Iterable[Event]) -> Tree:
    """Play the recorded replies into a fresh plan of `strategy`; returns the tree that grows.

    Raises ValueError if the plan asks otherwise than it did when the events were recorded.
    """
    tree = Tree()
    plan = strategy.plan(tree)
    steps: dict[int, Step] = {}
    chains: dict[int, dict[int, list[tuple[Step, float | None]]]] = {}
    scores: dict[int, tuple[tuple[int, float | None], ...]] = {}
    asked: list[Asked] = []
    asks: list[Ask] = []
    try:
        asks += next(plan)
        for event in events:
            if isinstance(event, Asked):
                asked.append(event)
            elif isinstance(event, Born):
                steps[event.id] = event.step
                at = chains.setdefault(event.ask, {}).setdefault(event.child, [])
                at.append((event.step, event.score))
            elif isinstance(event, Merged):
                at = chains.setdefault(event.ask, {}).setdefault(event.child, [])
                at.append((steps[event.id], event.score))
            elif isinstance(event, Scored):
                scores[event.ask] = event.scores
            elif isinstance(event, Handed):
                done: list[Done] = []
                for number in event.asks:
                    ask = asks[number - 1]
                    agree(asked[number - 1], ask)
                    failed = number in event.failed
                    if isinstance(ask, Expand):
                        done.append(planted(tree, strategy, ask, chains.get(number, {}), failed))
                    else:
                        done.append(weighed(tree, ask.nodes, scores.get(number, ()), ask))
                asks += plan.send(done)
    except StopIteration:
        pass
    return tree


def planted(
    tree: Tree,
    strategy: Strategy,
    ask: Expand,
    chains: dict[int, list[tuple[Step, float | None]]],
    failed: bool,
) -> Done:
    """Plant one ask's recorded chains as the engine did."""
    leaves: list[Node] = []
    fresh = False
    for _, passed in sorted(chains.items()):
        path = tree.plant(ask.node, [step for step, _ in passed], passed[-1][1], strategy.key)
        fresh = fresh or path[0].new
        leaves.append(path[-1].node)
    if not failed and not fresh and len(leaves) in (0, ask.n):
        ask.node.closed = True
    return Done(ask, leaves)


def weighed(
    tree: Tree, nodes: tuple[Node, ...], scores: tuple[tuple[int, float | None], ...], ask: Ask
) -> Done:
    """Set recorded scores."""
    for id, score in scores:
        if score is not None:
            tree.nodes[id].score = score
    return Done(ask, list(nodes))


def agree(then: Asked, now: Ask) -> None:
    """Is it the same ask?"""
    if isinstance(now, Expand):
        same = (then.node, then.n, then.until) == (now.node.id, now.n, now.until)
    else:
        same = then.nodes == tuple(node.id for node in now.nodes)
    if not same:
        raise ValueError(f"ask {then.ask} was {then}; this strategy asks {now}: another one?")
