"""What people meet who go on with a run: outages, budgets too small, verifiers broken off, damaged traces."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from engine.fakes import SUM, Fault, Faulty, Judge, always, drive, refused, shape
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import (
    Asked,
    Billed,
    Budget,
    Called,
    Chain,
    Delta,
    Event,
    Finished,
    Meter,
    Policy,
    Problem,
    Replied,
    Step,
    Strategy,
    Usage,
    Verifier,
    Write,
)
from system2.engine import Engine, Recall, regrow
from system2.engine.writing import Writing
from system2.policies.fake import Digits
from system2.search import beam, best_of, majority

VOTE = best_of(4, choose=majority)


def go(
    strategy: Strategy,
    events: Sequence[Event] | None = None,
    policy: Policy | None = None,
    *,
    budget: Budget | None = None,
    verifier: Verifier | None = None,
) -> tuple[Engine, Finished, list[Event]]:
    recall = None if events is None else Recall(events)
    engine = Engine(
        SUM, strategy, policy or Digits(), Meter(budget or Budget()), verifier=verifier, seed=1,
        recall=recall,
    )  # fmt: skip
    return engine, *drive(engine)


def test_after_an_outage_all_is_asked_again() -> None:
    down = Faulty(Digits(), always(Fault(0, error=refused(retry=False))))
    _, end, events = go(best_of(8), policy=down)
    assert end.why == "failed"
    again = Faulty(Digits(), lambda n: None)
    engine, end, _ = go(best_of(8), events, again)
    assert (end.why, end.samples, len(again.requests)) == ("complete", 8, 8)
    assert shape(engine.tree) == shape(go(best_of(8))[0].tree)


def test_what_a_small_budget_cut_off_is_written_anew_with_a_larger_one() -> None:
    small = Budget(tokens=20, per_call=16)
    _, end, events = go(best_of(6), policy=Digits(length=8), budget=small)
    assert end.why == "budget" and end.samples < 6
    engine, end, _ = go(best_of(6), events, Digits(length=8), budget=replace(small, tokens=10_000))
    assert end.samples == 6 and not any(n.step.cut for n in engine.tree.nodes if n.step)
    same, end, _ = go(best_of(6), events, Digits(length=8), budget=small)
    assert end.why == "budget" and any(n.step.cut for n in same.tree.nodes if n.step)


def test_what_was_paid_for_is_not_lost_behind_what_cannot_be() -> None:
    """The first call was under way at each kill; nothing is left to make it once more."""
    _, _, events = go(VOTE, policy=Digits(can=frozenset({"continue"})))
    first = next(e for e in events if isinstance(e, Called))
    before = [
        replace(e, grant=40) if e is first else e
        for e in events
        if not isinstance(e, Finished) and not (isinstance(e, Replied | Billed) and e.call == 1)
    ]
    asked = [e for e in before if isinstance(e, Asked | Called | Replied | Billed)]
    for budget in (Budget(tokens=52, per_call=16), Budget(tokens=60, per_call=16)):
        engine, end, _ = go(VOTE, [events[0], *asked], budget=budget)
        assert end.samples >= 3 and end.answer is not None and engine.meter.usage.completion <= 60


@dataclass
class Hanging:
    """A verifier that never answers while `hangs`, and else finds all right."""

    hangs: bool
    asked: int = 0

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        return [1.0] * len(chains)


def test_what_was_not_judged_is_judged() -> None:
    engine = Engine(SUM, best_of(3), Digits(), Meter(), verifier=Hanging(True), seed=1)
    events: list[Event] = []
    engine.watchers.append(events.append)

    async def run() -> None:
        asyncio.get_running_loop().call_later(0.1, engine.stop, "interrupted")
        await engine.run()

    asyncio.run(run())
    for before in (events, go(best_of(3))[2]):  # and where no verifier was given at first
        again, _, _ = go(best_of(3), before, verifier=Hanging(False))
        assert [node.score for node in again.tree.finals] == [1.0] * 3


@dataclass
class Ranks:
    """A verifier that compares the lines of one call with each other."""

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        await asyncio.sleep(0)
        texts = sorted(chain[-1].text for chain in chains)
        return [texts.index(chain[-1].text) / len(chains) for chain in chains]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_lines_of_one_call_are_judged_together(data: st.DataObject) -> None:
    whole, _, events = go(beam(1, 3), verifier=Ranks())
    before = events[: data.draw(st.integers(1, len(events)))]
    assert shape(go(beam(1, 3), before, verifier=Ranks())[0].tree) == shape(whole.tree)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_verifier_finds_what_the_call_left_it(data: st.DataObject) -> None:
    budget, alone = Budget(tokens=30, per_call=10), Digits(can=frozenset({"continue"}))
    whole, _, events = go(best_of(3), policy=alone, budget=budget, verifier=Judge(4))
    cuts = [n for n, e in enumerate(events, 1) if not isinstance(e, Billed)]  # never alone on disk
    before = events[: data.draw(st.sampled_from(cuts))]
    if not Recall(before).lost:
        again, _, _ = go(best_of(3), before, alone, budget=budget, verifier=Judge(4))
        assert [n.score for n in again.tree.finals] == [n.score for n in whole.tree.finals]


def test_the_tree_of_a_larger_plan_regrows() -> None:
    _, _, events = go(beam(2, 3))
    engine, _, more = go(beam(3, 4), events)
    assert shape(regrow(beam(3, 4), [*events, *more])) == shape(engine.tree)


def test_halves_of_a_character_are_one_before_and_after() -> None:
    writing = Writing(9)
    for piece in ("\ud83d", "\ude00"):
        writing.take(Delta(0, piece))
    writing.take(Delta(0, "", 0, end="step"))
    assert writing.chains[0] == [Step("😀", 2)]


def test_nobody_is_paid_by_a_trace() -> None:
    _, _, events = go(best_of(2))
    for n, event in enumerate(events):
        if isinstance(event, Billed):
            events[n] = replace(event, usage=Usage(reasoning=-(10**6)))
    with pytest.raises(ValueError, match="less than nothing"):
        Recall(events)


def test_a_huge_ask_costs_no_time() -> None:
    _, _, events = go(best_of(2))
    huge = [replace(e, n=10**12) if isinstance(e, Asked) else e for e in events]
    assert len(Recall(huge).kept) >= 1
