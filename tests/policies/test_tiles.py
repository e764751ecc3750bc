"""Matrix products of every kind of tile that this processor runs, against the textbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from policies.textbook import nearest_bf16

gemm = pytest.importorskip("system2.policies.local.gemm")

# Run under $SYSTEM2_KERNEL, which is read once a process: products of many shapes, as bytes of fp32.
PRODUCTS = """
import sys, numpy as np
from system2.policies.local import gemm
rng = np.random.default_rng(0)
for m, k, n in {shapes}:
    a = rng.normal(0, 1, (m, k)).astype(np.float32)
    w = rng.normal(0, 1, (k, n)).astype(np.float16)
    panels = np.ascontiguousarray(w.reshape(k, n // 32, 32).transpose(1, 0, 2))
    matrix, room, c = gemm.laid_out(panels), np.zeros(m * k // 2, np.uint32), np.ones(m * n, np.float32)
    for f in (gemm.layer_product, gemm.layer_accumulate):
        f(a.reshape(-1), 0, k, m, room, matrix, 0, k, n, c, 0, n)
        sys.stdout.buffer.write(c.tobytes())
"""
SHAPES = [(m, k, n) for m in (1, 2, 3, 4, 5, 7, 8, 9, 15, 33) for k, n in ((32, 32), (64, 160))]


def run(variant: str) -> subprocess.CompletedProcess[bytes]:
    source = Path(gemm.__file__).parents[3]
    env = os.environ | {"SYSTEM2_KERNEL": variant, "PYTHONPATH": str(source)}
    code = PRODUCTS.format(shapes=json.dumps(SHAPES))
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)


def exact(number: Callable[[Any], Any]) -> list[Any]:
    """The products in float64, of factors rounded by `number`."""
    rng, found = np.random.default_rng(0), list[Any]()
    for m, k, n in SHAPES:
        a = rng.normal(0, 1, (m, k)).astype(np.float32)
        w = rng.normal(0, 1, (k, n)).astype(np.float16)
        product = number(a).astype(np.float64) @ number(w).astype(np.float64)
        found += [product, 2 * product]
    return found


@pytest.fixture(scope="module")
def written() -> dict[str, bytes]:
    done = {variant: run(variant) for variant in gemm.variants() if variant != "none"}
    assert all(one.returncode == 0 for one in done.values()), [one.stderr for one in done.values()]
    return {variant: one.stdout for variant, one in done.items()}


def test_products_are_the_textbook(written: dict[str, bytes]) -> None:
    for variant, data in written.items():
        pairs = variant == "bf16"
        numbers, at = np.frombuffer(data, np.float32), 0
        for product in exact(nearest_bf16 if pairs else np.float32):
            mine = numbers[at : at + product.size].reshape(product.shape)
            assert np.abs(mine - product).max() < 1e-4, (variant, product.shape)
            at += product.size
        assert at == len(numbers)


def test_all_but_bf16_are_the_same_bit_for_bit(written: dict[str, bytes]) -> None:
    whole = {data for variant, data in written.items() if variant != "bf16"}
    assert len(whole) <= 1
    assert not whole or written.get("bf16") not in whole


def test_an_unknown_tile_is_told() -> None:
    done = run("amx")
    assert done.returncode and b"SYSTEM2_KERNEL is 'amx'; this processor runs" in done.stderr
