"""Ladders ask as little as they can, and lose no score on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from engine.fakes import faults, think
from hypothesis import given
from hypothesis import strategies as st
from verifiers.chains import scored, unpaid

from system2.core import Budget, CallFailed, Chain, Problem, Write
from system2.policies.fake import Digits
from system2.search import best_of
from system2.verifiers import Expressions, Ladder, exact, ladder, self_judge

Table = dict[str, float | None]


@dataclass
class Rung:
    """Scores answers by a table, and remembers what it was asked."""

    table: Table
    asked: list[str | None] = field(default_factory=list[str | None])
    fails: bool = False
    hangs: bool = False
    raises: bool = False

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        self.asked += [chain[-1].answer for chain in chains]
        if self.fails:
            raise CallFailed("no budget is left", retry=False)
        if self.raises:
            raise ZeroDivisionError("no idea")
        if self.hangs:
            await asyncio.Event().wait()
        return [self.table.get(chain[-1].answer or "") for chain in chains]


def test_only_the_unsure_go_on() -> None:
    cheap = Rung({"a": 0.0, "b": 1.0, "c": 0.5, "e": 0.2})
    dear = Rung({"c": 0.7, "d": 0.1, "a": 0.9})
    assert scored(ladder(cheap, dear, sure=(0.2, 0.9)), *"abcde") == [0.0, 1.0, 0.7, 0.1, 0.2]
    assert (cheap.asked, dear.asked) == ([*"abcde"], [*"cd"])


def test_who_cannot_say_takes_no_score_away() -> None:
    assert scored(ladder(Rung({"a": 0.4}), Rung({})), "a", "b") == [0.4, None]


def test_nobody_is_asked_about_what_is_sure() -> None:
    last = Rung({})
    assert scored(ladder(exact("5"), last), "5", "6") == [1.0, 0.0]
    assert last.asked == []


def test_a_failing_rung_is_passed_over_but_not_hidden() -> None:
    failing = Rung({}, fails=True)
    assert scored(ladder(Rung({"a": 0.0}), failing, Rung({"b": 0.6})), "a", "b") == [0.0, 0.6]
    assert scored(ladder(Rung({"a": 0.0}), failing), "a", "b") == [0.0, None]
    with pytest.raises(CallFailed, match="no budget"):
        scored(ladder(failing, Rung({})), "a")


def test_no_fault_of_a_rung_takes_a_score_away() -> None:
    assert scored(ladder(Rung({"a": 0.4}), Rung({}, raises=True)), "a", "b") == [0.4, None]
    with pytest.raises(ZeroDivisionError):
        scored(ladder(Rung({}, raises=True)), "a")


def test_a_late_rung_is_passed_over() -> None:
    rungs = (Rung({"a": 0.4}), Rung({}, hangs=True), Rung({"b": 0.6}))
    assert scored(Ladder(rungs, 0.0, 1.0, 0.2), "a", "b") == [0.4, 0.6]
    with pytest.raises(TimeoutError, match="Rung took longer than its share of 0"):
        scored(Ladder((Rung({}, hangs=True),), 0.0, 1.0, 0.1), "a")


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf"), 1.5, -0.5])
def test_what_is_no_score_is_not_sure(odd: float) -> None:
    assert scored(ladder(Rung({"a": odd}), Rung({"a": 0.5})), "a") == [0.5]


tables = st.dictionaries(st.sampled_from("abc"), st.none() | st.floats(0, 1))


@given(st.lists(tables, min_size=1, max_size=4), st.floats(0, 1), st.floats(0, 1))
def test_a_ladder_is_as_long_as_the_doubt(given: list[Table], one: float, two: float) -> None:
    low, high = sorted((one, two))
    rungs = [Rung(table) for table in given]
    scores = scored(ladder(*rungs, sure=(low, high)), *"abc")
    for name, score in zip("abc", scores):
        told: float | None = None
        for rung in rungs:
            assert (name in rung.asked) == (told is None or low < told < high)
            if name in rung.asked and rung.table.get(name) is not None:
                told = rung.table[name]
        assert score == told


def test_no_chains_are_no_work() -> None:
    rung = Rung({})
    assert asyncio.run(ladder(rung).score(Problem.of("?"), [], unpaid)) == []
    assert rung.asked == []


@pytest.mark.parametrize("sure", [(0.5, 0.4), (-0.1, 1.0), (0.0, 1.1), (float("nan"), 1.0)])
def test_bad_thresholds_are_refused(sure: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 ≤ low ≤ high ≤ 1"):
        ladder(exact("1"), sure=sure)


def test_an_empty_ladder_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one verifier"):
        ladder()


def test_the_dear_rung_is_paid_for_the_unsure_alone() -> None:
    policy = Digits(length=1, base=10)
    cheap = Rung({str(n): float(n % 2) for n in range(6)})
    engine, end, events = think(best_of(12), policy, verifier=ladder(cheap, self_judge(tokens=4)))
    unsure = [node for node in engine.tree.finals if (node.answer or "") >= "6"]
    assert unsure and not faults(events)
    assert end.roles["verifier"].calls == len(unsure) < 12
    assert sum(usage.completion for usage in end.roles.values()) == policy.sent


def test_a_ladder_of_the_shipped_verifiers_keeps_what_is_known() -> None:
    short = Budget(tokens=2, per_call=1)
    engine, _, events = think(best_of(2), Digits(length=1), short, verifier=ladder(Expressions(refutes=True), self_judge()))  # fmt: skip
    assert [node.score for node in engine.tree.finals] == [None, None]
    assert any("no budget is left" in fault.error for fault in faults(events))
