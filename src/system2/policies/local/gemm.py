"""Matrix products that numba lacks, emitted as LLVM IR: 16-bit weights, fp32 sums. Knows nothing about models.

Two kinds. Halves: fp16 weights, fp32 activations, one fused multiply-add a product; the same numbers
on every machine. Pairs: weights and activations in bf16, two products an instruction, on processors
with AVX512-BF16: 2.2 times as fast. Every sum runs in one fixed order whatever the tile, so that a
row's result never depends on the rows beside it.
"""

# numba and llvmlite have no types.
# pyright: basic, reportCallIssue=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from system2.policies.local.emit import FLOAT, HALF, LONG, WORD, data, long, pointer, splat
from system2.policies.local.lanes import as_pair
from system2.policies.local.weights import PANEL


def variants() -> list[str]:
    """The tiles this processor can run, fastest first; "none": fp16 would be emulated."""
    if binding.get_default_triple().startswith(("aarch64", "arm64")):
        return ["arm"]
    features = binding.get_host_cpu_features()
    known = {
        "bf16": features.get("avx512f") and features.get("avx512bf16"),
        "512": features.get("avx512f"),
        "256": features.get("f16c") and features.get("fma"),
    }
    return [name for name, there in known.items() if there] or ["none"]


def variant() -> str:
    """The tile to use: the fastest, or the one that $SYSTEM2_KERNEL names.

    All but "bf16" write the same tokens for the same seed. Raises ValueError.
    """
    here, asked = variants(), os.environ.get("SYSTEM2_KERNEL")
    if asked and asked not in here:
        raise ValueError(f"SYSTEM2_KERNEL is {asked!r}; this processor runs {', '.join(here)}")
    return asked or here[0]


VARIANT = variant()
PAIRS = VARIANT == "bf16"
# Lanes of a register, rows of the tallest tile, registers across: rows × registers sums must fit the
# register file beside a line of weights (32 registers, on AVX2 16). 12 rows of 512 bits: no gain.
_WIDTH, _TALL, _BROAD = {
    "bf16": (16, 8, 2),
    "512": (16, 8, 2),
    "256": (8, 6, 2),
    "arm": (4, 6, 4),
    "none": (4, 4, 2),
}[VARIANT]


def _tile(height: int, registers: int, add: bool, pairs: bool) -> Any:
    """An intrinsic c[height, registers × width] (+)= a[height, k] @ panel columns.

    Arguments: a, its offset and row stride; the panels, the offset of the first column and the panel
    stride; c, its offset and row stride; k. Of `pairs`, all of a and the panels counts in pairs. The
    k products of an element are added in order.
    """
    vector = ir.VectorType(FLOAT, _WIDTH)
    left, right = (WORD, WORD) if pairs else (FLOAT, HALF)
    line = ir.VectorType(right, _WIDTH)

    @intrinsic
    def tile(
        typing: Any, a: Any, at_a: Any, lda: Any, b: Any, at_b: Any, panel: Any,
        c: Any, at_c: Any, ldc: Any, depth: Any,
    ) -> Any:  # fmt: skip
        i = types.int64

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, at_a, lda, b, at_b, panel, c, at_c, ldc, depth = args
            kinds = signature.args
            a = data(context, builder, kinds[0], a, at_a, left)
            b = data(context, builder, kinds[3], b, at_b, right)
            c = data(context, builder, kinds[6], c, at_c, FLOAT)
            rows = [pointer(builder, a, builder.mul(lda, long(m)), left) for m in range(height)]
            columns: list[Any] = []
            for j in range(registers):
                far = builder.mul(panel, long(j * _WIDTH // PANEL))
                near = builder.add(far, long(j * _WIDTH % PANEL))
                columns.append(pointer(builder, b, near, right))
            places: list[Any] = []
            for m in range(height):
                start = pointer(builder, c, builder.mul(ldc, long(m)), FLOAT)
                places += [
                    pointer(builder, start, long(j * _WIDTH), FLOAT, vector)
                    for j in range(registers)
                ]
            multiply = _multiply(builder, vector, line, pairs)
            zero = ir.Constant(vector, [0.0] * _WIDTH)
            first = [builder.load(place, align=4) if add else zero for place in places]
            before = builder.block
            body = builder.append_basic_block("k")
            after = builder.append_basic_block("done")
            builder.branch(body)
            builder.position_at_end(body)
            k = builder.phi(LONG)
            k.add_incoming(long(0), before)
            sums = [builder.phi(vector) for _ in places]
            for phi, value in zip(sums, first, strict=True):
                phi.add_incoming(value, before)
            step = builder.mul(k, long(PANEL))
            values = [
                builder.load(pointer(builder, column, step, right, line), align=2)
                for column in columns
            ]
            if not pairs:
                values = [builder.fpext(value, vector) for value in values]
            news: list[Any] = []
            for m in range(height):
                x = splat(
                    builder, builder.load(pointer(builder, rows[m], k, left), align=4), _WIDTH
                )
                news += [multiply(x, values[j], sums[m * registers + j]) for j in range(registers)]
            for phi, value in zip(sums, news, strict=True):
                phi.add_incoming(value, body)
            more = builder.add(k, long(1))
            k.add_incoming(more, body)
            builder.cbranch(builder.icmp_signed("<", more, depth), body, after)
            builder.position_at_end(after)
            for place, value in zip(places, news, strict=True):
                builder.store(value, place, align=4)
            return context.get_dummy_value()

        return types.void(a, i, i, b, i, i, c, i, i, i), build

    return tile


def _multiply(builder: Any, vector: Any, line: Any, pairs: bool) -> Callable[[Any, Any, Any], Any]:
    """The instruction x * y + sum: one product a lane, or two of a pair."""
    kind = ir.FunctionType(vector, [vector, line, line] if pairs else [vector] * 3)
    name = "llvm.x86.avx512bf16.dpbf16ps.512" if pairs else f"llvm.fma.v{_WIDTH}f32"
    made = cgutils.get_or_insert_function(builder.module, kind, name)
    if pairs:
        return lambda x, y, total: builder.call(made, (total, x, y))
    return lambda x, y, total: builder.call(made, (x, y, total))


def _product(add: bool, pairs: bool) -> Callable[..., None]:
    tall, four = _tile(_TALL, _BROAD, add, pairs), _tile(4, _BROAD, add, pairs)
    three, two = _tile(3, _BROAD, add, pairs), _tile(2, _BROAD, add, pairs)
    one = _tile(1, _BROAD, add, pairs)
    # A single row has only its columns to hide the latency of an addition behind: four tiles at once.
    flat = _tile(1, 4 * _BROAD, add, pairs)
    step, stride = _BROAD * _WIDTH, 4 * _BROAD * _WIDTH

    @njit(nogil=True)
    def product(a, at_a, lda, m, w, at_w, panel, k, n, c, at_c, ldc):
        col = 0
        if m == 1:
            while col + stride <= n:
                at = at_w + col // PANEL * panel + col % PANEL
                flat(a, at_a, lda, w, at, panel, c, at_c + col, ldc, k)
                col += stride
        while col < n:
            at = at_w + col // PANEL * panel + col % PANEL
            row = 0
            while row + _TALL <= m:
                tall(a, at_a + row * lda, lda, w, at, panel, c, at_c + row * ldc + col, ldc, k)
                row += _TALL
            while row + 4 <= m:
                four(a, at_a + row * lda, lda, w, at, panel, c, at_c + row * ldc + col, ldc, k)
                row += 4
            here, there = at_a + row * lda, at_c + row * ldc + col
            if m - row == 3:
                three(a, here, lda, w, at, panel, c, there, ldc, k)
            elif m - row == 2:
                two(a, here, lda, w, at, panel, c, there, ldc, k)
            elif m - row == 1:
                one(a, here, lda, w, at, panel, c, there, ldc, k)
            col += step

    return product


product, accumulate = _product(False, False), _product(True, False)
"""c[m, n] = or += a[m, k] @ w. Arrays are flat: a, offset, row stride, m; w, offset, panel stride
(k × PANEL where w is a whole matrix), k, n (a multiple of PANEL); c, offset, row stride."""


def _layer(add: bool) -> Callable[..., None]:
    if not PAIRS:
        whole = _product(add, False)

        @njit(nogil=True)
        def layer(a, at_a, lda, m, room, w, at_w, k, n, c, at_c, ldc):
            whole(a, at_a, lda, m, w, at_w, k * PANEL, k, n, c, at_c, ldc)

        return layer
    paired = _product(add, True)

    @njit(nogil=True)
    def layer(a, at_a, lda, m, room, w, at_w, k, n, c, at_c, ldc):
        half = k // 2
        for r in range(m):
            line, pairs = a[at_a + r * lda : at_a + r * lda + k], room[r * half : (r + 1) * half]
            for j in range(half):
                pairs[j] = as_pair(line[2 * j], line[2 * j + 1])
        paired(room, 0, half, m, w, at_w // 2, half * PANEL, half, n, c, at_c, ldc)

    return layer


layer_product, layer_accumulate = _layer(False), _layer(True)
"""As `product` and `accumulate`, with a matrix of the model as `laid_out` gives it. `room`: uint32
numbers for m × k / 2 pairs."""


def laid_out(panels: NDArray[np.float16]) -> NDArray[np.uint16]:
    """The model's fp16 matrices in panels, flat, as this processor's tiles read them."""
    flat = panels.reshape(-1)
    if not PAIRS:
        return flat.view(np.uint16)
    every = np.arange(1 << 16).astype(np.uint16).view(np.float16).astype(np.float32)
    bits = every.view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    rows = flat.view(np.uint16).reshape(-1, 2, PANEL)  # a matrix has an even number of rows
    return rounded[rows.swapaxes(1, 2)].reshape(-1)
