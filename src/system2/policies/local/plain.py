"""The model's forward pass in plain numpy, fp32. Knows nothing about rows' owners or shared prefixes.

Runs where numba does not; the kernel must agree with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # pyright: ignore[reportMissingTypeStubs]

from system2.policies.local.sample import Drawn, Floats, Ints, draw
from system2.policies.local.weights import PANEL, Weights, unpack


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of one forward pass, and how many tokens each may draw before the next is planned.

    tokens, positions, slots  (rows,): a token, its place in its sequence, the sequence's slot;
                              rows of one slot are neighbours in rising order of position
    tables                    (slots, blocks): the KV block of positions 0–31, 32–63, … of a slot
    ends                      (drawing,): indices of the rows after which a token is drawn
    seeds, temperatures       (drawing,)
    limits                    (drawing,): tokens to draw at most, 1 or more; there is room for them
    stops                     (drawing, any): tokens after which a row draws no more; -1 is none
    """

    tokens: Ints
    positions: Ints
    slots: Ints
    tables: Ints
    ends: Ints
    seeds: NDArray[np.uint64]
    temperatures: Floats
    limits: Ints
    stops: Ints


class Plain:
    """The numpy engine. Its KV memory is `memory` bytes in blocks of 32 positions."""

    name = "plain"
    workers = 1

    def __init__(self, weights: Weights, memory: int) -> None:
        sizes = self.sizes = weights.sizes
        self.weights = weights
        shape = (sizes.layers, 2, PANEL, sizes.kv_heads, sizes.head)
        self.blocks = memory // (4 * int(np.prod(shape)))
        self.cache = np.zeros((self.blocks, *shape), np.float32)
        self.layers: list[dict[str, Floats]] = []
        for numbers in weights.layers:
            layer: dict[str, Floats] = {}
            start = 0
            for name, rows, columns in sizes.shapes():
                layer[name] = unpack(numbers[start : start + rows * columns], rows, columns)
                start += rows * columns
            self.layers.append(layer)
        self.output = unpack(weights.output, sizes.hidden, sizes.vocab)
        self.threads = ThreadpoolController()

    def copy(self, source: int, target: int) -> None:
        """Copy a KV block."""
        self.cache[target] = self.cache[source]

    def run(self, batch: Batch, worker: int = 0) -> Drawn:
        """A forward pass, a token after each row in `ends`; then on with these, up to their limits."""
        live, step = np.arange(len(batch.ends)), batch
        ids = np.zeros((len(live), int(batch.limits.max(initial=0))), np.int64)
        logprobs, counts = np.zeros(ids.shape, np.float32), np.zeros(len(live), np.int64)
        while len(live):
            at = step.positions[step.ends] + 1
            drawn = draw(self.logits(step), step.seeds, at, step.temperatures)
            ids[live, counts[live]] = drawn.ids[:, 0]
            logprobs[live, counts[live]] = drawn.logprobs[:, 0]
            counts[live] += 1
            more = (counts[live] < step.limits) & (drawn.ids != step.stops).all(1)
            live = live[more]
            step = Batch(
                drawn.ids[more, 0], at[more], step.slots[step.ends][more], step.tables,
                np.arange(len(live)), step.seeds[more], step.temperatures[more],
                step.limits[more], step.stops[more],
            )  # fmt: skip
        return Drawn(ids, logprobs, counts)

    def logits(self, batch: Batch) -> Floats:
        """Writes the rows' keys and values into their blocks; logits (drawing, vocab)."""
        # BLAS threads cost 6 times the speed of one when the cores are shared.
        with self.threads.limit(limits=1, user_api="blas"):  # pyright: ignore[reportUnknownMemberType]
            x = self._forward(batch)
            return self._norm(x[batch.ends], -1) @ self.output

    def _forward(self, batch: Batch) -> Floats:
        sizes, at = self.sizes, batch.positions
        wide = sizes.heads * sizes.head
        x = self.weights.embedding[batch.tokens].astype(np.float32)
        block, inside = batch.tables[batch.slots, at // PANEL], at % PANEL
        starts = np.flatnonzero(np.diff(batch.slots, prepend=-1))
        groups = list(zip(starts, [*starts[1:], len(at)], strict=True))
        for i, layer in enumerate(self.layers):
            qkv = self._norm(x, 2 * i) @ layer["qkv"]
            heads = qkv.reshape(len(x), -1, sizes.head)
            turned = self._rotate(heads[:, : sizes.heads + sizes.kv_heads], at)
            query, key = turned[:, : sizes.heads], turned[:, sizes.heads :]
            self.cache[block, i, 0, inside] = key
            self.cache[block, i, 1, inside] = heads[:, sizes.heads + sizes.kv_heads :]
            mixed = np.empty((len(x), wide), np.float32)
            for start, stop in groups:
                mixed[start:stop] = self._attend(
                    query[start:stop], i, batch.tables[batch.slots[start]], at[start:stop]
                )
            x += mixed @ layer["out"]
            gate, up = np.split(self._norm(x, 2 * i + 1) @ layer["gate_up"], 2, axis=1)
            # Clipped: exp(-x) overflows below -88, where the gate is 0 anyway.
            gate = gate / (1 + np.exp(-gate.clip(-80)))
            x += _float(gate * up) @ layer["down"]
        return x

    def _attend(self, query: Floats, layer: int, table: Ints, at: Ints) -> Floats:
        """Rows of one slot (rows, heads, head) against the keys before them."""
        sizes, length = self.sizes, int(at[-1]) + 1
        used = table[: (length + PANEL - 1) // PANEL]
        kept = self.cache[used, layer].transpose(1, 0, 2, 3, 4)
        key, value = kept.reshape(2, -1, sizes.kv_heads, sizes.head)[:, :length].transpose(
            0, 2, 1, 3
        )
        group = query.reshape(len(at), sizes.kv_heads, -1, sizes.head).transpose(1, 2, 0, 3)
        scores = group @ key[:, None].swapaxes(-1, -2) * np.float32(sizes.head**-0.5)
        scores = np.where(np.arange(length) <= at[:, None], scores, np.float32(-np.inf))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ value[:, None]
        return _float(mixed.transpose(2, 0, 1, 3).reshape(len(at), -1))

    def _norm(self, x: Floats, which: int) -> Floats:
        scale = np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.sizes.eps))
        return _float(x / scale * self.weights.norms[which])

    def _rotate(self, x: Floats, at: Ints) -> Floats:
        """Rotary positions on (rows, heads, head), halves side by side (arXiv 2104.09864)."""
        a, b = np.split(x, 2, axis=-1)
        cos, sin = self.weights.cos[at][:, None], self.weights.sin[at][:, None]
        return _float(np.concatenate([a * cos - b * sin, b * cos + a * sin], -1))


def _float(x: NDArray[Any]) -> Floats:
    """fp32 already: numpy's types cannot follow a division."""
    return cast(Floats, x)
