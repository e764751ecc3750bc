"""Right or wrong against a known answer. The gold comes as an argument, from an evaluation or a training run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from system2.core import Chain, Problem, Write


@dataclass(frozen=True, slots=True)
class Exact:
    """Scores 1.0 where `right` accepts the chain's answer, else 0.0."""

    right: Callable[[str], bool]

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """1.0 or 0.0; None for a line of thought without an answer yet."""
        answers = [chain[-1].answer if chain else None for chain in chains]
        return [None if a is None else float(self.right(a)) for a in answers]


def exact(gold: str) -> Exact:
    """Right is what reads exactly like `gold`, up to surrounding blanks."""
    return Exact(lambda answer: answer.strip() == gold.strip())
