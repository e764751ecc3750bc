"""When to stop. Knows nothing about where to look.

Each rule says the fewest further finals that could end the search; 0: it has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import exp, lgamma

from system2.core import Tree
from system2.search.tally import Answer, champion, tally, written


def agreed(k: int, *, answer: Answer = written) -> Callable[[Tree], int | None]:
    """Stop once the leading answer is `k` votes ahead of the next.

    The sequential probability ratio test for two answers (Wald 1945); for samples of a language
    model see Aggarwal et al. 2023 (arXiv 2305.11860), who stop on a posterior instead. Raises
    ValueError for k below 1.
    """
    if k < 1:
        raise ValueError(f"agreed: k must be at least 1, {k} was given")

    def need(tree: Tree) -> int | None:
        votes = tally(tree, answer)
        first = votes.first.votes if votes.first else 0.0
        second = votes.second.votes if votes.second else 0.0
        return max(0, k - int(first - second))

    return need


def consensus(
    confidence: float = 0.95, *, answer: Answer = written
) -> Callable[[Tree], int | None]:
    """Stop once the leading answer is the more frequent of the two leaders, as likely as `confidence`.

    Adaptive consistency with a Beta posterior and an even prior (Aggarwal et al. 2023, arXiv
    2305.11860, sec. 3). What is needed at least is what would settle it if every further line agreed, so
    that a wave of that size costs what asking one by one would. Raises ValueError for a confidence
    that is not between a half and 1.
    """
    if not 0.5 < confidence < 1:
        raise ValueError(
            f"consensus: confidence must be above 0.5 and below 1, not at least {confidence}"
        )

    def need(tree: Tree) -> int | None:
        votes = tally(tree, answer)
        first = int(votes.first.votes) if votes.first else 0
        second = int(votes.second.votes) if votes.second else 0
        return settling(first, second, confidence)

    return need


@cache
def settling(first: int, second: int, confidence: float) -> int:
    """Fewest further votes for the first that make it the more frequent, as likely as `confidence`."""
    more = 0
    while ahead(first + more, second) < confidence:
        more += 1
    return more


def ahead(first: int, second: int) -> float:
    """The probability that p > 1/2 where p has the posterior Beta(first + 1, second + 1): exact."""
    n = first + second + 1
    below, term = 0, 1
    for j in range(second + 1):  # fewer than second + 1 of n fair coins: the smaller tail
        below += term
        term = term * (n - j) // (j + 1)
    return 1 - below / 2**n


def worthwhile(
    worth: float, *, most: int = 16, answer: Answer = written
) -> Callable[[Tree], int | None]:
    """Stop once no further lines, up to `most` together, are worth what they take.

    worth  of answering with the more frequent of the two leaders instead of the other, in lines of thought:
           what a right answer is worth, in dollars or tokens, over what a line costs.
    The value of information (Howard 1966; for batches Frazier et al. 2008, "knowledge gradient") under a Beta posterior
    with an even prior: m lines are worth `worth` times what they are expected to add to the probability that
    the leader is the more frequent, and cost m. Fewest lines that pay best are asked for. Raises ValueError for a
    worth or most below 1.
    """
    if not worth >= 1 or most < 1:
        raise ValueError(
            f"worthwhile: worth and most must be at least 1, {worth} and {most} were given"
        )

    def need(tree: Tree) -> int | None:
        votes = tally(tree, answer)
        first = int(votes.first.votes) if votes.first else 0
        second = int(votes.second.votes) if votes.second else 0
        return paying(first, second, worth, most)

    return need


@cache
def paying(first: int, second: int, worth: float, most: int) -> int:
    """How many further lines, up to `most`, bring most beyond what they cost; 0: none does."""
    return max(range(most + 1), key=lambda m: (worth * gain(first, second, m) - m, -m))


@cache
def gain(first: int, second: int, more: int) -> float:
    """What `more` votes between the two leaders are expected to add to the chance to name the better."""
    found = 0.0
    for k in range(more + 1):
        sure = ahead(first + k, second + more - k)
        found += drawn(first, second, more, k) * max(sure, 1 - sure)
    now = ahead(first, second)
    return found - max(now, 1 - now)


def drawn(first: int, second: int, more: int, k: int) -> float:
    """The probability that k of `more` further votes go to the first: beta-binomial."""
    total = lgamma(more + 1) - lgamma(k + 1) - lgamma(more - k + 1)
    total += (
        lgamma(first + 1 + k) + lgamma(second + 1 + more - k) - lgamma(first + second + 2 + more)
    )
    total -= lgamma(first + 1) + lgamma(second + 1) - lgamma(first + second + 2)
    return exp(total)


def solved(threshold: float = 1.0) -> Callable[[Tree], int | None]:
    """Stop once a finished line of thought is scored at least `threshold`.

    Where some finished lines have an answer, only those count, as for `best`.
    """

    def need(tree: Tree) -> int | None:
        node = champion(tree)
        if node is None or not node.final or node.score is None:
            return 1
        return 0 if node.score >= threshold else 1

    return need


def enough(n: int) -> Callable[[Tree], int | None]:
    """Stop after `n` arrivals at a finished line, with or without an answer.

    Raises ValueError for n below 1.
    """
    if n < 1:
        raise ValueError(f"enough: n must be at least 1, {n} was given")

    def need(tree: Tree) -> int | None:
        return max(0, n - len(tree.finals))

    return need
