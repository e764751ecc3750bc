"""Vector instructions numba lacks, emitted as LLVM IR: fp16 storage, fp32 math. Knows nothing about models.

Every sum runs in one fixed order whatever the tile, so that a row's result never depends on the
rows beside it, and is the same on every machine with fused multiply-add.
"""

# numba and llvmlite have no types.
# pyright: basic, reportCallIssue=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from system2.policies.local.weights import PANEL

_FLOAT, _HALF, _LONG = ir.FloatType(), ir.HalfType(), ir.IntType(64)
_LANES = 16


def variant() -> str:
    """The tile this processor gets: "512", "256", "arm" or, where fp16 would be emulated, "none"."""
    if binding.get_default_triple().startswith(("aarch64", "arm64")):
        return "arm"
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return "512"
    return "256" if features.get("f16c") and features.get("fma") else "none"


VARIANT = variant()
# Lanes of a register, rows of the tallest tile, registers across: rows × registers sums must fit the
# register file beside a line of weights (32 registers, on AVX2 16). 12 rows of 512 bits: no gain.
_WIDTH, _TALL, _BROAD = {
    "512": (16, 8, 2),
    "256": (8, 6, 2),
    "arm": (4, 6, 4),
    "none": (4, 4, 2),
}[VARIANT]


def _data(context: Any, builder: Any, ty: Any, value: Any, offset: Any, unit: Any) -> Any:
    """Pointer to element `offset` of a numba array, read as `unit`."""
    start = context.make_array(ty)(context, builder, value).data
    return _at(builder, builder.bitcast(start, unit.as_pointer()), offset, unit)


def _at(builder: Any, start: Any, offset: Any, unit: Any, kind: Any = None) -> Any:
    """Pointer to a `kind` that starts `offset` units behind `start`."""
    place = builder.gep(start, [offset], source_etype=unit)
    return place if kind is None else builder.bitcast(place, kind.as_pointer())


def _splat(builder: Any, value: Any, width: int) -> Any:
    kind = ir.VectorType(value.type, width)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, _long(0))
    order = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), order)


def _long(value: int) -> Any:
    return ir.Constant(_LONG, value)


def _tile(height: int, registers: int, add: bool) -> Any:
    """An intrinsic c[height, registers × width] (+)= a[height, k] @ panel columns.

    Arguments: a, its offset and row stride; the fp16 panels (as uint16), the offset of the first
    column and the panel stride; c, its offset and row stride; k. The k products of an element are
    added in order, one fused multiply-add each.
    """
    vector = ir.VectorType(_FLOAT, _WIDTH)
    half = ir.VectorType(_HALF, _WIDTH)

    @intrinsic
    def tile(
        typing: Any, a: Any, at_a: Any, lda: Any, b: Any, at_b: Any, panel: Any,
        c: Any, at_c: Any, ldc: Any, depth: Any,
    ) -> Any:  # fmt: skip
        i = types.int64

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, at_a, lda, b, at_b, panel, c, at_c, ldc, depth = args
            kinds = signature.args
            left = _data(context, builder, kinds[0], a, at_a, _FLOAT)
            right = _data(context, builder, kinds[3], b, at_b, _HALF)
            out = _data(context, builder, kinds[6], c, at_c, _FLOAT)
            rows = [_at(builder, left, builder.mul(lda, _long(m)), _FLOAT) for m in range(height)]
            columns: list[Any] = []
            for j in range(registers):
                far = builder.mul(panel, _long(j * _WIDTH // PANEL))
                near = builder.add(far, _long(j * _WIDTH % PANEL))
                columns.append(_at(builder, right, near, _HALF))
            places: list[Any] = []
            for m in range(height):
                start = _at(builder, out, builder.mul(ldc, _long(m)), _FLOAT)
                places += [
                    _at(builder, start, _long(j * _WIDTH), _FLOAT, vector) for j in range(registers)
                ]
            fma = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{_WIDTH}f32"
            )
            zero = ir.Constant(vector, [0.0] * _WIDTH)
            first = [builder.load(place, align=4) if add else zero for place in places]
            before = builder.block
            body = builder.append_basic_block("k")
            after = builder.append_basic_block("done")
            builder.branch(body)
            builder.position_at_end(body)
            k = builder.phi(_LONG)
            k.add_incoming(_long(0), before)
            sums = [builder.phi(vector) for _ in places]
            for phi, value in zip(sums, first, strict=True):
                phi.add_incoming(value, before)
            step = builder.mul(k, _long(PANEL))
            values = [
                builder.fpext(
                    builder.load(_at(builder, column, step, _HALF, half), align=2), vector
                )
                for column in columns
            ]
            news: list[Any] = []
            for m in range(height):
                x = builder.load(_at(builder, rows[m], k, _FLOAT))
                x = _splat(builder, x, _WIDTH)
                news += [
                    builder.call(fma, (x, values[j], sums[m * registers + j]))
                    for j in range(registers)
                ]
            for phi, value in zip(sums, news, strict=True):
                phi.add_incoming(value, body)
            more = builder.add(k, _long(1))
            k.add_incoming(more, body)
            builder.cbranch(builder.icmp_signed("<", more, depth), body, after)
            builder.position_at_end(after)
            for place, value in zip(places, news, strict=True):
                builder.store(value, place, align=4)
            return context.get_dummy_value()

        return types.void(a, i, i, b, i, i, c, i, i, i), build

    return tile


def _product(add: bool) -> Callable[..., None]:
    tall, four, three = _tile(_TALL, _BROAD, add), _tile(4, _BROAD, add), _tile(3, _BROAD, add)
    two, one = _tile(2, _BROAD, add), _tile(1, _BROAD, add)
    # A single row has only its columns to hide the latency of an addition behind: four tiles at once.
    flat = _tile(1, 4 * _BROAD, add)
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


product, accumulate = _product(False), _product(True)
"""c[m, n] = or += a[m, k] @ w. Arrays are flat: a, offset, row stride, m; w, offset, panel stride
(k × PANEL where w is a whole matrix), k, n (a multiple of PANEL); c, offset, row stride."""


def _lanes(kind: str) -> Any:
    """An intrinsic that folds n numbers (a multiple of 16) at an offset: "sum", "squares" or "max"."""
    vector = ir.VectorType(_FLOAT, _LANES)

    @intrinsic
    def fold(typing: Any, a: Any, at: Any, n: Any) -> Any:
        def join(builder: Any, x: Any, y: Any) -> Any:
            if kind == "max":
                return builder.select(builder.fcmp_ordered(">", x, y), x, y)
            return builder.fadd(x, y)

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, at, n = args
            start = _data(context, builder, signature.args[0], a, at, _FLOAT)
            least = [float("-inf") if kind == "max" else 0.0] * _LANES
            before = builder.block
            body, after = builder.append_basic_block("fold"), builder.append_basic_block("folded")
            builder.branch(body)
            builder.position_at_end(body)
            i, state = builder.phi(_LONG), builder.phi(vector)
            i.add_incoming(_long(0), before)
            state.add_incoming(ir.Constant(vector, least), before)
            x = builder.load(_at(builder, start, i, _FLOAT, vector), align=4)
            news = join(builder, state, builder.fmul(x, x) if kind == "squares" else x)
            more = builder.add(i, _long(_LANES))
            i.add_incoming(more, body)
            state.add_incoming(news, body)
            builder.cbranch(builder.icmp_signed("<", more, n), body, after)
            builder.position_at_end(after)
            lanes = [builder.extract_element(news, _long(j)) for j in range(_LANES)]
            while len(lanes) > 1:
                half = len(lanes) // 2
                lanes = [join(builder, lanes[j], lanes[j + half]) for j in range(half)]
            return lanes[0]

        return types.float32(a, types.int64, types.int64), build

    return fold


total, squares, peak = _lanes("sum"), _lanes("squares"), _lanes("max")


@intrinsic
def narrow(typing: Any, a: Any, at: Any, value: Any) -> Any:
    """Store an fp32 number as fp16 at an offset of a uint16 array."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, at, value = args
        place = _data(context, builder, signature.args[0], a, at, _HALF)
        builder.store(builder.fptrunc(value, _HALF), place, align=2)
        return context.get_dummy_value()

    return types.void(a, types.int64, types.float32), build


@intrinsic
def widen(typing: Any, a: Any, at: Any) -> Any:
    """The fp16 number at an offset of a uint16 array, as fp32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, at = args
        place = _data(context, builder, signature.args[0], a, at, _HALF)
        return builder.fpext(builder.load(place, align=2), _FLOAT)

    return types.float32(a, types.int64), build


@intrinsic
def as_float(typing: Any, bits: Any) -> Any:
    """The fp32 number with the bits of an int32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _FLOAT)

    return types.float32(types.int32), build


@intrinsic
def fetch(typing: Any, a: Any, at: Any, n: Any) -> Any:
    """Ask for n numbers of a uint16 array ahead of their use, into the second-level cache."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, at, n = args
        start = _data(context, builder, signature.args[0], a, at, _HALF)
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [ir.PointerType(), word, word, word])
        ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        with cgutils.for_range_slice(builder, _long(0), n, _long(PANEL), _LONG) as (i, _):
            builder.call(ask, (_at(builder, start, i, _HALF), word(0), word(2), word(1)))
        return context.get_dummy_value()

    return types.void(a, types.int64, types.int64), build
