"""A run that was killed goes on from its trace: the same tree, and nothing is paid for twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from engine.fakes import SUM, Faulty, Judge, Late, Marks, drive, shape
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import (
    PLAIN,
    Billed,
    Born,
    Budget,
    Called,
    Event,
    Finished,
    Handed,
    Meter,
    Piece,
    Recalled,
    Replied,
    Request,
    Resumed,
    Strategy,
    Style,
    Usage,
    Verifier,
)
from system2.engine import Engine, Recall, regrow
from system2.policies.fake import Digits
from system2.search import (
    aggregate,
    agreed,
    beam,
    best_of,
    direct,
    dvts,
    halving,
    majority,
    mcts,
    particles,
)
from system2.store import Trace, read

STRATEGIES = {
    "direct": direct,
    "majority": lambda: best_of(9, choose=majority, need=agreed(3)),
    "beam": lambda: beam(2, 3),
    "mcts": lambda: mcts(4, 3, simulations=24, until="step"),
    "play_outs": lambda: mcts(3, 3, simulations=12),
    "halving": lambda: halving(16, 4, 2),
    "dvts": lambda: dvts(3, 2),
    "particles": lambda: particles(5),
    "aggregate": lambda: aggregate(3, 2, 3),
}
WILD = {"fail": 0.2, "breaks": 0.2, "cut": 0.1}


def engine(
    strategy: Strategy,
    recall: Recall | None = None,
    *,
    ordered: bool = True,
    verifier: Verifier | None = None,
    arrive: int = 0,
    meter: Meter | None = None,
    reply: Style | None = None,
) -> tuple[Engine, Faulty]:
    # Digits counts its tries by seed, and all judges' calls have the same few: these must not fail.
    wild = {} if isinstance(verifier, Judge) else WILD
    policy = Faulty(Late(Digits(base=3, repeat=0.4, after=0.0, **wild), arrive), lambda n: None)
    made = Engine(
        SUM, strategy, policy, meter or Meter(), verifier=verifier, seed=5, ordered=ordered,
        recall=recall, reply=reply,
    )  # fmt: skip
    return made, policy


def bought(requests: Sequence[Request]) -> set[int]:
    """Seeds name continuations."""
    return {seed for request in requests for seed in request.seeds}


def kept(events: Sequence[Event]) -> set[int]:
    """Seeds of the calls that were over."""
    over = {event.call for event in events if isinstance(event, Replied)}
    return {
        seed
        for event in events
        if isinstance(event, Called) and event.call in over and event.role == "policy"
        for seed in event.seeds
    }


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("judge", [None, Marks, Judge])
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_killed_anywhere_it_ends_the_same(
    name: str, judge: type[Verifier] | None, data: st.DataObject
) -> None:
    """Also if it is killed a second time; a verifier that is a model is not paid twice either."""
    strategy = STRATEGIES[name]()
    whole, _ = engine(strategy, verifier=judge() if judge else None)
    end, events = drive(whole)
    before = list(events)
    for _ in range(2):
        before = before[: data.draw(st.integers(1, len(before)))]
        recall = Recall(before)
        again, policy = engine(strategy, recall, verifier=judge() if judge else None)
        done, after = drive(again)
        assert (done.answer, done.why, done.samples) == (end.answer, end.why, end.samples)
        assert shape(again.tree) == shape(whole.tree)
        if judge is not Judge:  # whose calls share their seeds
            assert not bought(policy.requests) & kept(before)
        assert {role: usage.completion for role, usage in done.roles.items()} == {
            role: told(recall, after, role).completion for role in done.roles
        }
        before += after


def told(recall: Recall, after: Sequence[Event], role: str) -> Usage:
    """What was spent before and since."""
    new = [event.usage for event in after if isinstance(event, Billed) and event.role == role]
    return sum(new, recall.spent.get(role, Usage()))


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=15, deadline=None)
@given(st.data())
def test_without_order_nothing_is_paid_twice(name: str, data: st.DataObject) -> None:
    """Replies come in another order the second time; what was handed over keeps its order."""
    strategy = STRATEGIES[name]()
    first, _ = engine(strategy, ordered=False, verifier=Marks())
    _, events = drive(first)
    before = events[: data.draw(st.integers(1, len(events)))]
    again, policy = engine(
        strategy, Recall(before), ordered=False, verifier=Marks(), arrive=data.draw(st.integers())
    )
    _, after = drive(again)
    assert not bought(policy.requests) & kept(before)
    groups = [event.asks for event in before if isinstance(event, Handed)]
    assert [event.asks for event in after if isinstance(event, Handed)][: len(groups)] == groups


def test_larger_parameters_find_what_smaller_ones_paid_for() -> None:
    small, _ = engine(best_of(4))
    _, events = drive(small)
    large, policy = engine(best_of(10), Recall(events))
    drive(large)
    fresh, _ = engine(best_of(10))
    drive(fresh)
    assert shape(large.tree) == shape(fresh.tree)
    assert not bought(policy.requests) & kept(events)
    wide, policy = engine(beam(3, 4), Recall(drive(engine(beam(2, 3))[0])[1]))
    _, after = drive(wide)
    assert sum(isinstance(event, Recalled) for event in after) >= 3 * 3


def test_nothing_is_asked_of_a_run_that_is_over() -> None:
    done, events = drive(engine(beam(2, 3))[0])
    again, policy = engine(beam(2, 3), Recall(events))
    end, _ = drive(again)
    assert (end.answer, end.node, policy.requests) == (done.answer, done.node, [])
    assert end.usage == done.usage


def test_what_was_under_way_counts_as_spent() -> None:
    budget = Budget(tokens=60, per_call=20)
    _, events = drive(engine(best_of(3), meter=Meter(budget))[0])
    sent = [n for n, event in enumerate(events) if isinstance(event, Called)]
    before = events[: sent[2] + 1]
    recall = Recall(before)
    assert recall.lost["policy"].unseen == 60 and recall.lost["policy"].calls == 3
    again, policy = engine(best_of(3), recall, meter=Meter(budget))
    end, after = drive(again)
    assert (end.why, policy.requests, end.answer) == ("budget", [], None)
    assert isinstance(after[0], Resumed) and after[0].lost == recall.lost
    assert Recall([*before, *after]).spent == recall.spent


def test_a_reply_that_came_is_shown_and_not_bought_again() -> None:
    whole, _ = engine(best_of(2), reply=PLAIN)
    end, events = drive(whole)
    again, policy = engine(best_of(2), Recall(events[:-1]), reply=PLAIN)
    assert (drive(again)[0].answer, policy.requests) == (end.answer, [])


def test_on_disk_a_step_stands_once_and_the_tree_regrows(tmp_path: Path) -> None:
    strategy = beam(2, 3)
    whole, _ = engine(strategy)
    trace = Trace("r", tmp_path)
    whole.watchers.append(trace)
    _, events = drive(whole)
    assert list(read(trace.path)) == [e for e in events if not isinstance(e, Piece)]
    born = [line for line in trace.path.read_text().splitlines() if '"Born"' in line]
    assert born and not any('"step"' in line for line in born)
    lines = trace.path.read_bytes().splitlines(keepends=True)
    trace.path.write_bytes(b"".join(lines[: len(lines) // 2]) + b'{"event":"Born","as')
    again, _ = engine(strategy, Recall(read(trace.path)))
    more = Trace("r", tmp_path, again=True)
    again.watchers.append(more)
    drive(again)
    found = list(read(trace.path))
    assert shape(regrow(strategy, found)) == shape(again.tree) == shape(whole.tree)
    assert sum(isinstance(event, Born) for event in found) > len(born)


def test_two_cannot_write_one_trace(tmp_path: Path) -> None:
    first = Trace("r", tmp_path)
    with pytest.raises(BlockingIOError):
        Trace("r", tmp_path, again=True)
    first(Finished(None, None, "time", 0, Usage(), {}, None, 0.0))
    Trace("r", tmp_path, again=True)(Finished(None, None, "time", 0, Usage(), {}, None, 0.0))
    assert len(list(read(first.path))) == 2
