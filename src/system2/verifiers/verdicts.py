"""Right or wrong by a library in a worker: each answer is checked once. Knows no library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from math import isfinite

from system2.core import Chain

Known = dict[str, bool]
ALL = (
    8  # deadlines that the answers of one call may take together; by default less than an engine's
)


async def verdicts(
    chains: Sequence[Chain],
    known: Known,
    check: Callable[[str], Awaitable[bool | None]],
    seconds: float,
) -> list[float | None]:
    """1.0 or 0.0 a chain; None without an answer yet, or where `check` could not decide in time."""
    answers = [chain[-1].answer if chain else None for chain in chains]

    async def decide(answer: str) -> None:
        if (right := await check(answer)) is not None:
            known[answer] = right

    fresh = dict.fromkeys(a for a in answers if a is not None and a not in known)
    # together, so that what needs no worker does not wait for what keeps it busy
    tasks = [asyncio.ensure_future(decide(answer)) for answer in fresh]
    try:
        async with asyncio.timeout(ALL * seconds):
            await asyncio.gather(*tasks)
    except TimeoutError:
        pass  # what was decided counts
    finally:
        for task in tasks:
            task.cancel()
    found = [None if answer is None else known.get(answer) for answer in answers]
    return [None if right is None else float(right) for right in found]


def ready(module: str, advice: str, seconds: float) -> None:
    """Raises ImportError with `advice` where the module is missing, ValueError for a useless deadline."""
    if find_spec(module) is None:
        raise ImportError(advice)
    if not (isfinite(seconds) and 0 < seconds <= 3600):
        raise ValueError(f"seconds must be above 0 and at most 3,600, {seconds} was given")
