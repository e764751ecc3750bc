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
from system2.policies.local.gemm import (
    PANEL,
    accumulate,
    as_float,
    fetch,
    peak,
    product,
    squares,
    total,
)

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


@inlined
def norm(x, at_x, weight, at_w, n, eps, y, at_y):
    scale = _F(1.0) / np.sqrt(squares(x, at_x, n) / _F(n) + eps)
    for j in range(n):
        y[at_y + j] = x[at_x + j] * scale * weight[at_w + j]


@inlined
def rotate(x, at, cos, sin, at_c, half, scale):
    for j in range(half):
        a, b = x[at + j], x[at + half + j]
        c, s = cos[at_c + j], sin[at_c + j]
        x[at + j] = (a * c - b * s) * scale
        x[at + half + j] = (b * c + a * s) * scale


@inlined
def activate(x, n):
    """silu of the first n numbers times the next n, over the first. Slices: else LLVM fears overlap."""
    gate, up = x[:n], x[n : 2 * n]
    for j in range(n):
        value = gate[j]
        gate[j] = value / (_F(1.0) + exp(-value)) * up[j]


@inlined
def attend(
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
):
    """`group` query rows against `length` positions; the next row's are fetched meanwhile."""
    far, used = head * PANEL, (length + PANEL - 1) // PANEL
    for b in range(used):
        at = first + table[b] * 2 * far
        if b * PANEL < next_length:
            fetch(cache, first + next_table[b] * 2 * far, 2 * far)
        product(q, at_q, head, group, cache, at, 0, head, PANEL, scores, b * PANEL, wide)
    for g in range(group):
        row = g * wide
        for j in range(length, used * PANEL):
            scores[row + j] = _F(-np.inf)
        top = peak(scores, row, used * PANEL)
        for j in range(used * PANEL):
            scores[row + j] = exp(scores[row + j] - top)
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


@inlined
def _mix(z):
    z = (z ^ (z >> _U(30))) * _U(sample.FIRST)
    z = (z ^ (z >> _U(27))) * _U(sample.SECOND)
    return z ^ (z >> _U(31))


@inlined
def draw(logits, at, n, seed, position, temperature, heap):
    """As sample.draw; `heap` is room for n numbers."""
    top = peak(logits, at, n)
    for j in range(n):
        heap[j] = exp(logits[at + j] - top)
    mass = math.log(total(heap, 0, n))
    best = 0
    if temperature == _F(0.0):
        while logits[at + best] != top:
            best += 1
        return best, _F(-mass)
    if temperature != _F(1.0):
        for j in range(n):
            heap[j] = exp((logits[at + j] - top) / temperature)
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
