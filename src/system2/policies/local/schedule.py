"""Which rows a forward pass serves: slots, blocks, prompts in pieces. Knows no threads, clocks or models.

Rows are served in the order they came; where memory runs out the youngest starts again later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import eq
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from system2.policies.local.blocks import Blocks, Table
from system2.policies.local.plain import Batch
from system2.policies.local.sample import Drawn
from system2.policies.local.weights import PANEL, ROWS

Owner = TypeVar("Owner")

SLOTS = 16
"""Rows a worker decodes in a pass: the keys and values of more leave its cache, and gain nothing."""

SPLIT = 8
"""Tokens of a pass from which on a second worker gains: below, the pass waits for the slower half."""

AHEAD, FURTHEST = 256, 16
"""Tokens a worker, and a row, may draw before others are let in: Python is paid once for all of them."""

_STOPS = 8  # stop tokens the engine looks for; a row with more draws one at a time


@dataclass(frozen=True, slots=True)
class Row:
    """A continuation to sample: at most `limit` tokens after `prompt`, ended by a token of `stop`.

    The tokens depend on prompt, seed and temperature (0 is greedy), on no other row.
    """

    prompt: tuple[int, ...]
    seed: int
    limit: int
    temperature: float = 1.0
    stop: frozenset[int] = frozenset()


class Token(NamedTuple):
    """A token of the caller's row number `row`; `logprob` is at temperature 1, stop tokens included."""

    row: int
    id: int
    logprob: float
    last: bool


class Open(Generic[Owner]):
    """A row on its way: its tokens so far and, while it runs, its blocks.

    `done` tokens are computed; the blocks have room for `room`, and its table is told of the last
    ones late, many at once. `owner` is whoever waits for it, `closed` says that nobody does any more.
    """

    __slots__ = ("closed", "done", "drawn", "number", "owner", "room", "row", "slot", "table", "tokens")  # fmt: skip

    def __init__(self, row: Row, number: int, owner: Owner) -> None:
        self.row, self.number, self.owner = row, number, owner
        self.tokens = list(row.prompt)
        self.done = self.room = self.drawn = 0
        self.slot, self.closed = -1, False
        self.table: Table | None = None

    def note(self, blocks: Blocks) -> None:
        """Tell the table of the tokens computed since the last time."""
        if self.table is not None:
            blocks.extend(self.table, self.tokens[self.table.length : self.done])


@dataclass(frozen=True, slots=True, eq=False)
class Part(Generic[Owner]):
    """What one worker does in a pass: rows, how many tokens each computes, and which draw one."""

    rows: Sequence[tuple[Open[Owner], int]]
    drawing: Sequence[Open[Owner]]
    batch: Batch


class Schedule(Generic[Owner]):
    """Waiting and running rows of one engine."""

    def __init__(self) -> None:
        self.waiting: deque[Open[Owner]] = deque()
        self.running: list[Open[Owner]] = []
        self.computed = self.shared = self.passes = self.rows = 0
        self.blocks = Blocks(0, lambda source, target: None)
        self._slots: list[int] = []

    def equip(
        self, blocks: int, copy: Callable[[int, int], None], context: int, workers: int
    ) -> None:
        """Memory to plan with. ValueError: less than a row may need."""
        need = -(-context // PANEL)
        if blocks < need:
            raise ValueError(f"memory holds {blocks} KV blocks, and a full context takes {need}")
        self.workers = workers
        self.blocks = Blocks(blocks, copy)
        self._tables = np.zeros((SLOTS * workers, need), np.int64)
        self._slots = list(range(SLOTS * workers))
        self._seeds = np.zeros(SLOTS * workers, np.uint64)
        self._heats = np.zeros(SLOTS * workers, np.float32)
        self._stops = np.zeros((SLOTS * workers, _STOPS), np.int64)

    @property
    def busy(self) -> bool:
        """Is there a row?"""
        return bool(self.running or self.waiting)

    def add(self, rows: Iterable[Open[Owner]]) -> None:
        """Put rows at the end of the line."""
        before = len(self.waiting)
        self.waiting.extend(rows)
        self.rows += len(self.waiting) - before

    def sweep(self) -> None:
        """Free what closed rows hold and drop them from the line."""
        for row in self.running:
            if row.closed:
                self._release(row)
        self.running = [row for row in self.running if not row.closed]
        if any(row.closed for row in self.waiting):
            self.waiting = deque(row for row in self.waiting if not row.closed)

    def plan(self) -> list[Part[Owner]]:
        """The next pass, for one worker or more; empty if there are no rows."""
        self._admit()
        todo = {row: n for row in self.running if (n := len(row.tokens) - row.done) > 1}
        left = len(self.running) - len(todo)
        spread = self.workers if left + sum(todo.values()) >= SPLIT else 1
        parts: list[list[tuple[Open[Owner], int]]] = [[] for _ in range(spread)]
        loads = [0] * spread
        places: dict[Open[Owner], tuple[int, int]] = {}
        # Prompts first, to balance; every row after them still gets its one token.
        for i, row in enumerate(sorted(todo, key=lambda row: -todo[row])):
            which, others = loads.index(min(loads)), len(self.running) - i - 1
            free = ROWS * spread - sum(loads) - others
            count = min(todo[row], ROWS - loads[which], free)
            places[row] = which, count
            loads[which] += count
        for row in list(self.running):
            if row in places:
                which, count = places[row]
            else:
                which, count = loads.index(min(loads)), 1
                loads[which] += 1
            if row.done + count <= row.room or self._reserve(row, count):
                parts[which].append((row, count))
        self.passes += 1
        return [self._part(rows) for rows in parts if rows]

    def settle(
        self, parts: Sequence[Part[Owner]], draws: Sequence[Drawn]
    ) -> dict[Owner, list[Token]]:
        """Write down what a pass computed and drew; rows that end are freed. Who gets what."""
        news: dict[Owner, list[Token]] = {}
        for part, drawn in zip(parts, draws, strict=True):
            every = drawn.ids.tolist(), drawn.logprobs.tolist(), drawn.counts.tolist()
            for row, ids, logprobs, count in zip(part.drawing, *every, strict=True):
                row.tokens += ids[:count]
                row.done += count - 1
                row.drawn += count
                final = ids[count - 1]
                last = final in row.row.stop or row.drawn == row.row.limit
                if not row.closed:
                    own = news.setdefault(row.owner, [])
                    for id, logprob in zip(ids[: count - 1], logprobs, strict=False):
                        own.append(Token(row.number, id, logprob, False))
                    own.append(Token(row.number, final, logprobs[count - 1], last))
                row.closed |= last
            for row, count in part.rows:
                row.done += count
                if row.table is not None and (count > 1 or row.done % PANEL == 0):
                    row.note(self.blocks)
        self.sweep()
        return news

    def _admit(self) -> None:
        """Let waiting rows in while slots and memory last.

        A row waits while a row before it computes more of its prompt than is known.
        """
        skipped: list[Open[Owner]] = []
        while self.waiting and self._slots and len(skipped) < ROWS:
            row = self.waiting.popleft()
            prompt = row.tokens[:-1]
            known = self.blocks.known(prompt)
            computing = (other for other in self.running if self._prefills(other))
            if any(_common(prompt, other.tokens) > known for other in computing):
                skipped.append(row)
                continue
            # One block to spare for each row: else the newcomer is the first to be sent back.
            need = (len(prompt) - known) // PANEL + 2 + len(self.running)
            table = None
            if self.blocks.room >= need or not self.running:
                table = self.blocks.open(prompt)
            if table is None:
                skipped.append(row)
                break
            row.table, row.slot, row.done = table, self._slots.pop(), table.length
            self._seeds[row.slot] = row.row.seed & 0xFFFFFFFFFFFFFFFF
            self._heats[row.slot] = row.row.temperature
            stops = sorted(row.row.stop)[:_STOPS]
            self._stops[row.slot] = [*stops, *[-1] * (_STOPS - len(stops))]
            self._list(row, table)
            self.running.append(row)
            self.shared += table.length
            self.computed += len(row.tokens) - table.length
        self.waiting.extendleft(reversed(skipped))

    def _prefills(self, row: Open[Owner]) -> bool:
        return row.table is not None and len(row.tokens) - row.done > 1

    def _reserve(self, row: Open[Owner], count: int) -> bool:
        """Room for `count` more tokens; False if the row was sent back to the line."""
        while (table := row.table) is not None:
            if self.blocks.reserve(table, row.done + count):
                self._list(row, table)
                return True
            youngest = self.running.pop()
            self._release(youngest)
            self.waiting.appendleft(youngest)
        return False

    def _list(self, row: Open[Owner], table: Table) -> None:
        ids = [block.id for block in table.blocks]
        self._tables[row.slot, : len(ids)] = ids
        row.room = len(ids) * PANEL

    def _release(self, row: Open[Owner]) -> None:
        if row.table is not None:
            row.note(self.blocks)
            self.blocks.close(row.table)
            self._slots.append(row.slot)
            row.table, row.room = None, 0

    def _part(self, rows: list[tuple[Open[Owner], int]]) -> Part[Owner]:
        tokens: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        ends: list[int] = []
        drawing: list[Open[Owner]] = []
        for row, count in rows:
            start = row.done
            tokens += row.tokens[start : start + count]
            positions += range(start, start + count)
            slots += [row.slot] * count
            if start + count == len(row.tokens):
                ends.append(len(tokens) - 1)
                drawing.append(row)
        drawn = [row.slot for row in drawing]
        # Rows in the middle of a prompt wait for the rest; so nobody draws ahead.
        steps = min(FURTHEST, AHEAD // len(rows)) if len(tokens) == len(rows) else 1
        limits = [
            min(steps, row.row.limit - row.drawn, row.room - row.done)
            if len(row.row.stop) <= _STOPS
            else 1
            for row in drawing
        ]
        batch = Batch(
            np.array(tokens, np.int64),
            np.array(positions, np.int64),
            np.array(slots, np.int64),
            self._tables,
            np.array(ends, np.int64),
            self._seeds[drawn],
            self._heats[drawn],
            np.array(limits, np.int64),
            self._stops[drawn],
        )
        return Part(rows, drawing, batch)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(bool, map(eq, a, b)))
