"""A recorded run, asked again, answers the same."""

import asyncio

from system2.core import (
    Bill,
    Budget,
    CallFailed,
    Delta,
    Event,
    Meter,
    Piece,
    Problem,
    Request,
    Usage,
)
from system2.engine import Engine, regrow
from system2.policies.replay import ReplayPolicy
from system2.search import best_of, mcts


class Dice:
    """Writes three steps a line; the last one is the answer."""

    can = frozenset({"n", "continue"})

    def prompt_bound(self, request: Request) -> int:
        return 4

    async def stream(self, request: Request):
        for child, seed in enumerate(request.seeds):
            for depth in range(len(request.chain), 3):
                await asyncio.sleep(0)
                digit = str((seed >> depth) % 3)
                last = depth == 2
                yield Delta(child, digit, 1, logprobs=(-0.5,), ids=(7,), end="answer" if last else "step",
                            answer=digit if last else None)  # fmt: skip
                if request.until == "step":
                    break
        yield Bill(Usage(prompt=4, reasoning=request.n, calls=1))


def run(strategy, policy, seed):
    events: list[Event] = []
    engine = Engine(
        Problem.of("q"), strategy, policy, Meter(Budget(tokens=200, per_call=8)), seed=seed
    )
    engine.watchers.append(lambda e: None if isinstance(e, Piece) else events.append(e))
    return asyncio.run(engine.run()), engine, events


def shape(tree):
    return [
        (n.id, n.parent and n.parent.id, n.step, n.count, n.tried, n.visits) for n in tree.nodes
    ]


def test_replies_come_again():
    for strategy in (best_of(12), mcts(2, 3, simulations=20)):
        end, engine, events = run(strategy, Dice(), 3)
        again, twin, _ = run(strategy, ReplayPolicy(events), 3)
        assert shape(twin.tree) == shape(engine.tree) == shape(regrow(strategy, events))
        assert (again.node, again.answer, again.why) == (end.node, end.answer, end.why)


def test_what_was_not_recorded_fails():
    _, _, events = run(best_of(2), Dice(), 3)
    end, _, told = run(best_of(3), ReplayPolicy(events), 3)
    assert end.samples == 2
    failed = [e for e in told if type(e).__name__ == "Failed"]
    assert len(failed) == 1 and "no further continuation" in failed[0].error


def test_call_failed_is_what_rises():
    async def ask():
        request = Request(Problem.of("q"), [], 1, "step", 5, (1,))
        return [d async for d in ReplayPolicy([]).stream(request)]

    try:
        asyncio.run(ask())
    except CallFailed as error:
        assert not error.retry
    else:
        raise AssertionError("nothing was recorded, yet something came")
