"""From samples judged right or wrong to accuracies with intervals. Pure; knows no models, tasks or clocks.

One run of n samples a problem gives what k ≤ n of them would have given: the mean over the subsets.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from math import comb, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DRAWS = 2000
"""Random subsets of a Monte Carlo, and resamples of a bootstrap."""

Z = 1.959963984540054  # of 95 %
TIE = 1e-9  # sums of weights that differ by less, relatively, are the same


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95 % interval over problems.

    error   standard error that random subsets add; 0 where all subsets were counted
    """

    value: float
    low: float
    high: float
    error: float = 0.0


def pass_at(n: int, right: int, k: int) -> float:
    """Chance that some of k of n samples is right (Chen et al. 2021, arXiv 2107.03374, eq. 1).

    Unbiased and exact: whole numbers until the last division. Raises ValueError unless
    0 ≤ right ≤ n and 1 ≤ k ≤ n.
    """
    if not (0 <= right <= n and 1 <= k <= n):
        raise ValueError(f"pass_at: {right} right of {n} samples, of which {k}: impossible")
    subsets = comb(n, k)
    return (subsets - comb(n - right, k)) / subsets


@dataclass(frozen=True, slots=True, eq=False)
class Ballots:
    """The samples of one problem as a vote sees them.

    answers (n): number of the answer, -1 without one. weights (n). right (answers): is it right?
    """

    answers: Ints
    weights: Floats
    right: Bools


def ballots(
    answers: Sequence[Hashable | None], weights: Sequence[float], right: Sequence[bool]
) -> Ballots:
    """One entry a sample; answers are the same if they are equal, and None does not vote."""
    numbers: dict[Hashable, int] = {}
    judged: list[bool] = []
    for answer, good in zip(answers, right, strict=True):
        if answer is not None and answer not in numbers:
            numbers[answer] = len(numbers)
            judged.append(good)
    ids = [-1 if answer is None else numbers[answer] for answer in answers]
    return Ballots(np.array(ids, np.int64), np.array(weights, np.float64), np.array(judged, bool))


def orders(n: int, seed: int, draws: int = DRAWS) -> Ints:
    """Random orders of n samples (draws, n); the first k of one are a random subset."""
    rng = np.random.default_rng(seed)
    return rng.permuted(np.tile(np.arange(n), (draws, 1)), axis=1)


def subsets(n: int, k: int, random: Ints) -> tuple[Ints, bool]:
    """All subsets of k (subsets, k) if they are no more than the random orders, else those; all?"""
    if (count := comb(n, k)) > len(random):
        return random[:, :k], False
    flat = np.fromiter(chain.from_iterable(combinations(range(n), k)), np.int64, count * k)
    return flat.reshape(count, k), True


def shares(vote: Ballots, chosen: Ints) -> Floats:
    """For each subset the chance (subsets) that the answer with the most votes is right.

    Answers that tie have equal chances, as they have to be there first; without any answer the
    vote is lost.
    """
    size, width = len(chosen), len(vote.right) + 1
    if not vote.right.any():
        return np.zeros(size)
    places = np.arange(size)[:, None] * width + vote.answers[chosen] + 1
    counted = np.bincount(places.ravel(), vote.weights[chosen].ravel(), size * width)
    votes = counted.reshape(size, width)[:, 1:]
    top = votes.max(1, keepdims=True)
    tied = (votes >= top * (1 - TIE)) & (votes > 0)
    return (tied & vote.right).sum(1) / np.maximum(1, tied.sum(1))


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """An expectation over subsets: one value a problem, and the standard error of their mean."""

    values: Floats
    error: float


def vote_at(votes: Sequence[Ballots], k: int, random: Ints) -> Expected:
    """Expected accuracy of the vote of k of the n samples, a problem; `random` as of `orders`.

    All problems share the random subsets, so the error is that of the means over problems.
    """
    chosen, every = subsets(random.shape[1], k, random)
    means, values = np.zeros(len(chosen)), np.zeros(len(votes))
    for n, vote in enumerate(votes):
        found = shares(vote, chosen)
        means += found / len(votes)
        values[n] = found.mean()
    return Expected(values, 0.0 if every else float(means.std(ddof=1)) / sqrt(len(chosen)))


def estimate(values: Sequence[float] | Floats, seed: int = 0, error: float = 0.0) -> Estimate:
    """Mean over problems with its 95 % interval: Wilson's where all values are 0 or 1, else bootstrap."""
    found = np.asarray(values, np.float64)
    if not len(found):
        raise ValueError("an estimate needs at least one problem")
    mean = float(found.mean())
    if bool(np.isin(found, (0.0, 1.0)).all()):
        low, high = wilson(round(float(found.sum())), len(found))
    else:
        low, high = bootstrap(found, seed)
    return Estimate(mean, low, high, error)


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % score interval of a binomial share (Wilson 1927)."""
    share, spread = right / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * sqrt(share * (1 - share) / n + spread / (4 * n))
    low = 0.0 if right == 0 else middle - half
    return low, 1.0 if right == n else middle + half


def bootstrap(values: Floats, seed: int, draws: int = DRAWS) -> tuple[float, float]:
    """95 % percentile interval of the mean, problems drawn again with replacement (Efron 1979)."""
    rng, size = np.random.default_rng(seed), len(values)
    block = max(1, 500_000 // size)  # resamples at once, to keep memory small
    parts = [min(block, draws - done) for done in range(0, draws, block)]
    means = [values[rng.integers(size, size=(part, size))].mean(1) for part in parts]
    low, high = np.quantile(np.concatenate(means), (0.025, 0.975))
    return float(low), float(high)
