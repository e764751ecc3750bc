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

FILLED = 0.97  # share of the rows for which lessons are drawn


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


@dataclass(slots=True)
class Row:
    """The lessons of a row, and how many more tokens it takes."""

    room: int
    lessons: list[Lesson]


def draw(
    tokenizer: Tokenizer,
    rng: Random,
    shapes: Sequence[Shape],
    progress: float,
    problems: Draw = Task.draw_taught,
) -> list[tuple[Batch, list[list[Lesson]]]]:
    """Lessons for nearly all of the rows, the longest placed first, each where least room is left.

    What then fits nowhere is dropped, so little that the mixture is kept. Placed as they came,
    lessons left a seventh of the rows empty, and of the facts' rows two fifths.
    """
    drawn: list[Lesson] = []
    left = FILLED * sum(shape.rows * shape.length for shape in shapes)
    longest = max(shape.length for shape in shapes)
    while left > 0:
        new = lesson(tokenizer, rng, progress, problems)
        if len(new.ids) <= longest:
            drawn.append(new)
            left -= len(new.ids)
    packed: list[list[list[Lesson]]] = [[[] for _ in range(shape.rows)] for shape in shapes]
    rows = [
        Row(shape.length, row) for shape, rows in zip(shapes, packed, strict=True) for row in rows
    ]
    for new in sorted(drawn, key=lambda one: len(one.ids), reverse=True):
        fitting = [row for row in rows if row.room >= len(new.ids)]
        if fitting:
            best = min(fitting, key=lambda row: row.room)
            best.lessons.append(new)
            best.room -= len(new.ids)
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
