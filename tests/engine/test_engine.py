"""One search: order, waves, failures, ends. Every test says what the engine promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from engine.fakes import (
    SUM,
    Bad,
    Fault,
    Faulty,
    Judge,
    Late,
    Marks,
    arrived,
    asks,
    drive,
    faults,
    handed,
    refused,
    reset,
    settled,
    shape,
)
from engine.plans import sheaf, strategies, wanderer
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import (
    Bill,
    Billed,
    Born,
    Budget,
    Called,
    CallFailed,
    Delta,
    Event,
    Expand,
    Finished,
    Meter,
    Node,
    Piece,
    Plan,
    Request,
    Strategy,
    Tree,
    Usage,
    Weigh,
)
from system2.engine import Engine, regrow
from system2.policies.fake import Digits
from system2.search import all_of, beam, best, best_of, direct, enough, mcts

WILD: dict[str, Any] = {"fail": 0.2, "breaks": 0.2, "cut": 0.2, "repeat": 0.4, "base": 2}


def think(
    strategy: Strategy, policy: Any = None, budget: Budget | None = None, **options: Any
) -> tuple[Engine, Finished, list[Event]]:
    """An engine that has run, how it ended, and what happened."""
    engine = Engine(SUM, strategy, policy or Digits(), Meter(budget or Budget()), **options)
    end, events = drive(engine)
    assert settled(engine.meter)
    return engine, end, events


def always(fault: Fault) -> Callable[[int], Fault]:
    return lambda n: fault


def only(number: int, fault: Fault) -> Callable[[int], Fault | None]:
    return lambda n: fault if n == number else None


# ------------------------------------------------------------------ order and replay


@given(strategies, st.integers(0, 9), st.none() | st.integers(10, 80), st.none() | st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_the_same_seed_grows_the_same_tree_whatever_the_delays(
    strategy: Strategy, seed: int, tokens: int | None, calls: int | None
) -> None:
    budget = Budget(tokens=tokens, calls=calls, per_call=10)
    trees = [
        shape(
            think(strategy, Late(Digits(**WILD), delays, most), budget, seed=seed, verifier=Marks(turns))[
                0
            ].tree
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
    engine = Engine(SUM, strategy, policy, Meter(budget), seed=seed, verifier=Marks(), reply=True)
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
    assert arrived(engine.tree) == end.usage.completion > 4
    assert shape(regrow(strategy, events)) == shape(engine.tree)


# ------------------------------------------------------------------ waves


@given(st.integers(1, 5), st.integers(1, 12), st.booleans(), st.none() | st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_never_more_answers_in_flight_than_the_rule_needs(
    need: int, n: int, together: bool, seed: int | None
) -> None:
    policy = Late(Digits(), 1)
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

    engine, end, _ = think(best_of(9, need=need), Late(Digits(), 1, most=20))
    assert set(seen) == {0, 3, 6}
    assert (end.why, end.samples) == ("enough", 6)


def test_steps_are_never_held_back() -> None:
    def plan(tree: Tree) -> Plan:
        asks = [Expand(tree.root, until="answer") for _ in range(3)]
        yield from all_of([*asks, *(Expand(tree.root) for _ in range(6))])

    policy = Late(Digits(), 1)
    end = think(Strategy(plan, best, need=enough(1)), policy)[1]
    assert policy.peak == 7
    assert end.why == "enough"


def test_a_step_search_looks_at_the_rule_at_every_hand_over() -> None:
    engine, end, _ = think(mcts(2, 4, need=enough(1)), Late(Digits(length=2), 1), verifier=Marks())
    assert (end.why, len(engine.tree.finals)) == ("enough", 1) or len(engine.tree.finals) < 5


# ------------------------------------------------------------------ what arrives


def test_duplicates_are_merged_and_counted() -> None:
    engine, end, _ = think(sheaf(5, "step"), Digits(base=1))
    (child,) = engine.tree.root.children
    assert (child.count, engine.tree.root.tried) == (5, 5)
    assert end.usage.completion == arrived(engine.tree) == 5


def test_a_node_is_closed_when_an_ask_brings_nothing_new() -> None:
    def twice(tree: Tree) -> Plan:
        yield from all_of([Expand(tree.root, n=3)])
        assert not tree.root.closed
        yield from all_of([Expand(tree.root, n=3)])
        assert tree.root.closed

    assert think(Strategy(twice, best), Digits(base=1))[1].why == "complete"


def test_a_known_first_step_does_not_close_what_goes_on_differently() -> None:
    class Forked(Digits):
        def _digit(self, text: str, seed: int) -> str:
            return str(seed) if text else "0"

    def twice(tree: Tree) -> Plan:
        yield from all_of([Expand(tree.root, until="answer")])
        yield from all_of([Expand(tree.root, until="answer")])

    engine = think(Strategy(twice, best), Forked(length=2))[0]
    assert len(engine.tree.nodes) == 4
    assert not engine.tree.root.closed


class Mute:
    """Says nothing at all."""

    can = frozenset({"n"})

    def prompt_bound(self, request: Request) -> int:
        return 1

    async def stream(self, request: Request) -> Any:
        if request.n > 9:
            yield Bill(Usage())


def test_silence_is_a_dead_end() -> None:
    engine, end, _ = think(sheaf(3), Mute())
    assert engine.tree.root.closed
    assert (end.why, end.node, end.usage.calls) == ("complete", None, 1)


def test_a_stream_that_breaks_is_planted_as_it_came() -> None:
    policy = Faulty(Digits(length=1, size=10, bills=False), only(1, Fault(3, reset())))
    engine, end, events = think(best_of(1), policy)
    (node,) = engine.tree.nodes[1:]
    assert node.step and node.step.cut and not node.final
    assert (node.step.tokens, end.usage.completion, end.usage.failed) == (3, 3, 3)
    assert end.usage.unseen == 4096 - 3
    assert (end.node, end.answer, end.why) == (1, None, "complete")
    assert [f.role for f in faults(events)] == ["policy"]


def test_one_of_four_children_then_a_reset() -> None:
    policy = Faulty(Digits(length=4, bills=False), only(1, Fault(2, reset(), child=2)))
    engine, end, events = think(sheaf(4), policy)
    assert [e.child for e in events if isinstance(e, Born)] == [2, 2]
    assert arrived(engine.tree) == end.usage.completion == 2
    assert end.usage.calls == 1, "what brought something is not asked again"


def test_an_empty_first_piece_is_nothing() -> None:
    class Opening(Digits):
        async def stream(self, request: Request) -> Any:
            yield Delta(0, "", 0)
            if not self.calls:
                self.calls += 1
                raise refused(retry=True)
            async for item in Digits.stream(self, request):
                yield item

    engine, end, _ = think(best_of(1), Opening())
    assert [node.step.cut for node in engine.tree.nodes if node.step] == [False] * 4
    assert end.usage.calls == 2


def test_pieces_of_children_nobody_asked_for() -> None:
    class Lost(Digits):
        async def stream(self, request: Request) -> Any:
            yield Delta(0, "1", end="step")
            yield Delta(7, "1", end="step")

    engine, end, events = think(best_of(1), Lost())
    assert end.usage.completion == arrived(engine.tree) == 1
    assert "child 7 of 1" in faults(events)[0].error


def test_text_after_an_answer_is_paid_for_and_left_out() -> None:
    class Chatty(Digits):
        async def stream(self, request: Request) -> Any:
            yield Delta(0, "42", 2, end="answer", answer="42")
            yield Delta(0, " or 43", 3, end="answer", answer="43")

    engine, end, _ = think(best_of(1), Chatty())
    assert (len(engine.tree.nodes), end.answer) == (2, "42")
    assert arrived(engine.tree) == end.usage.completion == 5


@pytest.mark.parametrize("n", [1, 3])
def test_every_call_truncated(n: int) -> None:
    policy = Digits(length=9, cut=9.0)
    for strategy in (best_of(4), beam(2, 2), sheaf(n)):
        engine, end, _ = think(strategy, policy)
        assert end.why == "complete"
        assert end.node and engine.tree.nodes[end.node].step.cut  # type: ignore
        assert (end.answer, end.samples) == (None, 0)
        assert not any(node.final or node.closed for node in engine.tree.nodes)


def test_a_server_that_ignores_its_limit_is_cut_there() -> None:
    policy = Digits(length=50, deaf=True)
    _, end, _ = think(sheaf(2), policy, Budget(per_call=5))
    assert (end.usage.completion, end.usage.overrun, end.usage.aborted) == (11, 1, 11)
    assert policy.open == 0


def test_a_bill_beyond_the_grant_is_an_overrun() -> None:
    class Dear(Digits):
        async def stream(self, request: Request) -> Any:
            yield Delta(0, "1", 1, end="answer")
            yield Bill(Usage(prompt=7, cached=3, reasoning=50, answer=4))

    end = think(best_of(1), Dear(), Budget(per_call=5))[1]
    assert end.usage == Usage(prompt=7, cached=3, reasoning=54, overrun=49, calls=1)


def test_an_ask_larger_than_the_room_is_split() -> None:
    policy = Faulty(Digits(length=2), lambda n: None)
    engine, end, _ = think(sheaf(5), policy, Budget(tokens=20, per_call=8))
    assert [(r.n, r.max_tokens) for r in policy.requests] == [(2, 8), (2, 8), (1, 8)]
    assert (end.why, len(engine.tree.finals)) == ("complete", 5)
    seeds = [seed for request in policy.requests for seed in request.seeds]
    assert len(set(seeds)) == 5


def test_a_backend_that_takes_one_at_a_time() -> None:
    policy = Faulty(Digits(can=frozenset({"continue"})), lambda n: None)
    engine, _, _ = think(sheaf(5), policy, Budget(calls=2))
    assert [r.n for r in policy.requests] == [1] * 5
    assert len(engine.tree.finals) == 5


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize("n", [1, 6, 40])
def test_a_dead_server(n: int) -> None:
    policy = Faulty(Digits(), always(Fault(0, refused(retry=True))))
    _, end, events = think(best_of(n), policy, Budget(calls=4))
    assert (end.why, end.node, end.usage.completion) == ("failed", None, 0)
    assert len(policy.requests) <= min(3 * n, 3 * 12)
    assert all("refused" in fault.error for fault in faults(events))
    assert len(faults(events)) <= end.usage.calls == len(policy.requests)


def test_what_cannot_be_helped_is_not_tried_again() -> None:
    policy = Faulty(Digits(), always(Fault(0, refused())))
    assert think(best_of(2), policy)[1].why == "failed"
    assert len(policy.requests) == 2


def test_any_error_of_a_policy_is_one_failed_call() -> None:
    policy = Faulty(Digits(), only(2, Fault(2, KeyError("oh"))))
    engine, end, events = think(best_of(3), policy, seed=1)
    assert (end.why, len(engine.tree.finals)) == ("complete", 2)
    assert [fault.error for fault in faults(events)] == ["KeyError: 'oh'"]


def test_a_failed_ask_does_not_close_its_node() -> None:
    engine, end, _ = think(mcts(2, 1), Faulty(Digits(length=1), lambda n: Fault(0, refused())))
    assert end.why == "failed"
    assert not engine.tree.root.closed


def test_a_plan_that_asks_a_dead_server_for_ever_and_weighs_between() -> None:
    def stubborn(tree: Tree) -> Plan:
        while True:
            yield from all_of([Expand(tree.root), Weigh(())])

    end = think(Strategy(stubborn, best), Faulty(Digits(), always(Fault(0, refused()))))[1]
    assert (end.why, end.usage.calls) == ("failed", 8)


def test_after_is_honoured() -> None:
    times: list[float] = []

    class Busy(Digits):
        async def stream(self, request: Request) -> Any:
            times.append(asyncio.get_running_loop().time())
            if len(times) < 3:
                raise CallFailed("busy", retry=True, after=0.05)
            async for item in Digits.stream(self, request):
                yield item

    _, end, events = think(best_of(1), Busy())
    assert end.answer
    assert all(later - earlier >= 0.05 for earlier, later in zip(times, times[1:], strict=False))
    called = [event for event in events if isinstance(event, Called)]
    assert [call.attempt for call in called] == [1, 2, 3]
    assert len({call.seeds for call in called}) == 1


def test_a_retry_after_tokens_were_lost_is_promised_anew() -> None:
    policy = Faulty(Digits(), only(1, Fault(0, reset())))
    _, end, _ = think(best_of(1), policy, Budget(tokens=20, per_call=10))
    assert (end.answer is not None, end.usage.unseen, end.usage.completion) == (True, 10, 4)
    _, end, _ = think(best_of(1), Faulty(Digits(), only(1, Fault(0, reset()))), Budget(tokens=15, per_call=10))
    assert (end.answer, end.usage.unseen, end.usage.calls, end.why) == (None, 10, 1, "failed")


def test_a_billed_failure_has_used_up_its_promise() -> None:
    class Thief(Digits):
        async def stream(self, request: Request) -> Any:
            yield Bill(Usage(prompt=5, reasoning=10))
            raise CallFailed("lost it", retry=True, after=0.0)

    end = think(best_of(1), Thief(), Budget(tokens=25, per_call=10))[1]
    assert (end.usage.completion, end.usage.failed, end.usage.calls) == (20, 20, 2)


def test_a_retry_leaves_the_reserve() -> None:
    policy = Faulty(Digits(length=2), only(1, Fault(0, reset())))
    budget = Budget(tokens=19, per_call=10, reserve=5)
    engine, end, _ = think(best_of(1), policy, budget, reply=True)
    assert len(policy.requests) == 1, "nine are left, of which five are not for retries"
    assert end.why == "failed"


# ------------------------------------------------------------------ verifiers


@pytest.mark.parametrize("how", ["raises", "hangs", "short", "nan"])
def test_a_bad_verifier_loses_no_chain(how: str) -> None:
    for strategy in (best_of(3), mcts(1, 1)):
        engine, end, events = think(strategy, verifier=Bad(how), verify_seconds=0.01)
        assert end.answer and end.why == "complete"
        assert all(node.score is None for node in engine.tree.nodes)
        assert {fault.role for fault in faults(events)} == {"verifier"}


def weighing(n: int, **rules: Any) -> Strategy:
    def plan(tree: Tree) -> Plan:
        nodes = yield from all_of([Expand(tree.root, until="answer") for _ in range(n)])
        (again,) = yield from weighed(nodes)
        assert len(again) == n

    def weighed(nodes: list[Node]) -> Any:
        done = yield [Weigh(tuple(nodes))]
        return [d.nodes for d in done]

    return Strategy(plan, best, **rules)


def test_nodes_are_weighed_together() -> None:
    engine, end, events = think(weighing(3), verifier=Marks())
    assert all(node.score is not None for node in engine.tree.finals)
    assert shape(regrow(weighing(3), events)) == shape(engine.tree)
    engine, end, _ = think(weighing(3), verifier=Bad("raises"))
    assert all(node.score is None for node in engine.tree.finals)
    assert end.why == "complete"
    assert think(weighing(3))[1].why == "complete", "nobody to weigh them"


@pytest.mark.parametrize("seed", [None, 1])
@pytest.mark.parametrize("lines", [1, 2, None])
def test_a_verifier_that_writes_is_metered(seed: int | None, lines: int | None) -> None:
    judge = Judge()
    policy = Late(Digits(length=2, deaf=True))
    budget = Budget(tokens=100, calls=lines, per_call=10)
    engine, end, events = think(best_of(4), policy, budget, verifier=judge, seed=seed)
    assert end.roles["verifier"] == sum((bill.usage for bill in judge.bills), Usage())
    assert end.roles["verifier"].calls == 4
    assert end.roles["policy"].completion == 8 and end.usage == end.roles["policy"]
    assert all(node.score is not None for node in engine.tree.finals)
    assert {b.role for b in events if isinstance(b, Billed) and b.ask} == {"policy", "verifier"}
    assert not faults(events)


def test_a_verifier_writes_while_all_lines_are_taken_and_order_matters() -> None:
    engine, end, events = think(
        weighing(4), Late(Digits(length=2)), Budget(calls=1), verifier=Judge(), seed=1
    )
    assert not faults(events)
    assert end.roles["verifier"].calls == 4


def test_a_verifier_is_paid_from_what_its_own_call_left() -> None:
    _, end, events = think(
        best_of(1), Digits(length=2), Budget(tokens=10, per_call=10), verifier=Judge(3)
    )
    assert not faults(events)
    assert end.roles["verifier"].completion <= 3


def test_a_verifier_gets_no_more_than_there_is() -> None:
    judge = Judge(40)
    policy = Faulty(Digits(length=30), lambda n: None)
    engine, end, events = think(sheaf(2), policy, Budget(tokens=60, per_call=30), verifier=judge)
    assert ["no budget is left" in fault.error for fault in faults(events)] == [True]
    assert len(policy.requests) == 1
    assert [node.score for node in engine.tree.finals] == [None, None]


def test_a_verifiers_call_is_cut_at_its_grant_and_tried_again() -> None:
    judge = Judge(3)
    policy = Faulty(Digits(length=9, deaf=True), only(2, Fault(0, refused(retry=True))))
    _, end, events = think(sheaf(1), policy, Budget(tokens=100, per_call=9), verifier=judge)
    assert [fault.role for fault in faults(events)] == ["verifier"]
    assert (end.roles["verifier"].completion, end.roles["verifier"].overrun) == (4, 1)
    policy = Faulty(Digits(), lambda n: Fault(0, refused()) if n > 1 else None)
    engine, _, events = think(sheaf(1), policy, verifier=Judge())
    assert [f.error for f in faults(events)][-1] == "the verifier's own call failed"
    assert engine.tree.finals[0].score is None


def test_a_verifier_leaves_the_reserve() -> None:
    budget = Budget(tokens=30, per_call=10, reserve=10)
    engine, end, events = think(
        weighing(1), Digits(length=8), budget, verifier=Judge(15), reply=True
    )
    assert [fault.role for fault in faults(events)] == ["verifier"]
    assert end.answer == "".join(step.text for step in engine.tree.finals[0].chain())


# ------------------------------------------------------------------ ends


def hanging(n: int = 1, after: int = 2) -> Faulty:
    """Call `n` and all later ones hang after some tokens."""
    policy = Digits(bills=False)
    return Faulty(policy, lambda number: Fault(after, hang=True) if number >= n else None)


async def turns(n: int) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", [None, 1])
def test_stop_gives_the_best_so_far(seed: int | None) -> None:
    policy = hanging(4)
    engine = Engine(SUM, best_of(6), policy, Meter(), seed=seed)

    async def run() -> Finished:
        task = asyncio.create_task(engine.run())
        await turns(60)
        engine.stop("enough of it")
        engine.stop("again")
        async with asyncio.timeout(5):
            return await task

    end = asyncio.run(run())
    assert end.why == "enough of it"
    assert end.answer and len(engine.tree.finals) == 3
    assert arrived(engine.tree) == end.usage.completion == 3 * 4 + 3 * 2
    assert end.usage.aborted == 6
    assert policy.closed == 6, "streams are closed at once"
    assert settled(engine.meter)


def test_stop_while_replies_wait_for_their_turn() -> None:
    """The first hangs, the others are in: with a seed they wait, but not for ever."""
    policy = Faulty(Digits(), only(1, Fault(1, hang=True)))
    engine = Engine(SUM, best_of(4), policy, Meter(), seed=1)

    async def run() -> Finished:
        task = asyncio.create_task(engine.run())
        await turns(60)
        assert not engine.tree.finals
        engine.stop("user")
        async with asyncio.timeout(5):
            return await task

    assert asyncio.run(run()).why == "user"
    assert len(engine.tree.finals) == 3


def test_stop_while_other_searches_hold_the_budget() -> None:
    parent = Meter(Budget(tokens=10))
    held = parent.promise(1, 0, 10)
    engine = Engine(SUM, best_of(1), Digits(), Meter(parent=parent), seed=1)

    async def run() -> Finished:
        task = asyncio.create_task(engine.run())
        await turns(5)
        engine.stop("user")
        async with asyncio.timeout(5):
            return await task

    assert asyncio.run(run()).why == "user"
    assert held and parent.promised == 10


def test_waiting_for_what_other_searches_give_back() -> None:
    parent = Meter(Budget(tokens=10))
    held = parent.promise(1, 0, 10)
    assert held
    engine = Engine(SUM, best_of(1), Digits(), Meter(parent=parent), reply=True, seed=1)

    async def run() -> Finished:
        task = asyncio.create_task(engine.run())
        await turns(5)
        parent.settle(held, Usage(reasoning=2), "policy")
        return await task

    assert asyncio.run(run()).answer
    assert settled(engine.meter)


def test_stop_before_the_start() -> None:
    engine = Engine(SUM, best_of(3), Digits(), Meter())
    engine.stop("never mind")
    end, _ = drive(engine)
    assert (end.why, end.node) == ("never mind", None)


@pytest.mark.parametrize("moment", [0, 1, 2, 5, 30])
@pytest.mark.parametrize("seed", [None, 1])
def test_cancelling_drains_and_tells_the_end_before_it_rises(moment: int, seed: int | None) -> None:
    events: list[Event] = []
    engine = Engine(SUM, best_of(3), hanging(2), Meter(parent=Meter()), seed=seed, reply=True)
    engine.watchers.append(events.append)

    async def run() -> None:
        task = asyncio.create_task(engine.run())
        await turns(moment + 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert isinstance(events[-1], Finished) and events[-1].why == "cancelled"
    assert arrived(engine.tree) == events[-1].usage.completion
    assert settled(engine.meter)
    assert shape(regrow(best_of(3), events)) == shape(engine.tree)


class Stubborn(Digits):
    """Does not let itself be cancelled at once."""

    async def stream(self, request: Request) -> Any:
        yield Delta(0, "1", end="step")
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            try:
                await asyncio.sleep(0.3)
            except asyncio.CancelledError:
                continue
        yield Delta(0, "2", end="answer")


def test_a_call_that_will_not_be_cancelled_is_left_behind() -> None:
    engine = Engine(SUM, best_of(2), Stubborn(), Meter(Budget(seconds=0.02)))

    async def run() -> tuple[Finished, float]:
        end = await engine.run()
        took = end.seconds
        await asyncio.sleep(0.4)
        return end, took

    end, took = asyncio.run(run())
    assert took < 0.25
    assert (end.why, end.usage.completion, end.usage.unseen) == ("time", 2, 2 * 4095)
    assert settled(engine.meter)
    assert len(engine.tree.nodes) == 2


def test_cancelled_twice() -> None:
    engine = Engine(SUM, best_of(2), Stubborn(), Meter())
    events: list[Event] = []
    engine.watchers.append(events.append)

    async def run() -> None:
        task = asyncio.create_task(engine.run())
        await turns(5)
        task.cancel()
        await turns(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.4)

    asyncio.run(run())
    assert isinstance(events[-1], Finished)
    assert settled(engine.meter)


def test_cancelled_while_the_reply_is_written() -> None:
    policy = hanging(2)
    engine = Engine(SUM, best_of(1), policy, Meter(Budget(reserve=50)), reply=True)
    events: list[Event] = []
    engine.watchers.append(events.append)

    async def run() -> None:
        task = asyncio.create_task(engine.run())
        await turns(60)
        assert len(policy.requests) == 2
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    end = events[-1]
    assert isinstance(end, Finished) and (end.why, end.node) == ("cancelled", 4)
    assert settled(engine.meter)


@pytest.mark.parametrize("kind", [Piece, Born, Called, Finished])
def test_a_full_disk_ends_the_run_with_the_answer(kind: type) -> None:
    def full(event: Event) -> None:
        if isinstance(event, kind):
            raise OSError("no space left on device")

    engine = Engine(SUM, beam(1, 1), Digits(), Meter(), seed=1)
    engine.watchers.append(full)
    end, _ = drive(engine)
    assert end.why == "trace"
    assert (end.answer is not None) == (kind is Finished)
    assert engine.watchers and full not in engine.watchers
    assert [str(fault) for fault in engine.faults] == ["no space left on device"]
    assert settled(engine.meter)


def test_any_other_watcher_that_raises() -> None:
    engine = Engine(SUM, best_of(2), Digits(), Meter())
    engine.watchers.append(lambda event: 1 / 0 if isinstance(event, Born) else None)
    assert drive(engine)[0].why == "watcher"


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_the_deadline(seconds: float) -> None:
    engine, end, events = think(best_of(5), hanging(3), Budget(seconds=seconds), reply=True)
    assert end.why == "time"
    assert end.seconds < seconds + 0.25
    assert bool(end.answer) == (seconds > 0)
    assert arrived(engine.tree) == end.usage.completion
    if seconds:
        assert faults(events)[-1].error == "the reply came too late"


def test_a_timeout_of_the_plan_is_not_the_deadline() -> None:
    def plan(tree: Tree) -> Plan:
        yield [Expand(tree.root)]
        raise TimeoutError("my own")

    engine = Engine(SUM, Strategy(plan, best), Digits(), Meter())
    with pytest.raises(TimeoutError, match="my own"):
        drive(engine)
    assert settled(engine.meter)


@pytest.mark.parametrize("seed", [None, 1])
def test_an_error_in_a_plan_rises_after_all_is_settled(seed: int | None) -> None:
    def plan(tree: Tree) -> Plan:
        yield [Expand(tree.root), Expand(tree.root, until="answer"), Expand(tree.root, n=3)]
        raise LookupError("a bug")

    policy = hanging(2)
    engine = Engine(SUM, Strategy(plan, best), policy, Meter(parent=Meter()), seed=seed)
    with pytest.raises(LookupError, match="a bug"):
        drive(engine)
    assert settled(engine.meter)
    assert policy.closed == 3
    assert arrived(engine.tree) == engine.meter.usage.completion


def test_time_is_set_aside_for_the_reply() -> None:
    budget = Budget(seconds=5.0, reserve_seconds=4.95, reserve=9)
    policy = Faulty(Digits(), only(2, Fault(1, hang=True)))
    _, end, _ = think(best_of(2), policy, budget, reply=True)
    assert (end.why, len(policy.requests)) == ("time", 3)
    assert end.usage.answer


# ------------------------------------------------------------------ the reply


def test_the_reply_is_written_from_the_reserve() -> None:
    policy = Faulty(Digits(length=5), lambda n: None)
    budget = Budget(tokens=17, per_call=5, reserve=2)
    engine, end, events = think(best_of(9), policy, budget, reply=True, seed=2)
    last = policy.requests[-1]
    assert (end.why, last.until, last.max_tokens) == ("budget", "reply", 2)
    assert [len(engine.tree.finals), end.usage.reasoning, end.usage.answer] == [3, 15, 1]
    assert end.answer == "".join(step.text for step in last.chain)
    assert asks(events)[-1].until == "reply"
    assert shape(regrow(best_of(9), events)) == shape(engine.tree)


def test_without_a_reply_the_steps_own_answer_is_shown() -> None:
    for fault in (Fault(0, refused()), Fault(0, hang=True), Fault(1)):
        size = 3 if fault.after else 1
        policy = Faulty(Digits(size=size), lambda n, fault=fault: fault if n == 2 else None)
        engine, end, _ = think(best_of(1), policy, Budget(seconds=0.1), reply=True)
        assert end.answer == engine.tree.finals[0].answer
        assert (end.usage.answer, end.why) == (0, "complete")


def test_no_room_for_a_reply() -> None:
    end, events = think(best_of(1), Digits(), Budget(tokens=4), reply=True)[1:]
    assert end.answer
    assert faults(events)[-1].error == "no budget is left for the reply"


def test_direct_answers_are_the_answer_and_no_line_of_thought() -> None:
    engine, end, _ = think(direct(), Digits())
    assert (end.node, end.samples, end.usage.reasoning, end.usage.answer) == (1, 0, 0, 1)
    assert not engine.tree.nodes[1].final


def test_told_tokens_of_the_chosen_step_are_the_answer() -> None:
    class Talks(Digits):
        async def stream(self, request: Request) -> Any:
            yield Delta(0, "hm", 2, end="step")
            yield Delta(0, "so", 1)
            yield Delta(0, "42", 3, "reply", end="answer", answer="42")

    engine, end, _ = think(best_of(2), Talks())
    assert (end.usage.reasoning, end.usage.answer) == (9, 3)
    assert end.roles["policy"] == end.usage


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
        assert max(b - a for a, b in zip(seen, seen[1:], strict=False)) <= 64


@given(st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_wanderers_end(seed: int) -> None:
    end = think(wanderer(seed), Late(Digits(**WILD), 1), Budget(calls=2), verifier=Marks(), seed=seed)[1]
    assert end.why in ("complete", "enough", "failed")
