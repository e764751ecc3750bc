"""The parts of a forward pass between the matrix products, for numba. Flat arrays and offsets throughout.

Loops are elementwise or sums in a fixed order, so that a result never depends on other rows.
"""

# numba and llvmlite have no types.
# pyright: basic, reportCallIssue=false, reportPrivateImportUsage=false, reportAttributeAccessIssue=false
from __future__ import annotations

import math

import numpy as np
from numba import njit

from system2.policies.local import sample
from system2.policies.local.gemm import PANEL, accumulate, product
from system2.policies.local.lanes import as_float, fetch, peak, squares, total

_F = np.float32
_U = np.uint64
# Python's error model puts a branch before each division, and no loop becomes vectors.
inlined = njit(nogil=True, error_model="numpy")


@inlined
def exp(x):
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


# Slices below: of an index `at + j`, which might be negative, LLVM makes no vectors.


@inlined
def row(matrix, i, n):
    """Row i of a flat matrix with n columns."""
    return matrix[i * n : (i + 1) * n]


@inlined
def norm(x, weight, eps, y):
    """y = x over its root mean square, times weight."""
    scale = _F(1.0) / np.sqrt(squares(x, 0, len(x)) / _F(len(x)) + eps)
    for j in range(len(x)):
        y[j] = x[j] * scale * weight[j]


@inlined
def rotate(x, cos, sin, scale):
    """Rotary positions on one head, in place, times scale."""
    half = len(x) // 2
    left, right = x[:half], x[half:]
    for j in range(half):
        a, b = left[j], right[j]
        left[j] = (a * cos[j] - b * sin[j]) * scale
        right[j] = (b * cos[j] + a * sin[j]) * scale


@inlined
def activate(x, n):
    """silu of the first n numbers times the next n, over the first."""
    gate, up = x[:n], x[n : 2 * n]
    for j in range(n):
        value = gate[j]
        gate[j] = value / (_F(1.0) + exp(-value)) * up[j]


@inlined
def attend(
    q, at_q, group, head, cache, first, table, length, next_table, next_length,
    scores, wide, out, at_o,
):  # fmt: skip
    """`group` query rows against `length` positions; the next row's are fetched meanwhile."""
    far, used = head * PANEL, (length + PANEL - 1) // PANEL
    for b in range(used):
        at = first + table[b] * 2 * far
        if b * PANEL < next_length:
            fetch(cache, first + next_table[b] * 2 * far, 2 * far)
        product(q, at_q, head, group, cache, at, 0, head, PANEL, scores, b * PANEL, wide)
    for g in range(group):
        line = row(scores, g, wide)[: used * PANEL]
        line[length:] = _F(-np.inf)
        top = peak(line, 0, used * PANEL)
        for j in range(len(line)):
            line[j] = exp(line[j] - top)
        scale = _F(1.0) / total(line, 0, used * PANEL)
        for j in range(len(line)):
            line[j] *= scale
    out[at_o : at_o + group * head] = _F(0.0)
    for b in range(used):
        at = first + table[b] * 2 * far + far
        k = min(PANEL, length - b * PANEL)
        accumulate(
            scores, b * PANEL, wide, group, cache, at, PANEL * PANEL, k, head, out, at_o, head
        )


@inlined
def _mix(z):
    z = (z ^ (z >> _U(30))) * _U(sample.FIRST)
    z = (z ^ (z >> _U(27))) * _U(sample.SECOND)
    return z ^ (z >> _U(31))


@inlined
def _first(line, value):
    at = 0
    while at + 1 < len(line) and line[at] != value:
        at += 1
    return at


@inlined
def draw(line, seed, position, temperature, heap):
    """As sample.draw for one row; `heap` is room for as many numbers."""
    n = len(line)
    top = peak(line, 0, n)
    for j in range(n):
        heap[j] = exp(line[j] - top)
    mass = math.log(total(heap, 0, n))
    if temperature == _F(0.0):
        return _first(line, top), _F(-mass)
    if temperature != _F(1.0):
        for j in range(n):
            heap[j] = exp((line[j] - top) / temperature)
    whole = 0.0
    for j in range(0, n, PANEL):
        whole += total(heap, j, PANEL)
    z = _mix(_mix(seed) + _U(sample.GOLDEN) * _U(position + 1))
    left = np.float64(z >> _U(11)) * 2.0**-53 * whole
    # Panel by panel, then inside one: rounding may leave a rest behind the last panel.
    start = 0
    while start + PANEL < n:
        part = np.float64(total(heap, start, PANEL))
        if left < part:
            break
        left -= part
        start += PANEL
    best = -1
    for j in range(start, start + PANEL):
        if heap[j] > _F(0.0):
            best = j
            if left < heap[j]:
                break
        left -= heap[j]
    if best < 0:  # the rest fell into a panel of zeros
        best = _first(line, top)
    return best, _F(np.float64(line[best] - top) - mass)
