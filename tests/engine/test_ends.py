"""How a run ends: stopped, cancelled, late, broken; and the reply."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from engine.fakes import (
    SUM,
    Fault,
    Faulty,
    arrived,
    asks,
    drive,
    faults,
    hanging,
    only,
    refused,
    settled,
    shape,
    think,
    turns,
)

from system2.core import (
    PLAIN,
    Born,
    Budget,
    Called,
    Delta,
    Event,
    Expand,
    Finished,
    Handed,
    Meter,
    Piece,
    Plan,
    Request,
    Strategy,
    Tree,
    Usage,
)
from system2.engine import Engine, regrow
from system2.policies.fake import Digits
from system2.search import beam, best, best_of, direct

# ------------------------------------------------------------------ ends


@pytest.mark.parametrize("seed", [None, 1])
def test_stop_gives_the_best_so_far(seed: int | None) -> None:
    policy = hanging(4)
    engine = Engine(SUM, best_of(6), policy, Meter(), seed=seed)

    async def run() -> Finished:
        task = asyncio.create_task(engine.run())
        await turns(60)
        engine.stop("enough of it")
        engine.stop("again")
        async with asyncio.timeout(60):
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
        async with asyncio.timeout(60):
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
        async with asyncio.timeout(60):
            return await task

    assert asyncio.run(run()).why == "user"
    assert held and parent.promised == 10


def test_waiting_for_what_other_searches_give_back() -> None:
    parent = Meter(Budget(tokens=10))
    held = parent.promise(1, 0, 10)
    assert held
    engine = Engine(SUM, best_of(1), Digits(), Meter(parent=parent), reply=PLAIN, seed=1)

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
    engine = Engine(SUM, best_of(3), hanging(2), Meter(parent=Meter()), seed=seed, reply=PLAIN)
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
    """Will not be cancelled: ends when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()

    async def stream(self, request: Request) -> Any:
        yield Delta(0, "1", end="step")
        while not self.free.is_set():
            with suppress(asyncio.CancelledError):
                await self.free.wait()
        yield Delta(0, "2", end="answer")


@pytest.mark.parametrize("cancels", [0, 1, 2])
def test_a_call_that_will_not_be_cancelled_is_left_behind(cancels: int) -> None:
    policy = Stubborn()
    budget = Budget(seconds=None if cancels else 0.02)
    engine = Engine(SUM, best_of(2), policy, Meter(budget))
    events: list[Event] = []
    engine.watchers.append(events.append)

    async def run() -> None:
        task = asyncio.create_task(engine.run())
        for _ in range(cancels):
            await turns(5)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled() == bool(cancels)
        assert settled_but_for_lines(engine.meter)
        policy.free.set()
        await turns(20)

    asyncio.run(run())
    end = events[-1]
    assert isinstance(end, Finished), "what comes later is told to nobody"
    assert end.why == ("cancelled" if cancels else "time")
    assert (end.usage.completion, end.usage.unseen) == (2, 2 * 4095)
    assert len(engine.tree.nodes) == 2
    assert settled(engine.meter)


def settled_but_for_lines(meter: Meter) -> bool:
    """Is nothing promised?"""
    return (meter.promised, meter.promises) == (0, 0)


def test_cancelled_while_the_reply_is_written() -> None:
    policy = hanging(2)
    engine = Engine(SUM, best_of(1), policy, Meter(Budget(reserve=50)), reply=PLAIN)
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
    assert end.why == "watcher"
    assert (end.answer is not None) == (kind is Finished)
    assert engine.watchers and full not in engine.watchers
    assert [str(fault) for fault in engine.faults] == ["no space left on device"]
    assert settled(engine.meter)


def test_any_other_watcher_that_raises() -> None:
    engine = Engine(SUM, best_of(2), Digits(), Meter())
    engine.watchers.append(lambda event: 1 / 0 if isinstance(event, Born) else None)
    assert drive(engine)[0].why == "watcher"


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_the_deadline(seconds: float) -> None:
    engine, end, events = think(best_of(5), hanging(3), Budget(seconds=seconds), reply=PLAIN)
    assert end.why == "time"
    assert end.seconds < seconds + 5
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
    _, end, _ = think(best_of(2), policy, budget, reply=PLAIN)
    assert (end.why, len(policy.requests)) == ("time", 3)
    assert end.usage.answer


# ------------------------------------------------------------------ the reply


def test_the_reply_is_written_from_the_reserve() -> None:
    policy = Faulty(Digits(length=5), lambda n: None)
    budget = Budget(tokens=17, per_call=5, reserve=2)
    engine, end, events = think(best_of(9), policy, budget, reply=PLAIN, seed=2)
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
        engine, end, _ = think(
            best_of(1), policy, Budget(seconds=0.5 if fault.hang else None), reply=PLAIN
        )
        assert end.answer == engine.tree.finals[0].answer
        assert (end.usage.answer, end.why) == (0, "complete")


def test_no_room_for_a_reply() -> None:
    end, events = think(best_of(1), Digits(), Budget(tokens=4), reply=PLAIN)[1:]
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

    _engine, end, _ = think(best_of(2), Talks())
    assert (end.usage.reasoning, end.usage.answer) == (9, 3)
    assert end.roles["policy"] == end.usage


def test_the_reply_waits_for_what_other_searches_give_back() -> None:
    parent = Meter(Budget(tokens=20))
    engine = Engine(
        SUM, best_of(1), Digits(), Meter(Budget(per_call=5), parent=parent), reply=PLAIN
    )
    held: list[Any] = []

    def greedy(event: Event) -> None:
        if isinstance(event, Handed):
            held.append(parent.promise(1, 0, 16))

    engine.watchers.append(greedy)

    async def run() -> Finished:
        task = asyncio.create_task(engine.run())
        await turns(50)
        assert not task.done()
        parent.settle(held[0], Usage(), "policy")
        return await task

    assert asyncio.run(run()).usage.answer
    assert settled(engine.meter)
