"""Several verifiers as one that doubts what they disagree on. Knows nothing about what they look at."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from system2.core import Chain, Problem, Verifier, Write

EDGE = 1e-6  # the least score of what not all refute: 0 itself means "known to be wrong"


@dataclass(frozen=True, slots=True)
class Pessimistic:
    """Scores a chain by the mean of the members' scores, less `kappa` times their standard deviation."""

    members: tuple[Verifier, ...]
    kappa: float

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """From 0 to 1; None where no member can say. Raises what a member raises."""
        try:
            async with asyncio.TaskGroup() as group:
                asked = [
                    group.create_task(one.score(problem, chains, write)) for one in self.members
                ]
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None
        told = [task.result() for task in asked]
        return [
            self.doubted([s for s in scores if s is not None]) for scores in zip(*told, strict=True)
        ]

    def doubted(self, scores: list[float]) -> float | None:
        """One score of several."""
        if not scores:
            return None
        if max(scores) == 0.0:
            return 0.0
        return min(1.0, max(EDGE, fmean(scores) - self.kappa * pstdev(scores)))


def pessimistic(*members: Verifier, kappa: float = 1.0) -> Pessimistic:
    """Where verifiers disagree one of them is wrong, and a search goes where it errs in its favour.

    A lower bound instead of the mean, against over-optimisation of a reward (Gao et al. 2022, arXiv
    2210.10760; the bound: Coste et al. 2023, arXiv 2310.02743, sec. 3). All members are asked at once. Raises
    ValueError for fewer than two members or a negative kappa.
    """
    if len(members) < 2 or not kappa >= 0:
        raise ValueError(
            "pessimistic: at least two verifiers and a kappa of at least 0 are needed, "
            f"{len(members)} and {kappa} were given"
        )
    return Pessimistic(members, kappa)
