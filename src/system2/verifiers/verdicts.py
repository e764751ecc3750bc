"""Right or wrong by a library in a worker: each answer is checked once. Knows no library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib.util import find_spec
from math import isfinite

from system2.core import Chain

Known = dict[str, bool | None]


async def verdicts(
    chains: Sequence[Chain], known: Known, check: Callable[[str], Awaitable[bool | None]]
) -> list[float | None]:
    """1.0 or 0.0 a chain; None without an answer yet, or where `check` could not decide."""
    answers = [chain[-1].answer if chain else None for chain in chains]
    for answer in answers:
        if answer is not None and answer not in known:
            known[answer] = await check(answer)
    found = [None if answer is None else known[answer] for answer in answers]
    return [None if right is None else float(right) for right in found]


def ready(module: str, advice: str, seconds: float) -> None:
    """Raises ImportError with `advice` where the module is missing, ValueError for a useless deadline."""
    if find_spec(module) is None:
        raise ImportError(advice)
    if not (isfinite(seconds) and 0 < seconds <= 3600):
        raise ValueError(f"seconds must be above 0 and at most 3,600, {seconds} was given")
