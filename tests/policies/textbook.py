"""What the decoder is held against: a small Llama written out in numpy, and the rounding to bf16."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

VOCAB, HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, HEAD = 96, 32, 64, 2, 4, 2, 32
CONFIG: dict[str, Any] = {
    "model_type": "llama", "vocab_size": VOCAB, "hidden_size": HIDDEN, "intermediate_size": INNER,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS,
    "head_dim": HEAD, "max_position_embeddings": 128, "rope_theta": 10000.0, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}  # fmt: skip


def tensors() -> dict[str, Any]:
    wide, narrow = HEADS * HEAD, KV_HEADS * HEAD
    layer = {
        "input_layernorm": (HIDDEN,), "post_attention_layernorm": (HIDDEN,),
        "self_attn.q_proj": (wide, HIDDEN), "self_attn.k_proj": (narrow, HIDDEN),
        "self_attn.v_proj": (narrow, HIDDEN), "self_attn.o_proj": (HIDDEN, wide),
        "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN),
        "mlp.down_proj": (HIDDEN, INNER),
    }  # fmt: skip
    shapes = {f"layers.{i}.{name}": shape for i in range(LAYERS) for name, shape in layer.items()}
    shapes |= {"embed_tokens": (VOCAB, HIDDEN), "norm": (HIDDEN,)}
    rng = np.random.default_rng(0)
    return {
        f"model.{name}.weight": (rng.normal(2 - len(shape), 0.3, shape)).astype(np.float16)
        for name, shape in shapes.items()
    }


def write(folder: Path, config: dict[str, Any], weights: dict[str, Any]) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors")
    return folder


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
