"""What sidecars have said is kept in the trace; a run that goes on buys none of it again."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from engine.fakes import (
    drive,
    shape,
)
from engine.plans import sheaf
from engine.sidecars import COST, Censor, Notes, Talker, engine, notes, vetoes
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import (
    Budget,
    Price,
    Tree,
)
from system2.engine import Aside, Engine, Recall
from system2.records import record
from system2.search import beam, best_of, single
from system2.store import Trace, read

DEAR = Price(Decimal(1), Decimal(1000))


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
