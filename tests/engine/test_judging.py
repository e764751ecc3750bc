"""Verifiers of every temper, and what their own calls cost."""

from __future__ import annotations

from typing import Any

import pytest
from engine.fakes import (
    Bad,
    Fault,
    Faulty,
    Judge,
    Late,
    Marks,
    faults,
    only,
    refused,
    shape,
    think,
)
from engine.plans import sheaf

from system2.core import (
    PLAIN,
    Billed,
    Budget,
    Expand,
    Node,
    Plan,
    Strategy,
    Tree,
    Usage,
    Weigh,
)
from system2.engine import regrow
from system2.policies.fake import Digits
from system2.search import all_of, best, best_of, mcts

# ------------------------------------------------------------------ verifiers


@pytest.mark.parametrize("how", ["raises", "hangs", "short", "nan"])
def test_a_bad_verifier_loses_no_chain(how: str) -> None:
    for strategy in (best_of(3), mcts(1, 1)):
        engine, end, events = think(strategy, verifier=Bad(how), verify_seconds=0.01)
        assert end.answer and end.why == "complete"
        assert all(node.score is None for node in engine.tree.nodes)
        assert {fault.role for fault in faults(events)} == {"verifier"}


def test_one_bad_score_is_lost_alone() -> None:
    engine, _, events = think(weighing(3), verifier=Bad("one"))
    scores = [node.score for node in engine.tree.finals]
    assert sorted(scores, key=str) == [0.5, 0.5, None]
    assert {f.error for f in faults(events)} == {"a score must be from 0 to 1, 2.0 was given"}


def test_a_late_verifier_is_told_in_a_sentence() -> None:
    _, _, events = think(best_of(2), verifier=Bad("hangs"), verify_seconds=0.01)
    told = {fault.error for fault in faults(events)}
    assert told == {"TimeoutError: the verifier took longer than 0.01 seconds"}


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
    _engine, end, events = think(
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
    engine, _end, events = think(sheaf(2), policy, Budget(tokens=60, per_call=30), verifier=judge)
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
        weighing(1), Digits(length=8), budget, verifier=Judge(15), reply=PLAIN
    )
    assert [fault.role for fault in faults(events)] == ["verifier"]
    assert end.answer == "".join(step.text for step in engine.tree.finals[0].chain())
