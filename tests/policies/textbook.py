"""What the decoder is held against: a small Llama written out in numpy, and the rounding to bf16."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

VOCAB, HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, HEAD = 96, 32, 64, 2, 4, 2, 32


def nearest_bf16(x: Any) -> Any:
    """The nearest numbers with eight bits, ties to even."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def reference(raw: dict[str, Any], ids: Sequence[int], *, pairs: bool = False) -> Any:
    """Logits (T, vocab) of the whole sequence at once: the textbook, in float64.

    `pairs`: what a matrix of the model multiplies, and the matrix, are rounded to bf16 first.
    """
    w = {name: value.astype(np.float64) for name, value in raw.items()}
    half, length = HEAD // 2, len(ids)

    def product(x: Any, name: str) -> Any:
        return (
            nearest_bf16(x).astype(np.float64) @ nearest_bf16(w[name]).T if pairs else x @ w[name].T
        )

    angle = np.arange(length)[:, None] * 10000.0 ** (-np.arange(half) / half)

    def norm(x: Any, name: str) -> Any:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[name]

    def heads(x: Any, name: str, count: int, turn: bool) -> Any:
        y = product(x, name).reshape(length, count, HEAD).transpose(1, 0, 2)
        if turn:
            a, b = y[..., :half], y[..., half:]
            c, s = np.cos(angle), np.sin(angle)
            y = np.concatenate([a * c - b * s, b * c + a * s], -1)
        return y.repeat(HEADS // count, 0)

    x = w["model.embed_tokens.weight"][list(ids)]
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        y = norm(x, layer + "input_layernorm.weight")
        q = heads(y, layer + "self_attn.q_proj.weight", HEADS, True)
        k = heads(y, layer + "self_attn.k_proj.weight", KV_HEADS, True)
        v = heads(y, layer + "self_attn.v_proj.weight", KV_HEADS, False)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(HEAD)
        scores = np.exp(np.where(np.tri(length) > 0, scores, -np.inf))
        mix = (scores / scores.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(length, -1)
        x = x + product(mix, layer + "self_attn.o_proj.weight")
        y = norm(x, layer + "post_attention_layernorm.weight")
        gate = product(y, layer + "mlp.gate_proj.weight")
        y = gate / (1 + np.exp(-gate)) * product(y, layer + "mlp.up_proj.weight")
        x = x + product(y, layer + "mlp.down_proj.weight")
    return product(norm(x, "model.norm.weight"), "model.embed_tokens.weight")
