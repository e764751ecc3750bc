"""Confidence over whole chains, their ends, and the stretch where they stumbled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import exp, inf, isclose, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verifiers.chains import ending, unpaid

from system2.core import Chain, Problem, Step, Tree, Verifier
from system2.search import confidence
from system2.verifiers import group_confidence, mean_confidence, tail_confidence


def of(verifier: Verifier, *chains: Chain) -> list[float | None]:
    return asyncio.run(verifier.score(Problem.of("?"), chains, unpaid))


def one(verifier: Verifier, logprobs: Sequence[float]) -> float:
    (score,) = of(verifier, ending("1", logprobs))
    assert score is not None
    return score


STUMBLED = [-0.1] * 10 + [-3.0] * 5 + [-0.1] * 10


def test_each_looks_where_it_says() -> None:
    assert isclose(one(mean_confidence(), STUMBLED), exp(-17.0 / 25))
    assert isclose(one(tail_confidence(10), STUMBLED), exp(-0.1))
    assert isclose(one(tail_confidence(12), STUMBLED), exp(-7.0 / 12))
    assert isclose(one(group_confidence(5), STUMBLED), exp(-3.0))
    assert isclose(one(group_confidence(5, 1.0), [-1.0] * 9), exp(-1.0))
    # 21 stretches of five; the least sure tenth are three: 15, and 12.1 on either side of it
    assert isclose(one(group_confidence(5, 0.1), STUMBLED), exp(-(15 + 12.1 + 12.1) / 15))


def test_a_short_chain_is_one_stretch() -> None:
    for verifier in (mean_confidence(), tail_confidence(), group_confidence(), group_confidence(99, 0.5)):  # fmt: skip
        assert isclose(one(verifier, [-1.0, -2.0]), exp(-1.5))


def test_without_logprobs_it_cannot_say_and_unfinished_chains_count() -> None:
    unfinished = (Step("a", 2, logprobs=(-0.5, -1.5)), Step("forced", 0))
    for verifier in (mean_confidence(), tail_confidence(), group_confidence()):
        assert of(verifier, ending("1"), (), unfinished) == [None, None, exp(-1.0)]


def test_it_is_the_confidence_of_votes() -> None:
    tree = Tree()
    node = tree.plant(tree.root, ending("1", STUMBLED), None, lambda node, step: None)[-1].node
    assert isclose(confidence(node), one(mean_confidence(), STUMBLED))


@given(
    st.lists(st.floats(-20, 0) | st.sampled_from([-inf, -9999.0, 0.5, nan, -0.0]), min_size=1),
    st.integers(1, 30),
)
def test_scores_are_ordered_and_between_0_and_1(logprobs: list[float], size: int) -> None:
    for verifier in (mean_confidence(), tail_confidence(size), group_confidence(size, 0.1)):
        (score,) = of(verifier, ending("1", logprobs))
        assert (score is None) == all(p != p for p in logprobs)
        assert score is None or 0 <= score <= 1
    (lowest,) = of(group_confidence(size), ending("1", logprobs))
    (tail,) = of(tail_confidence(size), ending("1", logprobs))
    if lowest is not None and tail is not None:
        assert lowest <= tail * (1 + 1e-9)


@pytest.mark.parametrize(
    ("make", "given", "match"),
    [
        (tail_confidence, {"tokens": 0}, "tokens must be at least 1"),
        (group_confidence, {"window": -1}, "window must be at least 1"),
        (group_confidence, {"share": 1.5}, "share must be from 0 to 1"),
        (group_confidence, {"share": nan}, "share must be from 0 to 1"),
    ],
)
def test_bad_numbers_are_refused(make: Any, given: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        make(**given)
