"""What arrives, whole or broken, is planted and paid for; failures end nothing but themselves."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from engine.fakes import (
    Fault,
    Faulty,
    always,
    arrived,
    faults,
    only,
    refused,
    reset,
    think,
)
from engine.plans import sheaf

from system2.core import (
    PLAIN,
    Bill,
    Born,
    Budget,
    Called,
    CallFailed,
    Delta,
    Expand,
    Failed,
    Plan,
    Request,
    Strategy,
    Tree,
    Usage,
    Weigh,
)
from system2.engine.calls import pause
from system2.policies.fake import Digits
from system2.search import all_of, beam, best, best_of, mcts

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
    assert all(later - earlier >= 0.05 for earlier, later in pairwise(times))
    called = [event for event in events if isinstance(event, Called)]
    assert [call.attempt for call in called] == [1, 2, 3]
    assert len({call.seeds for call in called}) == 1


def test_a_server_that_asks_for_an_hour_has_failed() -> None:
    class Closed(Digits):
        async def stream(self, request: Request) -> Any:
            raise CallFailed("busy", retry=True, after=3600.0)
            yield

    _, end, events = think(best_of(1), Closed())
    failed = [event.error for event in events if isinstance(event, Failed)]
    assert (end.why, failed) == ("failed", ["busy; it asks to wait 3,600 seconds"])


def test_a_retry_after_tokens_were_lost_is_promised_anew() -> None:
    policy = Faulty(Digits(), only(1, Fault(0, reset())))
    _, end, _ = think(best_of(1), policy, Budget(tokens=20, per_call=10))
    assert (end.answer is not None, end.usage.unseen, end.usage.completion) == (True, 10, 4)
    _, end, _ = think(
        best_of(1), Faulty(Digits(), only(1, Fault(0, reset()))), Budget(tokens=15, per_call=10)
    )
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
    budget = Budget(tokens=22, per_call=10, reserve=5)
    _engine, end, _ = think(best_of(1), policy, budget, reply=PLAIN)
    assert len(policy.requests) == 1, "twelve are left, of which five are not for retries"
    assert end.why == "failed"


def test_pauses_grow_and_are_never_the_same() -> None:
    for attempt in (1, 2):
        pauses = [pause(attempt) for _ in range(50)]
        assert 0 <= min(pauses) < max(pauses) <= 0.25 * 2**attempt
