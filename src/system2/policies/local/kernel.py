"""The model's forward pass compiled by numba: 16-bit weights and KV, fp32 sums. Knows nothing about threads.

`python -m system2.policies.local.kernel` compiles it ahead (about 10 seconds, once per machine).
"""

# numba and llvmlite have no types.
# pyright: basic, reportCallIssue=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false
from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
from numba import njit

from system2.policies.local import gemm
from system2.policies.local.gemm import PANEL, laid_out, layer_accumulate, layer_product
from system2.policies.local.lanes import narrow, widen
from system2.policies.local.ops import activate, attend, draw, norm, rotate, row
from system2.policies.local.plain import Batch
from system2.policies.local.sample import Drawn, Floats
from system2.policies.local.weights import ROWS, Weights

_F = np.float32


def cache_folder() -> Path:
    """Where the compiled kernel lies: per user, per source text and per tile variant.

    numba's own key holds the processor but neither imported modules nor their globals.
    """
    parts = ("emit", "gemm", "kernel", "lanes", "ops", "sample", "weights")
    text = b"".join(Path(__file__).with_name(f"{part}.py").read_bytes() for part in parts)
    key = hashlib.sha256(text + numba.__version__.encode()).hexdigest()[:12]
    name = f"{key}-{gemm.VARIANT}"
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        home = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "system2" / "kernel" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass  # a read-only home: compile again in every process, since what others may write is no code
    return Path(tempfile.mkdtemp(prefix="system2-kernel-"))


def _cached(function: Callable[..., None]) -> Callable[..., None]:
    # numba reads the folder when the decorator runs; others' caches must not move.
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(cache_folder())
    try:
        return njit(nogil=True, cache=True, error_model="numpy")(function)
    finally:
        numba.config.CACHE_DIR = before


@_cached
def _forward(
    sizes, eps, norms, embedding, layers, output, cos, sin, cache,
    tokens, positions, slots, tables, ends, seeds, temperatures,
    space, pairs, logits, ids, logprobs,
):  # fmt: skip
    vocab, hidden, inner, depth, heads, kv_heads, head, blocks = sizes
    rows, group = len(tokens), heads // kv_heads
    wide, thin = heads * head, kv_heads * head
    across, both = wide + 2 * thin, 2 * inner
    x, space = space[: rows * hidden], space[rows * hidden :]
    normed, space = space[: rows * hidden], space[rows * hidden :]
    qkv, space = space[: rows * across], space[rows * across :]
    mixed, space = space[: rows * wide], space[rows * wide :]
    gates, scores = space[: rows * both], space[rows * both :]
    reach = tables.shape[1] * PANEL
    scale = _F(1.0) / np.sqrt(_F(head))
    for r in range(rows):
        for j in range(hidden):
            x[r * hidden + j] = widen(embedding, tokens[r] * hidden + j)
    at = 0
    for i in range(depth):
        weight = row(norms, 2 * i, hidden)
        for r in range(rows):
            norm(row(x, r, hidden), weight, eps, row(normed, r, hidden))
        layer_product(normed, 0, hidden, rows, pairs, layers, at, hidden, across, qkv, 0, across)
        at += hidden * across
        for r in range(rows):
            query = row(qkv, r, across)
            key, value = query[wide : wide + thin], query[wide + thin :]
            c, s = row(cos, positions[r], head // 2), row(sin, positions[r], head // 2)
            block, inside = tables[slots[r], positions[r] // PANEL], positions[r] % PANEL
            for h in range(heads):
                rotate(row(query, h, head), c, s, scale)
            for h in range(kv_heads):
                rotate(row(key, h, head), c, s, _F(1.0))
                place = ((i * kv_heads + h) * blocks + block) * 2 * head * PANEL
                for j in range(head):  # keys stand as columns
                    narrow(cache, place + j * PANEL + inside, key[h * head + j])
                place += head * PANEL + inside * PANEL
                for j in range(head):
                    there = j // PANEL * PANEL * PANEL + j % PANEL
                    narrow(cache, place + there, value[h * head + j])
        for h in range(kv_heads):
            first, far = (i * kv_heads + h) * blocks * 2 * head * PANEL, h * group * head
            for r in range(rows):
                mine, other = slots[r], slots[(r + 1) % rows]
                # A row of the same slot finds its keys in the cache already.
                ahead = 0 if mine == other else positions[(r + 1) % rows] + 1
                attend(
                    qkv, r * across + far, group, head, cache, first, tables[mine],
                    positions[r] + 1, tables[other], ahead, scores, reach, mixed, r * wide + far,
                )  # fmt: skip
        layer_accumulate(mixed, 0, wide, rows, pairs, layers, at, wide, hidden, x, 0, hidden)
        at += wide * hidden
        weight = row(norms, 2 * i + 1, hidden)
        for r in range(rows):
            norm(row(x, r, hidden), weight, eps, row(normed, r, hidden))
        layer_product(normed, 0, hidden, rows, pairs, layers, at, hidden, both, gates, 0, both)
        at += hidden * both
        for r in range(rows):
            activate(row(gates, r, both), inner)
        layer_accumulate(gates, 0, both, rows, pairs, layers, at, inner, hidden, x, 0, hidden)
        at += inner * hidden
    weight = row(norms, 2 * depth, hidden)
    for e in range(len(ends)):
        norm(row(x, ends[e], hidden), weight, eps, row(normed, e, hidden))
    layer_product(normed, 0, hidden, len(ends), pairs, output, 0, hidden, vocab, logits, 0, vocab)
    heap = row(logits, ROWS, vocab)
    for e in range(len(ends)):
        position, heat = positions[ends[e]] + 1, temperatures[e]
        ids[e], logprobs[e] = draw(row(logits, e, vocab), seeds[e], position, heat, heap)


@_cached
def _decode(
    sizes, eps, norms, embedding, layers, output, cos, sin, cache,
    tokens, positions, slots, tables, ends, seeds, temperatures, limits, stops,
    space, pairs, logits, ids, logprobs, counts,
):  # fmt: skip
    """The pass, then one more for each further token of the rows that drew, as Plain.run."""
    live, at, place = np.arange(len(ends)), positions[ends], slots[ends]
    seeds, heats = seeds.copy(), temperatures.copy()
    drawn, chances = np.empty(len(ends), np.int64), np.empty(len(ends), np.float32)
    while True:
        _forward(
            sizes, eps, norms, embedding, layers, output, cos, sin, cache,
            tokens, positions, slots, tables, ends, seeds, heats,
            space, pairs, logits, drawn, chances,
        )  # fmt: skip
        going = 0
        for e in range(len(live)):
            mine, id = live[e], drawn[e]
            ids[mine, counts[mine]], logprobs[mine, counts[mine]] = id, chances[e]
            counts[mine] += 1
            more = counts[mine] < limits[mine]
            for j in range(stops.shape[1]):
                more = more and id != stops[mine, j]
            if more:
                live[going], drawn[going], at[going], place[going] = mine, id, at[e] + 1, place[e]
                seeds[going], heats[going] = seeds[e], heats[e]
                going += 1
        if going == 0:
            return
        live, at, place = live[:going], at[:going], place[:going]
        seeds, heats = seeds[:going], heats[:going]
        tokens, positions, slots, ends = drawn[:going].copy(), at, place, np.arange(going)
        drawn, chances = drawn[:going], chances[:going]


class Kernel:
    """The compiled engine. Its KV memory is `memory` bytes in blocks of 32 positions."""

    name = "kernel"

    def __init__(self, weights: Weights, memory: int, workers: int = 1) -> None:
        sizes = weights.sizes
        # Layers outside, blocks inside: what a layer reads lies together.
        layers, numbers = sizes.layers * sizes.kv_heads, 2 * sizes.head * PANEL
        self.blocks, self.workers = memory // (2 * layers * numbers), workers
        self.cache = np.zeros((layers, self.blocks, numbers), np.uint16)
        self.vocab = sizes.vocab
        across = (sizes.heads + 2 * sizes.kv_heads) * sizes.head
        width = 2 * sizes.hidden + across + sizes.heads * sizes.head + 2 * sizes.inner
        reach = (sizes.context + PANEL - 1) // PANEL * PANEL
        space = ROWS * width + sizes.heads // sizes.kv_heads * reach
        self.spaces = [np.zeros(space, np.float32) for _ in range(workers)]
        widest = max(sizes.hidden, sizes.heads * sizes.head, sizes.inner)
        self.pairs = [np.zeros(ROWS * widest // 2, np.uint32) for _ in range(workers)]
        self.outs = [np.zeros((ROWS + 1) * sizes.vocab, np.float32) for _ in range(workers)]
        self.fixed = (
            (
                sizes.vocab,
                sizes.hidden,
                sizes.inner,
                sizes.layers,
                sizes.heads,
                sizes.kv_heads,
                sizes.head,
                self.blocks,
            ),
            np.float32(sizes.eps),
            weights.norms.reshape(-1),
            weights.embedding.reshape(-1).view(np.uint16),
            laid_out(weights.layers),
            laid_out(weights.output),
            weights.cos.reshape(-1),
            weights.sin.reshape(-1),
            self.cache.reshape(-1),
        )

    def copy(self, source: int, target: int) -> None:
        """Copy a KV block."""
        self.cache[:, target] = self.cache[:, source]

    def run(self, batch: Batch, worker: int = 0) -> Drawn:
        """As Plain.run, of at most ROWS rows.

        Workers may run at the same time if their rows belong to different slots.
        """
        assert len(batch.tokens) <= ROWS  # beyond, the kernel would write past its buffers
        ids = np.zeros((len(batch.ends), int(batch.limits.max(initial=0))), np.int64)
        logprobs, counts = np.zeros(ids.shape, np.float32), np.zeros(len(ids), np.int64)
        _decode(
            *self.fixed, batch.tokens, batch.positions, batch.slots, batch.tables, batch.ends,
            batch.seeds, batch.temperatures, batch.limits, batch.stops, self.spaces[worker],
            self.pairs[worker], self.outs[worker], ids, logprobs, counts,
        )  # fmt: skip
        return Drawn(ids, logprobs, counts)

    def logits(self, batch: Batch) -> Floats:
        """As Plain.logits."""
        self.run(batch)
        rows = len(batch.ends)
        return self.outs[0][: rows * self.vocab].reshape(rows, self.vocab).copy()


def fast() -> bool:
    """Whether this processor converts fp16 in hardware; where not, numpy is faster."""
    return gemm.VARIANT != "none"


def warm() -> float:
    """Compile the kernel and fill its cache; seconds taken (about 0.3 if it was there)."""
    start = time.perf_counter()
    ints, floats, halves = np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.uint16)
    sizes = (PANEL, PANEL, PANEL, 0, 1, 1, PANEL, 0)  # no layers, no rows
    table, none = np.zeros((0, 0), np.int64), np.zeros((0, 0), np.float32)
    _decode(
        sizes, np.float32(0), floats, halves, halves, halves, floats, floats, halves,
        ints, ints, ints, table, ints, np.zeros(0, np.uint64), floats, ints, table,
        np.zeros(6 * ROWS * PANEL, np.float32), np.zeros(ROWS * PANEL, np.uint32),
        np.zeros((ROWS + 1) * PANEL, np.float32), table, none, ints,
    )  # fmt: skip
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.stdout.write(f"kernel {gemm.VARIANT}: {warm():.1f} s, kept in {cache_folder()}\n")
