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
FEWEST = 9  # alike ones: a next run lies between the ends of nine in eight of ten cases


@dataclass(frozen=True, slots=True)
class Estimate:
    """Of the completion tokens (dollars, seconds) of a run: low, median and high, from `runs` runs."""

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

    Between the outer two of each three numbers a next run lies in at least eight of ten cases if questions
    stay as they were: of n runs in order, number i and number j hold it with (j − i) / (n + 1).
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
    """The ends of what holds the next value in at least eight of ten cases, and the median between them."""
    beyond = (len(ascending) + 1) // 10  # as many may lie outside on either side, less one
    return ascending[beyond - 1], ascending[len(ascending) // 2], ascending[-beyond]
