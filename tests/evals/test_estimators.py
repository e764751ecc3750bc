"""Estimators against brute force over all subsets and all orders, and intervals that make sense."""

from __future__ import annotations

from itertools import combinations, permutations
from math import comb
from random import Random

import numpy as np
import pytest

from system2.evals.control import chance
from system2.evals.estimators import (
    ballots,
    bootstrap,
    estimate,
    orders,
    pass_at,
    shares,
    subsets,
    vote_at,
    wilson,
)
from system2.tasks.moves import random_path


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_pass_at_is_the_share_of_subsets_with_a_right_one(n: int) -> None:
    for right in range(n + 1):
        marks = [place < right for place in range(n)]
        for k in range(1, n + 1):
            hits = [any(chosen) for chosen in combinations(marks, k)]
            assert pass_at(n, right, k) == pytest.approx(sum(hits) / len(hits), abs=1e-15)


def test_pass_at_is_exact_where_floats_would_cancel() -> None:
    assert pass_at(1024, 1, 1) == 1 / 1024
    assert pass_at(1024, 1, 512) == 0.5
    assert pass_at(1024, 512, 1024) == 1.0
    assert pass_at(1024, 0, 1024) == 0.0
    assert pass_at(1024, 2, 2) == (comb(1024, 2) - comb(1022, 2)) / comb(1024, 2)


@pytest.mark.parametrize(("n", "right", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5)])
def test_pass_at_refuses_the_impossible(n: int, right: int, k: int) -> None:
    with pytest.raises(ValueError, match="impossible"):
        pass_at(n, right, k)


def brute(answers: list[str | None], weights: list[float], right: set[str], k: int) -> float:
    """The vote of the first k of every order, ties to the answer that is there first."""
    won = total = 0
    for order in permutations(range(len(answers)), k):
        votes: dict[str, float] = {}
        for place in order:
            if (answer := answers[place]) is not None:
                votes[answer] = votes.get(answer, 0.0) + weights[place]
        total += 1
        won += bool(votes) and max(votes, key=lambda a: votes[a]) in right
    return won / total


@pytest.mark.parametrize("seed", range(8))
def test_votes_agree_with_brute_force(seed: int) -> None:
    rng = Random(seed)
    answers = [rng.choice(["a", "b", "c", None]) for _ in range(6)]
    right = {"a"} if seed % 2 else {"a", "c"}
    marks = [answer in right for answer in answers]
    even = [1.0] * 6
    # powers of two never tie, whichever are added
    uneven = [2.0**n for n in rng.sample(range(6), 6)]
    for k in range(1, 7):
        chosen, every = subsets(6, k, orders(6, 0))
        assert every
        assert len(chosen) == comb(6, k)
        for weights in (even, uneven):
            found = shares(ballots(answers, weights, marks), chosen).mean()
            assert found == pytest.approx(brute(answers, weights, right, k))


def test_random_subsets_come_close_and_say_how_close() -> None:
    rng = Random(3)
    votes = [
        ballots(answers, [1.0] * 20, [answer == 0 for answer in answers])
        for answers in ([min(3, int(rng.expovariate(1))) for _ in range(20)] for _ in range(30))
    ]
    every, _ = subsets(20, 5, orders(20, 0, draws=comb(20, 5)))
    truth = float(np.mean([shares(vote, every).mean() for vote in votes]))
    found = vote_at(votes, 5, orders(20, 7))
    assert 0 < found.error < 0.005
    assert abs(found.values.mean() - truth) < 4 * found.error
    again = vote_at(votes, 5, orders(20, 7))
    assert (found.values == again.values).all()
    assert vote_at(votes, 20, orders(20, 7)).error == 0


def test_nobody_votes() -> None:
    vote = ballots([None, None], [1.0, 1.0], [False, False])
    assert shares(vote, np.array([[0, 1]])).tolist() == [0.0]
    alone = ballots([None, "a"], [1.0, 0.3], [False, True])
    assert shares(alone, np.array([[0], [1]])).tolist() == [0.0, 1.0]


def test_wilson() -> None:
    low, high = wilson(8, 10)  # Newcombe 1998, table I's method
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0


def test_intervals_hold_the_mean_and_shrink() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.random(25), rng.random(2500)
    for values in (few, many):
        found = estimate(values, seed=1)
        assert found.low < found.value < found.high
        assert found == estimate(values, seed=1)
    narrow, wide = bootstrap(many, 1), bootstrap(few, 1)
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 5
    normal = 2 * 1.96 * many.std() / len(many) ** 0.5
    assert narrow[1] - narrow[0] == pytest.approx(normal, rel=0.08)
    assert estimate([1.0, 0.0, 1.0]).low == wilson(2, 3)[0]
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


def test_the_control_is_the_share_of_random_paths() -> None:
    rng = Random(0)
    for numbers, target in (((3, 5, 7), 15), ((6, 6, 2, 12), 24)):
        hits = sum(random_path(numbers, target, rng) for _ in range(6000))
        share = chance(numbers, target)
        assert abs(hits / 6000 - share) < 4 * (share / 6000) ** 0.5
    assert chance((1, 1), 99) == 0.0
