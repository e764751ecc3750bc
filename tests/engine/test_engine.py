"""One search: order, replay, waves, the loop. Every test says what the engine promises."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from engine.fakes import (
    SUM,
    WILD,
    Late,
    Marks,
    arrived,
    handed,
    settled,
    shape,
    think,
    turns,
)
from engine.plans import sheaf, strategies, wanderer
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import (
    PLAIN,
    Budget,
    Delta,
    Event,
    Expand,
    Finished,
    Meter,
    Plan,
    Request,
    Strategy,
    Tree,
    Weigh,
)
from system2.engine import Engine, regrow
from system2.engine.calls import PIECES
from system2.policies.fake import Digits
from system2.search import all_of, beam, best, best_of, enough, mcts

# ------------------------------------------------------------------ order and replay


@given(
    strategies, st.integers(0, 9), st.none() | st.integers(10, 80), st.none() | st.integers(1, 3)
)
@settings(max_examples=80, deadline=None)
def test_the_same_seed_grows_the_same_tree_whatever_the_delays(
    strategy: Strategy, seed: int, tokens: int | None, calls: int | None
) -> None:
    budget = Budget(tokens=tokens, calls=calls, per_call=10)
    trees = [
        shape(
            think(
                strategy,
                Late(Digits(**WILD), delays, most),
                budget,
                seed=seed,
                verifier=Marks(turns),
            )[0].tree
        )
        for delays, most, turns in ((0, 0, 0), (1, 3, 5), (2, 9, 1))
    ]
    assert trees[0] == trees[1] == trees[2]


@given(
    strategies,
    st.none() | st.integers(0, 9),
    st.none() | st.integers(5, 60),
    st.none() | st.integers(1, 60),
    st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_recorded_events_regrow_the_identical_tree(
    strategy: Strategy, seed: int | None, tokens: int | None, breaks_at: int | None, cancel: bool
) -> None:
    policy = Late(Digits(**WILD), 3)
    budget = Budget(tokens=tokens, per_call=10)
    engine = Engine(SUM, strategy, policy, Meter(budget), seed=seed, verifier=Marks(), reply=PLAIN)
    events: list[Event] = []
    engine.watchers.append(events.append)

    async def run() -> None:
        task = asyncio.create_task(engine.run())
        if breaks_at is not None:
            for _ in range(breaks_at):
                await asyncio.sleep(0)
            task.cancel() if cancel else engine.stop("halt")
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert settled(engine.meter)
    assert shape(regrow(strategy, events)) == shape(engine.tree)


def test_with_a_seed_replies_are_handed_over_in_order() -> None:
    policy = Late(Digits(), 5, most=30)
    assert handed(think(best_of(20), policy, seed=3)[2]) == [*range(1, 21)]
    assert handed(think(best_of(20), policy)[2]) != [*range(1, 21)]


def test_another_strategy_does_not_fit_the_record() -> None:
    events = think(best_of(3), seed=1)[2]
    for other in (best_of(2), beam(2, 2), sheaf(3)):
        with pytest.raises(ValueError, match="another one"):
            regrow(other, events)


def test_a_plan_that_asks_nothing() -> None:
    def empty(tree: Tree) -> Plan:
        yield from ()

    strategy = Strategy(empty, best)
    engine, end, events = think(strategy)
    assert (end.why, end.node, end.answer) == ("complete", None, None)
    assert shape(regrow(strategy, events)) == shape(engine.tree)

    def idle(tree: Tree) -> Plan:
        yield []

    assert think(Strategy(idle, best))[1].why == "stuck"


def test_asks_for_nothing_are_done_at_once() -> None:
    def plan(tree: Tree) -> Plan:
        done = yield [Expand(tree.root, n=0), Weigh(())]
        while len(done) < 2:
            done += yield []
        assert [d.nodes for d in done] == [[], []]

    for seed in (None, 1):
        engine, end, _ = think(Strategy(plan, best), seed=seed)
        assert end.why == "complete"
        assert not engine.tree.root.closed


def test_what_is_in_flight_when_the_plan_ends_is_planted_and_regrown() -> None:
    def hasty(tree: Tree) -> Plan:
        yield [Expand(tree.root, until="answer") for _ in range(4)]

    strategy = Strategy(hasty, best)
    engine, end, events = think(strategy, Late(Digits(bills=False), 1, most=9))
    assert end.why == "complete"
    assert arrived(engine.tree) == end.usage.completion >= 4  # one whole line, and what others had
    assert shape(regrow(strategy, events)) == shape(engine.tree)


# ------------------------------------------------------------------ waves


@given(st.integers(1, 5), st.integers(1, 12), st.booleans(), st.none() | st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_never_more_answers_in_flight_than_the_rule_needs(
    need: int, n: int, together: bool, seed: int | None
) -> None:
    policy = Late(Digits(), 1, least=100)
    rule = enough(need)
    strategy = sheaf(n, need=rule) if together else best_of(n, need=rule)
    engine, end, _ = think(strategy, policy, seed=seed)
    assert policy.peak == min(need, n)
    assert len(engine.tree.finals) == (n if together or n < need else need)
    assert end.why == "enough" if n >= need else end.why == "complete"


def test_the_rule_is_looked_at_when_the_wave_is_in() -> None:
    seen: list[int] = []

    def need(tree: Tree) -> int:
        seen.append(len(tree.finals))
        return 0 if len(tree.finals) >= 5 else 3

    _engine, end, _ = think(best_of(9, need=need), Late(Digits(), 1, most=20))
    assert set(seen) == {0, 3, 6}
    assert (end.why, end.samples) == ("enough", 6)


def test_steps_are_never_held_back() -> None:
    def plan(tree: Tree) -> Plan:
        asks = [Expand(tree.root, until="answer") for _ in range(3)]
        yield from all_of([*asks, *(Expand(tree.root) for _ in range(6))])

    policy = Late(Digits(), 1, least=100)
    end = think(Strategy(plan, best, need=enough(1)), policy)[1]
    assert policy.peak == 7  # one answer, and all six steps beside it
    assert end.why == "enough"


def test_a_step_search_looks_at_the_rule_at_every_hand_over() -> None:
    whole = think(mcts(8, 3), Late(Digits(length=3), 1), verifier=Marks())[0]
    engine, end, _ = think(mcts(8, 3, need=enough(1)), Late(Digits(length=3), 1), verifier=Marks())
    assert end.why == "enough"
    assert 1 <= len(engine.tree.finals) < len(whole.tree.finals)


# ------------------------------------------------------------------ the loop


def test_the_loop_is_not_held_up() -> None:
    """While a thousand replies come at once, others on the loop get their turns."""
    seen: list[int] = []

    async def tick(engine: Engine) -> None:
        while True:
            seen.append(len(engine.tree.finals))
            await asyncio.sleep(0)

    async def run(seed: int | None) -> None:
        engine = Engine(SUM, best_of(1024), Digits(length=1), Meter(), seed=seed)
        ticking = asyncio.create_task(tick(engine))
        await engine.run()
        ticking.cancel()

    for seed in (None, 1):
        seen.clear()
        asyncio.run(run(seed))
        assert max(b - a for a, b in pairwise(seen)) <= 64


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_wanderers_end(seed: int) -> None:
    end = think(
        wanderer(seed), Late(Digits(**WILD), 1), Budget(calls=2), verifier=Marks(), seed=seed
    )[1]
    assert end.why in ("complete", "enough", "failed")


def test_a_wave_that_is_in_is_looked_at_though_its_ask_is_not() -> None:
    """Two of four answers are in; meanwhile two steps have finished, which is enough."""

    def plan(tree: Tree) -> Plan:
        yield from all_of([Expand(tree.root, n=4, until="answer"), Expand(tree.root, n=2)])

    _, end, _ = think(Strategy(plan, best, need=enough(2)), Digits(length=1))
    assert (end.why, end.samples) == ("enough", 4)


def test_a_rule_that_wants_nothing_begins_nothing() -> None:
    _, end, _ = think(best_of(2, need=lambda tree: 0))
    assert (end.why, end.node, end.usage.calls) == ("enough", None, 0)


def test_a_flood_of_pieces_is_taken_in_turns() -> None:
    """A thousand streams wake at once; between two turns of the loop only so much is taken."""
    taken: list[int] = [0]

    class Flood(Digits):
        async def stream(self, request: Request) -> Any:
            await gate.wait()
            for n in range(4):
                taken[-1] += 1
                yield Delta(0, "1", end="answer" if n == 3 else "")

    gate = asyncio.Event()

    async def run() -> Finished:
        engine = Engine(SUM, best_of(1000), Flood(), Meter())
        task = asyncio.create_task(engine.run())
        await turns(200)
        gate.set()
        while not task.done():
            taken.append(0)
            await asyncio.sleep(0)
        return await task

    assert asyncio.run(run()).usage.completion == sum(taken) == 4000
    assert max(taken) <= 1000 + PIECES, "each wakes with one in hand, then they wait for their turn"
