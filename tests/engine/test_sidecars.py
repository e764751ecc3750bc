"""Sidecars that take notes beside a search: the tree hangs on none of them, each has a purse of its own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from engine.fakes import (
    SUM,
    Late,
    Marks,
    drive,
    faults,
    hanging,
    settled,
    shape,
    think,
    turns,
)
from engine.plans import strategies
from engine.sidecars import COST, Censor, Notes, Talker, engine, notes, vetoes
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import (
    FREE,
    Budget,
    Event,
    Expand,
    Failed,
    Meter,
    Plan,
    Price,
    Request,
    Strategy,
    Tree,
)
from system2.engine import Aside, Engine, lone
from system2.policies.fake import Digits
from system2.search import agreed, all_of, beam, best, best_of, majority, single

DEAR = Price(Decimal(1), Decimal(1000))


@settings(max_examples=60)
@given(
    strategies,
    st.sampled_from(["", "raises", "hangs", "word", "veto"]),
    st.integers(0, 30),
    st.integers(0, 99),
)
def test_no_temper_of_who_takes_notes_changes_the_tree(
    strategy: Strategy, how: str, late: int, seed: int
):
    alone = engine(strategy, verifier=Marks())
    end, _ = drive(alone)
    aside = Aside(Notes(how, turns=late, seed=seed), every=1, seconds=0.01)
    watched = engine(strategy, aside, verifier=Marks())
    done, events = drive(watched)
    assert shape(watched.tree) == shape(alone.tree)
    assert (done.answer, done.why, done.usage) == (end.answer, end.why, end.usage)
    assert settled(watched.meter)
    assert not vetoes(events)
    if how:
        assert not notes(events)
        assert all(fault.role == "sidecar" for fault in faults(events))


@settings(max_examples=60)
@given(
    strategies,
    st.integers(1, 120),
    st.sampled_from(["", "fails", "hangs", "deaf"]),
    st.integers(0, 30),
    st.booleans(),
)
def test_the_budget_holds_and_the_tree_hangs_on_no_sidecar(
    strategy: Strategy, tokens: int, fault: str, late: int, holds: bool
):
    """Budget's own cap and the sidecar's; whatever it spends, the search may spend the same."""
    trees: list[object] = []
    for trouble, turns_ in ((fault, late), ("", 0)):
        budget = Budget(tokens=tokens, per_call=6)
        talker = Talker(fault=trouble)
        sidecar = Censor(lambda text: False, tokens=COST) if holds else Notes(tokens=COST)
        sidecar.turns = turns_
        run = engine(strategy, Aside(sidecar, policy=talker, every=1, seconds=0.01), budget=budget)
        end, _ = drive(run)
        usage = run.meter.usage
        overrun = usage.overrun
        assert usage.completion + usage.unseen - overrun <= tokens
        side = end.roles.get("sidecar")
        if side:
            assert side.completion + side.unseen - side.overrun <= tokens // 8
            assert (tokens // 8 >= COST) or not side.calls
        assert settled(run.meter)
        trees.append((shape(run.tree), end.answer, end.why))
    if fault != "deaf":  # a server that sends more than it may takes it from somewhere
        assert trees[0] == trees[1]


def test_the_line_is_followed_and_its_answer_told():
    sidecar = Notes()
    run, _, events = think(single(), Digits(length=9), sidecars=[Aside(sidecar, every=3)])
    told = notes(events)
    assert [note.what for note in told][-1] == "answer"
    assert 2 <= len(told) <= 4  # not a note a step
    chain = "".join(step.text for step in run.tree.finals[0].chain())
    assert all(chain.startswith(seen) for _, seen in sidecar.shown)
    counts = [moment.since for moment, _ in sidecar.shown]
    assert counts == sorted(counts)


def test_of_many_lines_only_milestones_are_told():
    policy = Late(Digits(length=4, base=2), 2)
    sidecar = Notes()
    strategy = best_of(24, choose=majority, need=agreed(20))
    run, _, events = think(
        strategy, policy, Budget(calls=2), sidecars=[Aside(sidecar, every=2)], seed=3
    )
    answers = [seen for moment, seen in sidecar.shown if moment.what in ("answer", "lead")]
    assert len(run.tree.finals) >= 16
    assert 1 < len({*answers}) <= 16
    assert len(notes(events)) <= 32
    steps = [seen for moment, seen in sidecar.shown if moment.what == "step"]
    assert len(steps) <= 2 and all(a.startswith(b) for a, b in zip(steps[1:], steps))


def test_an_answer_that_overtakes_another_and_one_that_is_refuted():
    class Digit:
        """0 is refuted; a larger digit is better."""

        async def score(self, problem, chains, write):  # type: ignore
            return [int(chain[-1].text) / 10 for chain in chains]  # type: ignore

    def plan(tree: Tree) -> Plan:
        for _ in range(12):
            yield from all_of([Expand(tree.root, until="answer", verify=True)])
            yield from all_of([])

    strategy = Strategy(plan, best)
    sidecar, kinds = Notes(), set[str]()
    for seed in range(4):
        policy = Late(Digits(length=1, base=4), 4)
        _, end, events = think(
            strategy, policy, verifier=Digit(), sidecars=[Aside(sidecar, every=1)], seed=seed
        )
        assert end.answer == "3"
        kinds |= {note.what for note in notes(events)}
    told = {(moment.what, seen, moment.other) for moment, seen in sidecar.shown}
    assert ("wrong", "0", None) in told
    leads = [(seen, other) for what, seen, other in told if what == "lead"]
    assert leads and all(other is None or other < seen for seen, other in leads)
    assert kinds >= {"answer", "wrong", "lead"}


def test_the_line_that_is_followed_is_found_wrong():
    class Zeros:
        async def score(self, problem, chains, write):  # type: ignore
            return [0.0 for _ in chains]  # type: ignore

    sidecar = Notes()
    think(
        beam(1, 1),
        Late(Digits(length=5)),
        verifier=Zeros(),
        sidecars=[Aside(sidecar, every=9)],
        seed=1,
    )
    wrong = [seen for moment, seen in sidecar.shown if moment.what == "wrong"]
    assert wrong and len(wrong[0]) < 5


def test_a_note_that_is_slow_delays_the_end_by_a_moment_only_and_the_deadline_by_none():
    async def main() -> tuple[float, Engine]:
        run = engine(
            single(), Aside(Notes("hangs"), every=1, seconds=60), budget=Budget(seconds=0.3)
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        end = await run.run()
        assert end.answer is not None and end.why != "time"
        return loop.time() - began, run

    took, run = asyncio.run(main())
    assert took < 1.5  # LINGER alone would be 2
    assert settled(run.meter)


def test_a_run_that_is_cancelled_ends_its_sidecars_and_settles():
    talker = Talker(fault="hangs")
    aside = Aside(Notes(tokens=COST), policy=talker, every=1)
    run = Engine(SUM, single(), hanging(), Meter(Budget(tokens=100)), sidecars=[aside], seed=1)

    async def main() -> None:
        task = asyncio.create_task(run.run())
        await turns(60)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert talker.requests
    assert settled(run.meter)
    assert run.meter.spent["sidecar"].unseen == COST


def test_two_of_one_name_and_a_dear_stranger_under_a_cap_of_dollars_are_refused():
    with pytest.raises(ValueError, match="a name of its own"):
        engine(single(), Aside(Notes()), Aside(Notes()))
    stranger = Aside(Notes(tokens=COST), policy=Talker())
    meter = Meter(Budget(dollars=Decimal(1)), FREE)
    with pytest.raises(ValueError, match="price of the model of sidecar 'notes'"):
        Engine(SUM, single(), Digits(), meter, sidecars=[stranger])


def test_a_side_model_is_paid_at_its_own_price():
    aside = Aside(Notes(tokens=COST), policy=Talker(), price=DEAR, every=2)
    meter = Meter(Budget(tokens=200, dollars=Decimal("0.5")), FREE)
    run = Engine(SUM, single(), Digits(length=9), meter, sidecars=[aside], seed=1)
    end, events = drive(run)
    assert notes(events)
    assert end.cost == DEAR.of(end.roles["sidecar"]) > 0
    assert settled(meter)
    unknown = replace(aside, price=None)
    end, _ = drive(
        Engine(SUM, single(), Digits(length=9), Meter(Budget(), FREE), sidecars=[unknown])
    )
    assert end.cost is None


@settings(max_examples=40)
@given(st.integers(0, 400), st.sampled_from([best_of(6), beam(2, 2), single()]))
def test_dollars_of_a_dear_sidecar_never_break_the_cap(cents: int, strategy: Strategy):
    cap = Decimal(cents) / 1000
    aside = Aside(Notes(tokens=COST), policy=Talker(), price=DEAR, every=1)
    meter = Meter(Budget(dollars=cap), Price(Decimal(1), Decimal(1000)))
    run = Engine(SUM, strategy, Digits(), meter, sidecars=[aside], seed=1)
    end, _ = drive(run)
    assert end.cost is not None and end.cost <= cap
    assert settled(meter)


def test_a_call_outside_any_run_is_metered():
    meter, talker = Meter(Budget(tokens=10)), Talker()
    write = lone(talker, meter)
    request = Request(SUM, (), 1, "reply", COST, (1,))
    reply = asyncio.run(write(request))
    assert reply.chains[0][-1].text == talker.text
    assert meter.spent["sidecar"].completion == COST and settled(meter)
    with pytest.raises(Exception, match="no budget is left"):
        asyncio.run(lone(talker, Meter(Budget(tokens=2)))(request))
    told: list[Event] = []
    broken = lone(Talker(fault="fails"), meter, tell=told.append)
    with pytest.raises(Exception, match="the call failed"):
        asyncio.run(broken(request))
    assert any(isinstance(event, Failed) for event in told) and settled(meter)
