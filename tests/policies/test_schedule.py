"""The schedule against a pretend memory that remembers what was written where: no row reads another's tokens."""

from __future__ import annotations

from hashlib import blake2b
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.policies.local.blocks import Blocks
from system2.policies.local.plain import Batch
from system2.policies.local.sample import Drawn
from system2.policies.local.schedule import Open, Row, Schedule
from system2.policies.local.weights import PANEL, ROWS

CONTEXT = 512


class Memory:
    """KV blocks that hold tokens; what is drawn depends on every token a row reads."""

    def __init__(self, blocks: int) -> None:
        self.kept = np.full((blocks, PANEL), -1, np.int64)

    def copy(self, source: int, target: int) -> None:
        self.kept[target] = self.kept[source]

    def run(self, batches: list[Batch]) -> list[Drawn]:
        """All workers write, then all read: a row that writes into another's block shows."""
        for b in batches:
            assert len(b.tokens) <= ROWS
            self.kept[b.tables[b.slots, b.positions // PANEL], b.positions % PANEL] = b.tokens
        return [self.read(b) for b in batches]

    def read(self, b: Batch) -> Drawn:
        most = int(b.limits.max(initial=0))
        ids, counts = np.zeros((len(b.ends), most), np.int64), np.zeros(len(b.ends), np.int64)
        for i, (end, seed) in enumerate(zip(b.ends, b.seeds, strict=True)):
            at, table = b.positions[end], b.tables[b.slots[end]]
            for _ in range(b.limits[i]):
                id = drawn(self.kept[table].reshape(-1)[: at + 1], int(seed))
                ids[i, counts[i]] = id
                counts[i] += 1
                if id in b.stops[i] or counts[i] == b.limits[i]:
                    break
                at += 1
                self.kept[table[at // PANEL], at % PANEL] = id
        return Drawn(ids, np.zeros((len(ids), most), np.float32), counts)


def drawn(tokens: object, seed: int) -> int:
    """The token that follows these."""
    text = repr((list(map(int, tokens)), seed))  # type: ignore[call-overload]
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") % 1000


def alone(row: Row) -> list[int]:
    """What a row draws with a memory of its own."""
    tokens = list(row.prompt)
    for _ in range(row.limit):
        tokens.append(drawn(tokens, row.seed))
        if tokens[-1] in row.stop:
            break
    return tokens[len(row.prompt) :]


def together(
    rows: list[Row], blocks: int, workers: int, closing: Random | None
) -> dict[int, list[int]]:
    """What rows draw in one schedule; `closing` takes some away while they run."""
    schedule, memory = Schedule[int](), Memory(blocks)
    schedule.equip(blocks, memory.copy, CONTEXT, workers)
    mine = [Open(row, n, n) for n, row in enumerate(rows)]
    schedule.add(mine)
    found: dict[int, list[int]] = {n: [] for n in range(len(rows))}
    while schedule.running or schedule.waiting:
        if closing and closing.random() < 0.05:
            closing.choice(mine).closed = True
        schedule.sweep()
        parts = schedule.plan()
        assert all(row.table for part in parts for row, _ in part.rows)
        for tokens in schedule.settle(parts, memory.run([part.batch for part in parts])).values():
            for token in tokens:
                found[token.row].append(token.id)
    assert schedule.blocks.used == 0 and len(schedule._slots) == len(set(schedule._slots))
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(16, 40), st.sampled_from([1, 2]))
def test_tokens_depend_on_no_other_row(seed: int, count: int, blocks: int, workers: int) -> None:
    """Memory for one context and little more: rows are sent back and start again."""
    rng = Random(seed)
    shared = [rng.randrange(1000) for _ in range(rng.randint(1, 80))]
    rows = [
        Row(
            (*shared[: rng.randint(1, len(shared))], *range(rng.randint(0, 2))),
            n,
            rng.randint(1, 150),
            stop=frozenset(rng.sample(range(1000), rng.choice([0, 3, 20]))),
        )
        for n in range(count)
    ]
    closing = Random(seed) if seed % 2 else None
    for n, ids in together(rows, blocks, workers, closing).items():
        assert ids == alone(rows[n])[: len(ids)], n
        assert closing or ids == alone(rows[n])


@pytest.mark.parametrize("workers", [1, 2])
def test_two_hundred_rows_in_the_memory_of_a_few(workers: int) -> None:
    rows = [Row((1, 2, 3), n, 60 + n % 40) for n in range(200)]
    found = together(rows, 60, workers, None)
    assert found == {n: alone(row) for n, row in enumerate(rows)}


def test_blocks_evict_what_was_used_longest_ago() -> None:
    blocks = Blocks(3, lambda source, target: None)
    for first in (1, 2, 3):
        table = blocks.open([first])
        assert table is not None and blocks.reserve(table, 20)
        blocks.extend(table, [first] * 20)
        blocks.close(table)
    assert (blocks.used, blocks.kept) == (0, 3)
    again = blocks.open([1] * 10)  # half of a block: a copy, and 2 must go for it
    assert again is not None and again.length == 10
    assert [blocks.known([first] * 20) for first in (1, 2, 3)] == [20, 0, 20]
    blocks.close(again)
