"""Vector instructions that numba lacks, emitted as LLVM IR: folds, and 16-bit numbers. Knows nothing about models."""

# numba and llvmlite have no types.
# pyright: basic, reportCallIssue=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false
from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from system2.policies.local.emit import FLOAT, HALF, LONG, WORD, data, long, pointer
from system2.policies.local.weights import PANEL

_LANES = 16


def _fold(kind: str) -> Any:
    """An intrinsic that folds n numbers (a multiple of 16) at an offset: "sum", "squares" or "max"."""
    vector = ir.VectorType(FLOAT, _LANES)

    @intrinsic
    def fold(typing: Any, a: Any, at: Any, n: Any) -> Any:
        def join(builder: Any, x: Any, y: Any) -> Any:
            if kind == "max":
                return builder.select(builder.fcmp_ordered(">", x, y), x, y)
            return builder.fadd(x, y)

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, at, n = args
            start = data(context, builder, signature.args[0], a, at, FLOAT)
            least = [float("-inf") if kind == "max" else 0.0] * _LANES
            before = builder.block
            body, after = builder.append_basic_block("fold"), builder.append_basic_block("folded")
            builder.branch(body)
            builder.position_at_end(body)
            i, state = builder.phi(LONG), builder.phi(vector)
            i.add_incoming(long(0), before)
            state.add_incoming(ir.Constant(vector, least), before)
            x = builder.load(pointer(builder, start, i, FLOAT, vector), align=4)
            news = join(builder, state, builder.fmul(x, x) if kind == "squares" else x)
            more = builder.add(i, long(_LANES))
            i.add_incoming(more, body)
            state.add_incoming(news, body)
            builder.cbranch(builder.icmp_signed("<", more, n), body, after)
            builder.position_at_end(after)
            lanes = [builder.extract_element(news, long(j)) for j in range(_LANES)]
            while len(lanes) > 1:
                half = len(lanes) // 2
                lanes = [join(builder, lanes[j], lanes[j + half]) for j in range(half)]
            return lanes[0]

        return types.float32(a, types.int64, types.int64), build

    return fold


total, squares, peak = _fold("sum"), _fold("squares"), _fold("max")


@intrinsic
def narrow(typing: Any, a: Any, at: Any, value: Any) -> Any:
    """Store an fp32 number as fp16 at an offset of a uint16 array."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, at, value = args
        place = data(context, builder, signature.args[0], a, at, HALF)
        builder.store(builder.fptrunc(value, HALF), place, align=2)
        return context.get_dummy_value()

    return types.void(a, types.int64, types.float32), build


@intrinsic
def widen(typing: Any, a: Any, at: Any) -> Any:
    """The fp16 number at an offset of a uint16 array, as fp32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, at = args
        place = data(context, builder, signature.args[0], a, at, HALF)
        return builder.fpext(builder.load(place, align=2), FLOAT)

    return types.float32(a, types.int64), build


@intrinsic
def as_float(typing: Any, bits: Any) -> Any:
    """The fp32 number with the bits of an int32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], FLOAT)

    return types.float32(types.int32), build


@intrinsic
def as_bits(typing: Any, number: Any) -> Any:
    """The bits of an fp32 number as a uint32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], WORD)

    return types.uint32(types.float32), build


@njit(nogil=True)
def as_pair(low, high):
    """Two fp32 numbers, rounded to bf16 (to the nearest, ties to even), in one uint32."""
    one, half, left = np.uint32(1), np.uint32(0x7FFF), np.uint32(16)
    a, b = as_bits(low), as_bits(high)
    a += half + (a >> left & one)
    b += half + (b >> left & one)
    return (a >> left) | (b >> left << left)


@intrinsic
def fetch(typing: Any, a: Any, at: Any, n: Any) -> Any:
    """Ask for n numbers of a uint16 array ahead of their use, into the second-level cache."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, at, n = args
        start = data(context, builder, signature.args[0], a, at, HALF)
        kind = ir.FunctionType(ir.VoidType(), [ir.PointerType(), WORD, WORD, WORD])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        with cgutils.for_range_slice(builder, long(0), n, long(PANEL), LONG) as (i, _):
            builder.call(ask, (pointer(builder, start, i, HALF), WORD(0), WORD(2), WORD(1)))
        return context.get_dummy_value()

    return types.void(a, types.int64, types.int64), build
