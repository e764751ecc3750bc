"""Chains that end with given answers, and scoring them without a model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from system2.core import Chain, Problem, Reply, Request, Step, Verifier


def ending(answer: str | None, logprobs: Sequence[float] = ()) -> Chain:
    """A chain of two steps, finished if there is an answer."""
    return (
        Step("first", 1, logprobs=tuple(logprobs)),
        Step("last", 1, answer=answer, final=answer is not None),
    )


async def unpaid(request: Request) -> Reply:
    """Lent to verifiers that write nothing."""
    raise AssertionError("this verifier pays for nothing")


def scored(verifier: Verifier, *answers: str | None) -> list[float | None]:
    """The scores of chains with these answers, judged together."""
    chains = [ending(answer) for answer in answers]
    return asyncio.run(verifier.score(Problem.of("?"), chains, unpaid))
