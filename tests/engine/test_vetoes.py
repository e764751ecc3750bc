"""Sidecars that veto: what they bar is paid and recorded, and never planted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import pytest
from engine.fakes import (
    SUM,
    Late,
    Marks,
    arrived,
    drive,
    faults,
    hanging,
    settled,
    shape,
    think,
)
from engine.plans import sheaf, strategies
from engine.sidecars import Censor, Notes, engine, vetoes
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import (
    Born,
    Budget,
    Chain,
    Event,
    Meter,
    Moment,
    Price,
    Problem,
    Strategy,
    Style,
    Veto,
    Write,
)
from system2.engine import Aside, Engine, regrow
from system2.policies.fake import Digits
from system2.search import beam, best_of, mcts, single

DEAR = Price(Decimal(1), Decimal(1000))


@dataclass
class Held:
    """Looks at replies alone."""

    censor: Censor
    name: str = "replies"
    holds: bool = True
    tokens: int = 0

    async def at_step(
        self, problem: Problem, chain: Chain, write: Write, moment: Moment
    ) -> Veto | None:
        if moment.what != "reply":
            return None
        return await self.censor.at_step(problem, chain, write, moment)


@settings(max_examples=60)
@given(strategies, st.integers(0, 20), st.integers(0, 99), st.sampled_from([1, 2, 50]))
def test_what_is_vetoed_is_paid_recorded_and_never_planted(
    strategy: Strategy, late: int, seed: int, every: int
):
    def censored(turns_: int) -> tuple[Engine, list[Event]]:
        censor = Censor(lambda text: text == "2", turns=turns_, seed=seed)
        aside = Aside(censor, every=every)
        run = engine(strategy, aside, budget=Budget(tokens=600), verifier=Marks())
        _, events = drive(run)
        return run, events

    run, events = censored(late)
    assert not any(node.step and node.step.text == "2" for node in run.tree.nodes)
    if vetoes(events):
        assert run.meter.usage.completion > arrived(run.tree)
    quick, _ = censored(0)
    assert shape(run.tree) == shape(quick.tree)
    again = regrow(strategy, events)
    assert [n.closed for n in again.nodes] == [n.closed for n in run.tree.nodes]
    assert len(again.nodes) == len(run.tree.nodes)
    assert settled(run.meter)


@pytest.mark.parametrize("name", ["single", "best_of", "beam", "mcts", "sheaf"])
def test_where_all_is_vetoed_the_end_is_honest(name: str):
    strategy = {
        "single": single(),
        "best_of": best_of(5),
        "beam": beam(2, 2),
        "mcts": mcts(3, 2, simulations=40, until="step"),
        "sheaf": sheaf(4),
    }[name]
    _, end, events = think(
        strategy, sidecars=[Aside(Censor(lambda text: True))], seed=1, budget=Budget(tokens=400)
    )
    assert (end.answer, end.node, end.samples, end.why) == (None, end.node, 0, "moderation")
    assert vetoes(events) and not [event for event in events if isinstance(event, Born)]
    assert end.usage.completion > 0


@settings(max_examples=40)
@given(strategies, st.integers(0, 30), st.integers(0, 99))
def test_a_stop_ends_the_run_at_the_same_place_however_late_it_comes(
    strategy: Strategy, late: int, seed: int
):
    ends: list[object] = []
    for turns_ in (0, late):
        censor = Censor(lambda text: text == "1", stop=True, turns=turns_, seed=seed)
        run = engine(strategy, Aside(censor, every=1), budget=Budget(tokens=600))
        end, events = drive(run)
        if any(veto.stop for veto in vetoes(events)):
            assert (end.why, end.answer) == ("moderation", None)
        ends.append((shape(run.tree), end.why, end.answer))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("fault", ["fails", "hangs"])
@pytest.mark.parametrize("strict", [True, False])
def test_a_moderator_that_cannot_look_bars_only_where_it_is_strict(fault: str, strict: bool):
    censor = Censor(lambda text: False, fails=fault == "fails", hangs=fault == "hangs")
    aside = Aside(censor, strict=strict, seconds=0.01)
    _, end, events = think(best_of(3), sidecars=[aside], seed=1)
    assert faults(events)
    if strict:
        assert (end.answer, end.why) == (None, "moderation")
        assert vetoes(events) and not vetoes(events)[0].of
    else:
        assert end.answer is not None and not vetoes(events) and end.samples == 3


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_broken_off_is_looked_at_before_it_is_planted(strict: bool):
    """The deadline comes while one child of a call is whole, and another hangs."""
    censor = Censor(lambda text: False, hangs=True)
    _, end, events = think(
        sheaf(3),
        hanging(after=9),
        Budget(seconds=0.1),
        sidecars=[Aside(censor, strict=strict, seconds=60, every=1)],
        seed=1,
    )
    born = [event for event in events if isinstance(event, Born)]
    assert end.why == ("time" if not strict else end.why)
    assert bool(born) is not strict
    quick = Censor(lambda text: False)
    _, _, events = think(
        sheaf(3),
        hanging(after=9),
        Budget(seconds=0.1),
        sidecars=[Aside(quick, strict=True)],
        seed=1,
    )
    assert [event for event in events if isinstance(event, Born)]


@pytest.mark.parametrize("stop", [True, False])
def test_a_stream_of_which_nothing_more_can_be_planted_is_broken_off(stop: bool):
    """But not with a seed: what is saved would hang on the clock."""
    censor = Censor(lambda text: True, stop=stop)
    policy = Late(Digits(length=500), 3)
    aside = Aside(censor, every=1)
    run, end, _ = think(single(), policy, sidecars=[aside], budget=Budget(per_call=600))
    assert (end.answer, end.why) == (None, "moderation")
    assert 0 < run.meter.usage.completion < 100
    run, end, _ = think(single(), policy, sidecars=[aside], seed=1)
    assert (end.answer, end.why) == (None, "moderation")
    assert run.meter.usage.completion == 500


def test_a_reply_has_a_look_within_the_time_of_the_run():
    async def wait(strict: bool) -> tuple[str | None, float]:
        censor = Censor(lambda text: False, hangs=True)
        hung = Aside(Held(censor), strict=strict, seconds=60)
        run = Engine(
            SUM, single(), Digits(), Meter(Budget(seconds=0.2)), sidecars=[hung], reply=Style()
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        end = await run.run()
        return end.answer, loop.time() - began

    for strict in (True, False):
        answer, took = asyncio.run(wait(strict))
        assert (answer is None) is strict
        assert took < 2


def test_a_reply_that_is_vetoed_is_not_the_answer():
    for bad in (True, False):
        censor = Held(Censor(lambda text, bad=bad: bad))
        _, end, events = think(single(), sidecars=[Aside(censor)], seed=1, reply=Style())
        assert (end.answer is None) is bad
        assert (end.why == "moderation") is bad
        assert bool(vetoes(events)) is bad


def test_notes_are_of_what_was_cleared_alone():
    sidecar, censor = Notes(), Censor(lambda text: text == "1", turns=9)
    for seed in range(6):
        asides = [Aside(sidecar, every=1), Aside(censor, every=1)]
        think(best_of(4), Late(Digits(base=2), 2), sidecars=asides, seed=seed)
    assert sidecar.shown
    assert not any("1" in seen for _, seen in sidecar.shown)
