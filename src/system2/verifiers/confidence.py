"""How sure the model was, from the log-probabilities of its own tokens. Asks nobody; costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, exp

from system2.core import Chain, Problem, Write

LEAST = -100.0  # a token's log-probability; servers write -9999 or -inf for "hardly ever"


@dataclass(frozen=True, slots=True)
class Confidence:
    """Scores a chain by exp of what `read` makes of its tokens' log-probabilities."""

    read: Callable[[Sequence[float]], float]

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """From 0 to 1, finished or not; None where the backend gives no log-probabilities."""
        told = [[p for step in chain for p in step.logprobs] for chain in chains]
        kept = [[min(0.0, max(LEAST, p)) for p in logprobs if p == p] for logprobs in told]
        return [exp(min(0.0, self.read(logprobs))) if logprobs else None for logprobs in kept]


def mean_confidence() -> Confidence:
    """Of all tokens alike, whatever the length (Wang et al. 2022, arXiv 2203.11171, eq. 1)."""
    return Confidence(mean)


def tail_confidence(tokens: int = 2048) -> Confidence:
    """Of the last `tokens` alone (DeepConf, Fu et al. 2025, arXiv 2508.15260, sec. 3.1).

    Raises ValueError for tokens below 1.
    """
    _positive("tail_confidence: tokens", tokens)
    return Confidence(lambda logprobs: mean(logprobs[-tokens:]))


def group_confidence(window: int = 2048, share: float = 0.0) -> Confidence:
    """Of the least sure stretch of `window` tokens (DeepConf, sec. 3.1): where it stumbled, it shows.

    share   mean of this share of all stretches, the least sure ones; 0: the least sure one alone.
    Stretches overlap; a chain shorter than one is one. Raises ValueError for a window below 1 and
    a share that is not from 0 to 1.
    """
    _positive("group_confidence: window", window)
    if not 0 <= share <= 1:
        raise ValueError(f"group_confidence: share must be from 0 to 1, {share} was given")

    def read(logprobs: Sequence[float]) -> float:
        size = min(window, len(logprobs))
        sums = [0.0, *accumulate(logprobs)]
        groups = sorted((b - a) / size for a, b in zip(sums, sums[size:]))
        return mean(groups[: max(1, ceil(share * len(groups)))])

    return Confidence(read)


def mean(numbers: Sequence[float]) -> float:
    """The arithmetic mean of at least one number."""
    return sum(numbers) / len(numbers)


def _positive(name: str, given: int) -> None:
    if given < 1:
        raise ValueError(f"{name} must be at least 1, {given} was given")
