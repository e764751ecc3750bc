"""The verifier of expressions: sure of Countdown, silent about everything else. And the exact one."""

from __future__ import annotations

import asyncio

import pytest

from system2.core import Chain, Problem, Reply, Request, Step, Verifier
from system2.verifiers import Expressions, exact

COUNTDOWN = "Use 13, 8, 5 to make 57."


def score(verifier: Verifier, question: str, answer: str | None, begun: str = "…") -> float | None:
    """The score of a chain that begins so and ends with this answer."""

    async def write(request: Request) -> Reply:
        raise AssertionError("this verifier pays for nothing")

    chain: Chain = (Step(begun, 1), Step("…", 1, answer=answer, final=True))
    (found,) = asyncio.run(verifier.score(Problem.of(question), [chain], write))
    return found


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("(13*5)-8", 1.0),
        ("13×5−8 = 57", 1.0),
        ("13*8-5", 0.0),
        ("13*8-5 = 57", 0.0),
        ("13*5-8 = 58", 0.0),
        ("13/0*8-5", 0.0),
        ("50+7", 0.0),
        ("13*5-8-8", 0.0),
        ("57", None),
        ("fifty-seven", None),
        ("", None),
        ("(" * 10_000, None),
        (None, None),
    ],
)
def test_countdown(answer: str | None, right: float | None) -> None:
    assert score(Expressions(refutes=True), COUNTDOWN, answer) == right
    assert score(Expressions(), COUNTDOWN, answer) == (right or None)


def test_what_is_no_expression_where_one_was_asked_for() -> None:
    """The embedded model says in its first step what it was asked."""
    for begun, refuted in (
        ("13,8,5:57<step>", 0.0),
        ("13,8,5 down<step>", None),
        ("13:57<step>", None),
    ):
        assert score(Expressions(refutes=True), COUNTDOWN, "57", begun) == refuted
        assert score(Expressions(), COUNTDOWN, "57", begun) is None
        assert score(Expressions(refutes=True), COUNTDOWN, "13*5-8", begun) == 1.0


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Simplify 6/12.", "1/2"),
        ("Which is larger, 3/4 or 2/3?", "3/4"),
        ("When did men first walk on the moon?", "1969-07-20"),
        ("How long did the second world war last?", "1939-1945"),
        ("Between which years did war 2 last?", "1939-1945"),
        ("Order 3, 1 and 2.", "1-2-3"),
        ("7 balls, 3 of them red. You draw 1. Probability?", "3/7"),
        ("A match lasts 90 minutes. Home 3, away 1. The result?", "3-1"),
    ],
)
def test_an_answer_to_another_question_is_not_refuted(question: str, answer: str) -> None:
    """A refuted answer has no vote: a right one must never lose it."""
    assert score(Expressions(), question, answer) is None


def test_exact_takes_its_gold_as_an_argument() -> None:
    assert score(exact("42"), "?", " 42 ") == 1.0
    assert score(exact("42"), "?", "43") == 0.0
    assert score(exact("42"), "?", None) is None
