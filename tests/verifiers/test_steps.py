"""Process rewards: every step scored once, however lines of thought share their beginnings. Unit tests: shares."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system2 import beam, think
from system2.core import Chain, Problem, Step
from system2.policies.fake import Digits
from system2.verifiers import process_reward, unit_tests

PROBLEM = Problem.of("?")


class Halves:
    """A step is worth its digit, in tenths; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def steps(self, problem: Problem, chain: Chain, begun: int, write: Any) -> list[float]:
        self.asked.append(("".join(step.text for step in chain), begun))
        return [int(step.text) / 10 for step in chain[begun:]]


def chain(digits: str) -> Chain:
    return [Step(digit, 1) for digit in digits]


def scores(verifier: Any, *chains: Chain) -> list[float | None]:
    return asyncio.run(verifier.score(PROBLEM, chains, None))


def test_what_is_made_of_the_steps() -> None:
    for reduce, expected in (("last", 0.5), ("min", 0.2), ("product", 0.08)):
        found = scores(process_reward(Halves(), reduce=reduce), chain("825"), [])  # type: ignore[arg-type]
        assert found == [pytest.approx(expected), None]  # pyright: ignore
    with pytest.raises(ValueError, match="last, min, product"):
        process_reward(Halves(), reduce="mean")  # type: ignore[arg-type]


@given(st.lists(st.text("0123456789", min_size=1, max_size=6), min_size=1, max_size=12))
def test_no_step_is_scored_twice_on_one_line(lines: list[str]) -> None:
    scorer = Halves()
    verifier = process_reward(scorer, reduce="min")
    for line in lines:
        for end in range(1, len(line) + 1):
            assert scores(verifier, chain(line[:end])) == [min(int(d) for d in line[:end]) / 10]
    assert len(scorer.asked) == len(
        {line[:end] for line in lines for end in range(1, len(line) + 1)}
    )
    assert all(begun == len(text) - 1 for text, begun in scorer.asked)


def test_too_few_scores_are_a_fault() -> None:
    class Lazy(Halves):
        async def steps(
            self, problem: Problem, chain: Chain, begun: int, write: Any
        ) -> list[float]:
            return []

    with pytest.raises(ValueError, match="0 scores came for 2 steps"):
        scores(process_reward(Lazy()), chain("12"))


def test_it_leads_a_beam() -> None:
    """The beam finds the line whose every digit is high, and no prefix is scored twice."""
    scorer = Halves()
    found = think(
        "?", policy=Digits(base=10, length=4), strategy=beam(2, 6),
        verifier=process_reward(scorer, reduce="min"), seed=3, trace=False,
    )  # fmt: skip
    assert found.answer and min(map(int, found.answer)) >= 4
    assert all(begun == len(text) - 1 for text, begun in scorer.asked)
    assert len(scorer.asked) == len({*scorer.asked})


class Contains:
    """Passes programs that hold the test; cannot run what is empty."""

    def __init__(self) -> None:
        self.ran = 0

    async def passes(self, program: str, test: str) -> bool | None:
        self.ran += 1
        return None if not program else test in program


def ending(answer: str | None) -> Sequence[Step]:
    return [Step("…", 1, answer=answer, final=answer is not None)]


def test_the_share_of_tests() -> None:
    runner = Contains()
    verifier = unit_tests(runner, "a", "b")
    chains = [ending(answer) for answer in ("ab", "a", "c", "ab", "", None)]
    assert scores(verifier, *chains) == [1.0, 0.5, 0.0, 1.0, None, None]
    assert runner.ran == 2 + 2 + 2 + 1
    with pytest.raises(ValueError, match="at least one test"):
        unit_tests(runner)
