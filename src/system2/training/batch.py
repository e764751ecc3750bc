"""Packs lessons into rows of tokens. The only place where loss masks become tensors."""

# pyright: basic
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from system2.policies.local.tokenizer import Tokenizer
from system2.tasks.task import Task
from system2.training.lessons import Draw, Lesson, lesson


@dataclass(frozen=True, slots=True)
class Batch:
    """ids, segments, learnt: (B, T). A segment is one lesson; padding is a segment that learns nothing."""

    ids: Tensor
    segments: Tensor
    learnt: Tensor


@dataclass(frozen=True, slots=True)
class Shape:
    """Rows of a length. A batch has two: most lessons are short, and attention over rows of their
    length is several times cheaper."""

    rows: int
    length: int


def draw(
    tokenizer: Tokenizer,
    rng: Random,
    shapes: Sequence[Shape],
    progress: float,
    problems: Draw = Task.draw_taught,
) -> list[tuple[Batch, list[list[Lesson]]]]:
    """Lessons until the rows of every shape (shortest first) are full; each goes to the first that fits.

    What no longer fits is drawn again, up to a dozen times; so the mixture is kept where the rows'
    shares are those of the lessons.
    """
    packed: list[list[list[Lesson]]] = [[[] for _ in range(shape.rows)] for shape in shapes]
    room = [[shape.length] * shape.rows for shape in shapes]
    misses = 0
    while misses < 12:
        new = lesson(tokenizer, rng, progress, problems)
        size = len(new.ids)
        kind = next((k for k, shape in enumerate(shapes) if size <= shape.length), None)
        row = (
            next((n for n, left in enumerate(room[kind]) if left >= size), None)
            if kind is not None
            else None
        )
        if kind is None or row is None:
            misses += 1
            continue
        packed[kind][row].append(new)
        room[kind][row] -= size
    pad = tokenizer.special["<pad>"]
    return [
        (stack(rows, shape.length, pad), rows) for rows, shape in zip(packed, shapes, strict=True)
    ]


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
