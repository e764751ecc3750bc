"""What the emitters of LLVM IR share: types, pointers into numba's arrays, vectors. Knows nothing of products."""

# numba and llvmlite have no types.
# pyright: basic, reportCallIssue=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false
from __future__ import annotations

from typing import Any

from llvmlite import ir

FLOAT, HALF, WORD, LONG = ir.FloatType(), ir.HalfType(), ir.IntType(32), ir.IntType(64)


def data(context: Any, builder: Any, ty: Any, value: Any, offset: Any, unit: Any) -> Any:
    """Pointer to element `offset` of a numba array, read as `unit`."""
    start = context.make_array(ty)(context, builder, value).data
    return pointer(builder, builder.bitcast(start, unit.as_pointer()), offset, unit)


def pointer(builder: Any, start: Any, offset: Any, unit: Any, kind: Any = None) -> Any:
    """Pointer to a `kind` that starts `offset` units behind `start`."""
    place = builder.gep(start, [offset], source_etype=unit)
    return place if kind is None else builder.bitcast(place, kind.as_pointer())


def splat(builder: Any, value: Any, width: int) -> Any:
    """A vector of one value."""
    kind = ir.VectorType(value.type, width)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, long(0))
    order = ir.Constant(ir.VectorType(WORD, width), [0] * width)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), order)


def long(value: int) -> Any:
    """A 64-bit constant."""
    return ir.Constant(LONG, value)
