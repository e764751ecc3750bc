"""A process reward model as a verifier: step by step, each step scored once. Holds no model itself."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce as fold
from hashlib import blake2b
from math import prod
from typing import Literal, Protocol

from system2.core import Chain, Problem, Write

KEPT = 65_536  # lines of thought whose scores are remembered

Reduce = Literal["last", "min", "product"]
_REDUCES: Mapping[Reduce, Callable[[Sequence[float]], float]] = {
    "last": lambda scores: scores[-1], "min": min, "product": prod,
}  # fmt: skip


class StepScorer(Protocol):
    """What a process reward model offers."""

    async def steps(
        self, problem: Problem, chain: Chain, begun: int, write: Write
    ) -> Sequence[float]:
        """From 0 to 1, how right each step of the chain is, from number `begun` on.

        The steps before it were scored earlier. A model that writes does so through `write`.
        """
        ...


@dataclass(slots=True)
class ProcessReward:
    """Scores a chain by what `reduce` makes of its steps' scores."""

    scorer: StepScorer
    reduce: Reduce
    _known: OrderedDict[bytes, tuple[float, ...]] = field(
        default_factory=lambda: OrderedDict[bytes, tuple[float, ...]]()
    )

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """One score a chain, finished or not; None for one without steps. Raises ValueError for too few scores."""
        told = await asyncio.gather(*(self.steps(problem, chain, write) for chain in chains))
        return [_REDUCES[self.reduce](scores) if scores else None for scores in told]

    async def steps(self, problem: Problem, chain: Chain, write: Write) -> tuple[float, ...]:
        """The score of every step; those of a beginning that was scored before are not asked for."""
        names = prefixes(problem, chain)
        begun = next((n for n in range(len(chain), 0, -1) if names[n] in self._known), 0)
        before = self._known.get(names[begun], ())
        if begun < len(chain):
            found = await self.scorer.steps(problem, chain, begun, write)
            if len(found) != len(chain) - begun:
                raise ValueError(f"{len(found)} scores came for {len(chain) - begun} steps")
            before = (*before, *found)
        self._known[names[len(chain)]] = before
        self._known.move_to_end(names[len(chain)])
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return before


def process_reward(scorer: StepScorer, *, reduce: Reduce = "last") -> ProcessReward:
    """A verifier of steps (Lightman et al. 2023, arXiv 2305.20050).

    reduce  of the steps' scores: the last one (Snell et al. 2024, arXiv 2408.03314, app. E), the least, or their
            product (Lightman, sec. 2). Raises ValueError for another.
    """
    if reduce not in _REDUCES:
        raise ValueError(f"process_reward: reduce is one of {', '.join(_REDUCES)}, not {reduce!r}")
    return ProcessReward(scorer, reduce)


def prefixes(problem: Problem, chain: Chain) -> list[bytes]:
    """A name for every beginning of the chain: that of no steps first."""
    first = blake2b(repr(problem.messages).encode(errors="surrogatepass"), digest_size=16).digest()

    def longer(names: list[bytes], text: str) -> list[bytes]:
        data = names[-1] + text.encode(errors="surrogatepass")
        return [*names, blake2b(data, digest_size=16).digest()]

    return fold(longer, [step.text for step in chain], [first])
