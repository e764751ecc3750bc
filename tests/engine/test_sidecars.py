"""Sidecars beside a search: vetoes before planting, notes beside it, a purse of their own, nothing paid twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

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
    turns,
)
from engine.plans import sheaf, strategies
from engine.sidecars import COST, Censor, Notes, Talker
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import (
    FREE,
    Born,
    Budget,
    Chain,
    Event,
    Expand,
    Failed,
    Meter,
    Moment,
    Noted,
    Plan,
    Price,
    Problem,
    Request,
    Strategy,
    Style,
    Tree,
    Veto,
    Vetoed,
    Write,
)
from system2.engine import Aside, Engine, Recall, lone, regrow
from system2.policies.fake import Digits
from system2.records import record
from system2.search import agreed, all_of, beam, best, best_of, majority, mcts, single
from system2.store import Trace, read

DEAR = Price(Decimal(1), Decimal(1000))


def engine(
    strategy: Strategy, *asides: Aside, budget: Budget | None = None, **more: object
) -> Engine:
    policy = Late(Digits(base=3, repeat=0.4, after=0.0), 3)
    options: dict[str, object] = {"seed": 5} | more
    meter = Meter(budget or Budget())
    return Engine(SUM, strategy, policy, meter, sidecars=asides, **options)  # type: ignore


def notes(events: Sequence[Event]) -> list[Noted]:
    return [event for event in events if isinstance(event, Noted)]


def vetoes(events: Sequence[Event]) -> list[Vetoed]:
    return [event for event in events if isinstance(event, Vetoed)]


# ---------------------------------------------------------------- notes


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


# ---------------------------------------------------------------- vetoes


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


# ---------------------------------------------------------------- going on


@settings(max_examples=30)
@given(st.sampled_from(["best_of", "beam", "single", "sheaf"]), st.booleans(), st.data())
def test_killed_anywhere_nothing_a_sidecar_said_is_bought_again(
    name: str, holds: bool, data: st.DataObject
):
    strategy = {
        "best_of": best_of(5), "beam": beam(2, 2), "single": single(), "sheaf": sheaf(3),
    }[name]  # fmt: skip

    def made(recall: Recall | None = None) -> tuple[Engine, Talker]:
        talker = Talker()
        sidecar = Censor(lambda text: text == "2", tokens=COST) if holds else Notes(tokens=COST)
        aside = Aside(sidecar, policy=talker, every=1)
        return engine(
            strategy, aside, recall=recall, budget=Budget(tokens=2000, per_call=9)
        ), talker

    whole, first = made()
    end, events = drive(whole)
    before = events[: data.draw(st.integers(1, len(events)))]
    again, talker = made(Recall(before))
    done, after = drive(again)
    assert shape(again.tree) == shape(whole.tree)
    assert (done.answer, done.why) == (end.answer, end.why)
    old = {note.of for note in notes(before)}
    assert not old & {note.of for note in notes(after)}
    if holds:
        assert len(talker.requests) <= len(first.requests)
    if before == events:
        assert not talker.requests
    side = done.roles.get("sidecar")
    spent = Recall(before).spent.get("sidecar")
    if side and spent:
        assert side.completion >= spent.completion
        assert side.completion + side.unseen <= 2000 // 8


def test_notes_and_vetoes_are_kept_in_the_trace(tmp_path: Path):
    asides = [Aside(Notes(), every=1), Aside(Censor(lambda text: text == "2"), every=1)]
    run = engine(best_of(6), *asides)
    run.watchers.append(Trace("run", tmp_path))
    _, events = drive(run)
    kept = list(read(tmp_path / "run.jsonl"))
    assert notes(kept) == notes(events) and vetoes(kept) == vetoes(events)
    found = record(tmp_path / "run.jsonl")
    assert found.notes == notes(events) and found.vetoes == vetoes(events)
    assert shape_of(found.tree) == shape_of(run.tree)
    assert notes(events) and vetoes(events)


def shape_of(tree: Tree) -> list[object]:
    return [(node.id, node.step, node.count) for node in tree.nodes]


# ---------------------------------------------------------------- outside a run


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
