"""How a token is drawn: the readable definition, in numpy. Knows nothing about models.

The kernel draws the same way; a token depends on its row's seed, position and logits, on nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

_MASK = (1 << 64) - 1
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What the rows that asked were given.

    ids, logprobs  (drawing, steps): tokens and their log-probabilities at temperature 1
    counts         (drawing,): how many of them there are
    """

    ids: Ints
    logprobs: Floats
    counts: Ints


def uniform(seed: int, position: int) -> float:
    """A number in [0, 1) that belongs to (seed, position): splitmix64 (Steele et al. 2014) twice."""
    z = (_mix(seed & _MASK) + GOLDEN * (position + 1)) & _MASK
    return (_mix(z) >> 11) * 2.0**-53


def draw(logits: Floats, seeds: NDArray[np.uint64], positions: Ints, temperatures: Floats) -> Drawn:
    """One token per row of `logits` (rows, vocab); temperature 0 takes the likeliest, lowest id first.

    `positions` are the places the drawn tokens take in their sequences.
    """
    ids = logits.argmax(1).astype(np.int64)
    below = logits - logits.max(1, keepdims=True)
    for i in np.flatnonzero(temperatures > 0):
        heap = np.exp(below[i] / temperatures[i]).cumsum(dtype=np.float64)
        at = uniform(int(seeds[i]), int(positions[i])) * heap[-1]
        ids[i] = min(int(heap.searchsorted(at, "right")), len(heap) - 1)
    chosen = np.take_along_axis(below, ids[:, None], 1)[:, 0]
    logprobs = (chosen - np.log(np.exp(below).sum(1))).astype(np.float32)
    return Drawn(ids[:, None], logprobs[:, None], np.ones_like(ids))


def _mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * FIRST) & _MASK
    z = ((z ^ (z >> 27)) * SECOND) & _MASK
    return z ^ (z >> 31)
