"""What a run will likely cost, from the runs there were: a prediction with an interval, before anything is spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from system2.records import Summary

ALIKE = ("effort", "samples", "model", "model_name", "objects")
"""Settings that two runs must share to be alike."""
LATEST = 200  # runs looked at
FEWEST = 5  # alike ones, below which nothing is predicted


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of the completion tokens (dollars, seconds) of a run: where the middle eight tenths of `runs` lay, and the median."""

    runs: int
    tokens: tuple[int, int, int]
    dollars: tuple[Decimal, Decimal, Decimal] | None
    seconds: tuple[float, float, float]

    def __str__(self) -> str:
        """A sentence for people."""
        low, middle, high = self.tokens
        told = f"{self.runs} runs like this took {low:,} to {high:,} tokens (median {middle:,})"
        if self.dollars and self.dollars[2]:
            cheap, usual, dear = self.dollars
            told += f", ${cheap:.4f} to ${dear:.4f} (median ${usual:.4f})"
        short, typical, long = self.seconds
        return f"{told}, {short:.1f} to {long:.1f} s (median {typical:.1f})"


def estimate(runs: Iterable[Summary], settings: Mapping[str, str]) -> Estimate | None:
    """From runs, newest first, with settings like these; None where there are too few.

    Each number is the tenth, the fiftieth and the ninetieth of a hundred: a next run lies between
    the outer two in about eight of ten cases if questions stay as they were.
    """
    ends = [
        run.finished
        for run in islice(runs, LATEST)
        if run.finished
        and run.finished.why not in ("interrupted", "cancelled", "failed", "watcher")
        and all(run.started.settings.get(name) == settings.get(name) for name in ALIKE)
    ]
    if len(ends) < FEWEST:
        return None
    costs = [end.cost for end in ends]
    known = [cost for cost in costs if cost is not None]
    tokens = quantiles(sorted(end.usage.completion for end in ends))
    return Estimate(
        len(ends),
        tokens,
        quantiles(sorted(known)) if len(known) == len(ends) else None,
        quantiles(sorted(end.seconds for end in ends)),
    )


T = TypeVar("T")


def quantiles(ascending: list[T]) -> tuple[T, T, T]:
    """The values a tenth, a half and nine tenths of the way through."""
    last = len(ascending) - 1
    low, middle, high = (ascending[round(last * part)] for part in (0.1, 0.5, 0.9))
    return low, middle, high
