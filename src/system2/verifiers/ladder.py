"""Verifiers one after another, the cheap ones first. Knows nothing about what any of them looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from system2.core import Chain, Problem, Verifier, Write

SECONDS = 28.0  # for all verifiers; an engine waits 30


@dataclass(frozen=True, slots=True)
class Ladder:
    """Asks each verifier about the chains that those before it left unsure."""

    rungs: tuple[Verifier, ...]
    low: float
    high: float
    seconds: float = SECONDS

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """The last score that a verifier gave; None where none gave one.

        A verifier that fails is passed over, and so is one that takes longer than its share of the time
        left: half of it with one more to come. Raises what it raised where that leaves no score at all.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        scores: list[float | None] = [None] * len(chains)
        failed: Exception | None = None
        for left, rung in zip(range(len(self.rungs), 0, -1), self.rungs):
            unsure = [n for n, score in enumerate(scores) if self._unsure(score)]
            if not unsure:
                break
            try:
                async with asyncio.timeout_at(end - (end - loop.time()) * (left - 1) / left):
                    told = await rung.score(problem, [chains[n] for n in unsure], write)
                if len(told) != len(unsure):
                    raise ValueError(f"{len(told)} scores came for {len(unsure)} chains")
            except TimeoutError:
                name = type(rung).__name__
                failed = TimeoutError(
                    f"{name} took longer than its share of {self.seconds:g} seconds"
                )
                continue
            except Exception as error:  # noqa: BLE001  a verifier's fault takes no score from others
                failed = error
                continue
            for n, score in zip(unsure, told):
                scores[n] = scores[n] if score is None else score
        if failed and all(score is None for score in scores):
            raise failed
        return scores

    def _unsure(self, score: float | None) -> bool:
        return score is None or not (0 <= score <= self.low or self.high <= score <= 1)


def ladder(*verifiers: Verifier, sure: tuple[float, float] = (0.0, 1.0)) -> Ladder:
    """Asks the first verifier about every chain, the next about those it left unsure, and so on.

    sure    a score at or below the first number, or at or above the second, is final. Where the
            scores of two verifiers do not mean the same, only 0 and 1 should be.
    Raises ValueError without a verifier, and for numbers that are not 0 ≤ low ≤ high ≤ 1.
    """
    low, high = sure
    if not verifiers:
        raise ValueError("ladder: at least one verifier is needed, the cheapest first")
    if not 0 <= low <= high <= 1:
        raise ValueError(f"ladder: sure must be 0 ≤ low ≤ high ≤ 1, ({low}, {high}) was given")
    return Ladder(verifiers, low, high)
