"""Verifiers that disagree are believed less than their mean."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system2.core import Chain, Problem
from system2.verifiers import pessimistic

PROBLEM = Problem.of("?")


class Says:
    """Scores chains as told."""

    def __init__(self, *scores: float | None) -> None:
        self.scores = scores

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Any
    ) -> list[float | None]:
        return [*self.scores]


def scored(*members: Says, kappa: float = 1.0) -> list[float | None]:
    verifier = pessimistic(*members, kappa=kappa)
    chains: list[Chain] = [[]] * len(members[0].scores)
    return asyncio.run(verifier.score(PROBLEM, chains, None))  # type: ignore[arg-type]


def test_the_mean_less_what_they_disagree_by() -> None:
    found = scored(Says(0.8, 0.9, None, None), Says(0.8, 0.5, 0.3, None))
    assert found == pytest.approx([0.8, 0.7 - 0.2, 0.3, None])  # pyright: ignore
    assert scored(Says(0.9), Says(0.5), kappa=0.0) == pytest.approx([0.7])  # pyright: ignore


@given(st.lists(st.floats(0, 1), min_size=2, max_size=5), st.floats(0, 5))
def test_from_0_to_1_and_refuted_only_by_all(scores: list[float], kappa: float) -> None:
    (found,) = scored(*map(Says, scores), kappa=kappa)
    assert found is not None and 0 <= found <= 1
    assert (found == 0.0) == (max(scores) == 0.0)
    assert found <= sum(scores) / len(scores) + 1e-5


def test_one_alone_is_no_second_opinion() -> None:
    with pytest.raises(ValueError, match="at least two verifiers"):
        pessimistic(Says(0.5))
    with pytest.raises(ValueError, match="kappa of at least 0"):
        pessimistic(Says(0.5), Says(0.5), kappa=-1)
