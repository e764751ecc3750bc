"""Packs lessons into rows of tokens. The only place where loss masks become tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from system2.policies.local.tokenizer import Tokenizer
from system2.training.lessons import Lesson, lesson


@dataclass(frozen=True, slots=True)
class Batch:
    """ids, segments, learnt: (B, T). A segment is one lesson; padding is a segment that learns nothing."""

    ids: Tensor
    segments: Tensor
    learnt: Tensor


def draw(
    tokenizer: Tokenizer, rng: Random, rows: int, length: int, progress: float
) -> tuple[Batch, list[list[Lesson]]]:
    """Lessons until `rows` rows of `length` tokens are full: first fit, a few rows open at a time."""
    packed: list[list[Lesson]] = [[] for _ in range(rows)]
    room = [length] * rows
    misses = 0
    while misses < 12:
        new = lesson(tokenizer, rng, progress)
        size = len(new.ids)
        at = next((n for n in range(rows) if room[n] >= size), None)
        if at is None:
            misses += 1
            continue
        packed[at].append(new)
        room[at] -= size
    return stack(packed, length, tokenizer.special["<pad>"]), packed


def stack(packed: Sequence[Sequence[Lesson]], length: int, pad: int) -> Batch:
    """Rows of lessons as tensors."""
    rows = len(packed)
    ids = torch.full((rows, length), pad)
    segments = torch.zeros((rows, length), dtype=torch.long)
    learnt = torch.zeros((rows, length), dtype=torch.bool)
    for row, lessons in enumerate(packed):
        at = 0
        for number, one in enumerate(lessons, 1):
            end = at + len(one.ids)
            ids[row, at:end] = torch.tensor(one.ids)
            segments[row, at:end] = number
            learnt[row, at:end] = torch.tensor(one.learnt)
            at = end
    return Batch(ids, segments, learnt)
