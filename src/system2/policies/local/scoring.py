"""How likely given tokens are: a text is read once, in pieces, by the engine that writes. Knows no threads and no text.

It shares keys and values with the rows that are written: what they have computed is not computed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from system2.policies.local.blocks import Blocks, Table
from system2.policies.local.plain import Batch
from system2.policies.local.sample import Floats
from system2.policies.local.weights import PANEL, ROWS


@dataclass(frozen=True, slots=True)
class Scored:
    """A token seen from those before it, at temperature 1.

    logprob  natural logarithm; None for the first of a text: nothing stands before it
    top      the likeliest tokens there, best first, each with its own
    """

    id: int
    logprob: float | None
    top: tuple[tuple[int, float], ...] = ()


class Scoring:
    """One text on its way: tokens from number `first` on are scored, with the `top` likeliest beside each.

    `closed` says that nobody waits any more. All but `future` and `loop` belong to the decoder's thread.
    """

    def __init__(self, ids: Sequence[int], first: int, top: int) -> None:
        self.ids, self.top = tuple(ids), top
        self.first = max(1, first)  # whose logits are wanted: those of the token before
        self.scored: list[Scored] = [] if first else [Scored(self.ids[0], None)]
        self.closed = False
        self.table: Table | None = None
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[list[Scored]] = self.loop.create_future()
        self._drop = 0  # of the piece under way: rows before those that are wanted
        self._size = 0

    @property
    def done(self) -> bool:
        """Is every token scored?"""
        return self.first >= len(self.ids) or (
            self.table is not None and self.table.length >= len(self.ids) - 1
        )

    def piece(self, blocks: Blocks, context: int) -> Batch | None:
        """What to compute next; None: memory is short just now."""
        if self.table is None:
            self.table = blocks.open(self.ids[: self.first - 1])
            if self.table and not blocks.reserve(self.table, len(self.ids)):
                self.release(blocks)
            if self.table is None:
                return None
        start = self.table.length
        count = self._size = min(ROWS, len(self.ids) - 1 - start)
        wanted = max(0, min(self.first - 1 - start, count - 1))
        self._drop = max(0, self.first - 1 - start)
        ends = np.arange(wanted, count)
        table = np.zeros((1, -(-context // PANEL)), np.int64)
        table[0, : len(self.table.blocks)] = [block.id for block in self.table.blocks]
        return Batch(
            np.array(self.ids[start : start + count], np.int64),
            np.arange(start, start + count),
            np.zeros(count, np.int64),
            table,
            ends,
            np.zeros(len(ends), np.uint64),
            np.zeros(len(ends), np.float32),
            np.ones(len(ends), np.int64),
            np.full((len(ends), 1), -1, np.int64),
        )

    def take(self, logits: Floats, blocks: Blocks) -> None:
        """The logits of the piece: what follows each of its tokens is scored."""
        assert self.table is not None
        start = self.table.length
        blocks.extend(self.table, self.ids[start : start + self._size])
        if self._drop >= self._size:
            return  # a beginning that others had to compute again
        after = self.ids[start + self._drop + 1 : start + self._size + 1]
        wide = logits[len(logits) - len(after) :].astype(np.float64)
        wide -= wide.max(1, keepdims=True)
        wide -= np.log(np.exp(wide).sum(1, keepdims=True))
        for line, id in zip(wide, after, strict=True):
            best = np.argpartition(-line, self.top - 1)[: self.top] if self.top else ()
            found = sorted(
                ((int(i), float(line[i])) for i in best), key=lambda one: (-one[1], one[0])
            )
            self.scored.append(Scored(id, float(line[id]), tuple(found)))

    def release(self, blocks: Blocks) -> None:
        """Give the memory back."""
        if self.table is not None:
            blocks.close(self.table)
            self.table = None
