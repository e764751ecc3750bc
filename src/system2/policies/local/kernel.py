"""The model's forward pass compiled by numba: fp16 weights and KV, fp32 math. Knows nothing about threads.

`python -m system2.policies.local.kernel` compiles it ahead (about 10 seconds, once per machine).
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import njit

from system2.policies.local import gemm, sample
from system2.policies.local.gemm import (
    PANEL, accumulate, as_float, fetch, narrow, peak, product, squares, total, widen,
)  # fmt: skip
from system2.policies.local.plain import Batch
from system2.policies.local.sample import Drawn, Floats
from system2.policies.local.weights import Weights

ROWS = 64
"""Rows a pass of one worker may have."""

_F = np.float32
_U = np.uint64
# Python's error model puts a branch before each division, and no loop becomes vectors.
_inlined = njit(nogil=True, error_model="numpy")


def cache_folder() -> Path:
    """Where the compiled kernel lies: per user, per source text and per tile variant.

    numba's own key holds the processor but neither imported modules nor their globals.
    """
    text = b"".join(Path(f).read_bytes() for f in (__file__, gemm.__file__, sample.__file__))
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


@_inlined
def _exp(x):  # pyright: ignore
    """exp in fp32 (Cephes' polynomial, 2 ulp): elementwise, so that LLVM makes vectors of it."""
    y = min(max(x, _F(-87.0)), _F(88.0))
    n = np.floor(y * _F(1.44269504) + _F(0.5))
    r = y - n * _F(0.693359375) - n * _F(-2.12194440e-4)
    p = _F(1.9875691500e-4) * r + _F(1.3981999507e-3)
    p = p * r + _F(8.3334519073e-3)
    p = p * r + _F(4.1665795894e-2)
    p = p * r + _F(1.6666665459e-1)
    p = p * r + _F(5.0000001201e-1)
    p = p * r * r + r + _F(1.0)
    value = p * as_float((np.int32(n) + np.int32(127)) << np.int32(23))
    return _F(0.0) if x < _F(-87.0) else value


@_inlined
def _norm(x, at_x, weight, at_w, n, eps, y, at_y):  # pyright: ignore
    scale = _F(1.0) / np.sqrt(squares(x, at_x, n) / _F(n) + eps)
    for j in range(n):
        y[at_y + j] = x[at_x + j] * scale * weight[at_w + j]


@_inlined
def _rotate(x, at, cos, sin, at_c, half, scale):  # pyright: ignore
    for j in range(half):
        a, b = x[at + j], x[at + half + j]
        c, s = cos[at_c + j], sin[at_c + j]
        x[at + j] = (a * c - b * s) * scale
        x[at + half + j] = (b * c + a * s) * scale


@_inlined
def _gate(x, n):  # pyright: ignore
    """silu of the first n numbers times the next n, over the first. Slices: else LLVM fears overlap."""
    gate, up = x[:n], x[n : 2 * n]
    for j in range(n):
        value = gate[j]
        gate[j] = value / (_F(1.0) + _exp(-value)) * up[j]


@_inlined
def _attend(
    q,
    at_q,
    group,
    head,
    cache,
    first,
    table,
    length,
    next_table,
    next_length,
    scores,
    wide,
    out,
    at_o,
):  # pyright: ignore
    """`group` query rows against `length` positions; the next row's keys are fetched meanwhile."""
    far, used = head * PANEL, (length + PANEL - 1) // PANEL
    for b in range(used):
        at = first + table[b] * 2 * far
        fetch(cache, at + far, far)
        if b * PANEL < next_length:
            fetch(cache, first + next_table[b] * 2 * far, far)
        product(q, at_q, head, group, cache, at, 0, head, PANEL, scores, b * PANEL, wide)
    for g in range(group):
        row = g * wide
        for j in range(length, used * PANEL):
            scores[row + j] = _F(-np.inf)
        top = peak(scores, row, used * PANEL)
        for j in range(used * PANEL):
            scores[row + j] = _exp(scores[row + j] - top)
        scale = _F(1.0) / total(scores, row, used * PANEL)
        for j in range(length):
            scores[row + j] *= scale
        for j in range(head):
            out[at_o + g * head + j] = _F(0.0)
    for b in range(used):
        at = first + table[b] * 2 * far + far
        k = min(PANEL, length - b * PANEL)
        accumulate(
            scores, b * PANEL, wide, group, cache, at, PANEL * PANEL, k, head, out, at_o, head
        )


@_inlined
def _mix(z):  # pyright: ignore
    z = (z ^ (z >> _U(30))) * _U(sample.FIRST)
    z = (z ^ (z >> _U(27))) * _U(sample.SECOND)
    return z ^ (z >> _U(31))


@_inlined
def _draw(logits, at, n, seed, position, temperature, heap):  # pyright: ignore
    """As sample.draw; `heap` is room for n numbers."""
    top = peak(logits, at, n)
    for j in range(n):
        heap[j] = _exp(logits[at + j] - top)
    mass = math.log(total(heap, 0, n))
    best = 0
    if temperature == _F(0.0):
        while logits[at + best] != top:
            best += 1
        return best, _F(-mass)
    if temperature != _F(1.0):
        for j in range(n):
            heap[j] = _exp((logits[at + j] - top) / temperature)
    whole = 0.0
    for j in range(0, n, PANEL):
        whole += total(heap, j, PANEL)
    z = _mix(_mix(seed) + _U(sample.GOLDEN) * _U(position + 1))
    left = np.float64(z >> _U(11)) * 2.0**-53 * whole
    # Panel by panel, then inside one: rounding may leave a rest behind the last panel.
    at_panel = 0
    while at_panel + PANEL < n:
        part = np.float64(total(heap, at_panel, PANEL))
        if left < part:
            break
        left -= part
        at_panel += PANEL
    best = -1
    for j in range(at_panel, at_panel + PANEL):
        if heap[j] > _F(0.0):
            best = j
            if left < heap[j]:
                break
        left -= heap[j]
    if best < 0:  # the rest fell into a panel of zeros
        best = 0
        while logits[at + best] != top:
            best += 1
    return best, _F(np.float64(logits[at + best] - top) - mass)


@_cached
def _forward(  # pyright: ignore
    sizes, eps, norms, embedding, layers, output, cos, sin, cache,
    tokens, positions, slots, tables, ends, seeds, temperatures,
    space, logits, ids, logprobs,
):  # fmt: skip
    vocab, hidden, inner, depth, heads, kv_heads, head, blocks = sizes
    rows, group = len(tokens), heads // kv_heads
    wide, narrow_ = heads * head, kv_heads * head
    across = wide + 2 * narrow_
    # Places in the scratch space: stream, normed, q k v, mixed values, gate and up, scores.
    x, y = 0, ROWS * hidden
    qkv = y + ROWS * hidden
    mixed = qkv + ROWS * across
    gate = mixed + ROWS * wide
    scores = space[gate + ROWS * 2 * inner :]
    reach = tables.shape[1] * PANEL
    scale = _F(1.0) / np.sqrt(_F(head))
    for r in range(rows):
        for j in range(hidden):
            space[x + r * hidden + j] = widen(embedding, tokens[r] * hidden + j)
    at = 0
    for i in range(depth):
        for r in range(rows):
            _norm(space, x + r * hidden, norms, 2 * i * hidden, hidden, eps, space, y + r * hidden)
        product(
            space, y, hidden, rows, layers, at, hidden * PANEL, hidden, across, space, qkv, across
        )
        at += hidden * across
        for r in range(rows):
            p, start = positions[r], qkv + r * across
            turn, inside = p * (head // 2), p % PANEL
            for h in range(heads):
                _rotate(space, start + h * head, cos, sin, turn, head // 2, scale)
            for h in range(kv_heads):
                key, value = start + wide + h * head, start + wide + narrow_ + h * head
                _rotate(space, key, cos, sin, turn, head // 2, _F(1.0))
                place = (i * kv_heads + h) * blocks + tables[slots[r], p // PANEL]
                place *= 2 * head * PANEL
                for j in range(head):  # keys stand as columns
                    narrow(cache, place + j * PANEL + inside, space[key + j])
                place += head * PANEL + inside * PANEL
                for j in range(head):
                    panel, column = j // PANEL, j % PANEL
                    narrow(cache, place + panel * PANEL * PANEL + column, space[value + j])
        for h in range(kv_heads):
            first = (i * kv_heads + h) * blocks * 2 * head * PANEL
            for r in range(rows):
                s, t = slots[r], slots[(r + 1) % rows]
                # A row of the same slot finds its keys in the cache already.
                ahead = 0 if s == t else positions[(r + 1) % rows] + 1
                _attend(
                    space, qkv + r * across + h * group * head, group, head, cache, first,
                    tables[s], positions[r] + 1, tables[t], ahead,
                    scores, reach, space, mixed + r * wide + h * group * head,
                )  # fmt: skip
        accumulate(
            space, mixed, wide, rows, layers, at, wide * PANEL, wide, hidden, space, x, hidden
        )
        at += wide * hidden
        for r in range(rows):
            which = (2 * i + 1) * hidden
            _norm(space, x + r * hidden, norms, which, hidden, eps, space, y + r * hidden)
        product(
            space,
            y,
            hidden,
            rows,
            layers,
            at,
            hidden * PANEL,
            hidden,
            2 * inner,
            space,
            gate,
            2 * inner,
        )
        at += hidden * 2 * inner
        for r in range(rows):
            _gate(space[gate + r * 2 * inner :], inner)
        accumulate(
            space, gate, 2 * inner, rows, layers, at, inner * PANEL, inner, hidden, space, x, hidden
        )
        at += inner * hidden
    for e in range(len(ends)):
        last = 2 * depth * hidden
        _norm(space, x + ends[e] * hidden, norms, last, hidden, eps, space, y + e * hidden)
    product(space, y, hidden, len(ends), output, 0, hidden * PANEL, hidden, vocab, logits, 0, vocab)
    heap = logits[ROWS * vocab :]
    for e in range(len(ends)):
        position = positions[ends[e]] + 1
        ids[e], logprobs[e] = _draw(
            logits, e * vocab, vocab, seeds[e], position, temperatures[e], heap
        )


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
        self.outs = [np.zeros((ROWS + 1) * sizes.vocab, np.float32) for _ in range(workers)]
        self.fixed = (
            (sizes.vocab, sizes.hidden, sizes.inner, sizes.layers)
            + (sizes.heads, sizes.kv_heads, sizes.head, self.blocks),
            np.float32(sizes.eps),
            weights.norms.reshape(-1),
            weights.embedding.reshape(-1).view(np.uint16),
            weights.layers.reshape(-1).view(np.uint16),
            weights.output.view(np.uint16),
            weights.cos.reshape(-1),
            weights.sin.reshape(-1),
            self.cache.reshape(-1),
        )

    def copy(self, source: int, target: int) -> None:
        """Copy a KV block."""
        self.cache[:, target] = self.cache[:, source]

    def run(self, batch: Batch, worker: int = 0) -> Drawn:
        """One forward pass of at most ROWS rows; draws a token after each row in `ends`.

        Workers may run at the same time if their rows belong to different slots.
        """
        ids, logprobs = np.empty(len(batch.ends), np.int64), np.empty(len(batch.ends), np.float32)
        _forward(
            *self.fixed, batch.tokens, batch.positions, batch.slots, batch.tables, batch.ends,
            batch.seeds, batch.temperatures, self.spaces[worker], self.outs[worker], ids, logprobs,
        )  # fmt: skip
        return Drawn(ids, logprobs)

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
    _forward(
        sizes, np.float32(0), floats, halves, halves, halves, floats, floats, halves,
        ints, ints, ints, np.zeros((0, 0), np.int64), ints, np.zeros(0, np.uint64), floats,
        np.zeros(6 * ROWS * PANEL, np.float32), np.zeros((ROWS + 1) * PANEL, np.float32), ints, floats,
    )  # fmt: skip
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.stdout.write(f"kernel {gemm.VARIANT}: {warm():.1f} s, kept in {cache_folder()}\n")
