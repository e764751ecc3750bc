"""A search is a fold over its replies: recorded events regrow the identical tree. No I/O, no money."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress

from system2.core import (
    PLAIN,
    Ask,
    Asked,
    Born,
    Done,
    Event,
    Expand,
    Handed,
    Merged,
    Resumed,
    Scored,
    Step,
    Strategy,
    Tree,
)
from system2.engine.planting import Child, plant, weigh


def regrow(strategy: Strategy, events: Iterable[Event]) -> Tree:
    """Play the recorded replies into a fresh plan of `strategy`; returns the tree that grows.

    Where the run was resumed, the tree grew anew: what was before is left out.

    Raises ValueError if the plan asks otherwise than it did when the events were recorded.
    """
    told = list(events)
    last = max((n for n, event in enumerate(told) if isinstance(event, Resumed)), default=0)
    tree = Tree()
    plan = strategy.plan(tree)
    steps: dict[int, Step] = {}
    brought: dict[int, dict[int, list[tuple[Step, float | None]]]] = defaultdict(dict)
    scores: dict[int, Scored] = {}
    asked: list[Asked] = []
    asks: list[Ask] = []
    asks += next(plan, asks)
    for event in told[last:]:
        if isinstance(event, Asked):
            asked.append(event)
        elif isinstance(event, Born | Merged):
            if isinstance(event, Born):
                steps[event.id] = event.step
            brought[event.ask].setdefault(event.child, []).append((steps[event.id], event.score))
        elif isinstance(event, Scored) and not event.ask:  # after the search
            for id, score in event.scores:
                weigh([tree.nodes[id]], [score])
        elif isinstance(event, Scored):
            scores[event.ask] = event
        elif isinstance(event, Handed):
            done: list[Done] = []
            for number in event.asks:
                ask = the_same(asked, asks, number)
                if isinstance(ask, Expand):
                    children = [
                        Child(child, [step for step, _ in passed], passed[-1][1])
                        for child, passed in sorted(brought.pop(number, {}).items())
                    ]
                    failed = number in event.failed
                    paths = plant(tree, strategy.key, ask, children, failed=failed)
                    done.append(Done(ask, [path[-1].node for path in paths]))
                else:
                    weigh(ask.nodes, (score for _, score in scores[number].scores))
                    done.append(Done(ask, list(ask.nodes)))
            with suppress(StopIteration):  # what was under way when the plan ended still comes
                asks += plan.send(done)
    return tree


def the_same(asked: list[Asked], asks: list[Ask], number: int) -> Ask:
    """Ask `number` of the plan. Raises ValueError if another was recorded."""
    then = asked[number - 1]
    now = asks[number - 1] if number <= len(asks) else None
    if isinstance(now, Expand):
        also = tuple(node.id for node in now.also)
        what = (now.node.id, now.n, now.until, also, now.style)
        same = what == (then.node, then.n, then.until, then.also, then.style or PLAIN)
    else:
        same = now is not None and then.nodes == tuple(node.id for node in now.nodes)
    if now is None or not same:
        raise ValueError(f"ask {number} was {then}; this strategy asks {now}: another one?")
    return now
