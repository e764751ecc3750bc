"""The embedded model's weights, read from a folder in transformers' format and packed for the kernels.

Knows nothing about prompts, sampling or threads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]

PANEL = 32
"""Columns of a weight panel and positions of a KV block."""

CONTEXT = 16_384
"""Most positions of a model: more keys and values than a decoder keeps."""

ROWS = 96
"""Rows of a worker's forward pass at most, decoded and prompt tokens together."""

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]

_CURE = "reinstall system2 or rebuild with `system2 train sft`"


class WeightsError(Exception):
    """The model's folder cannot be used. The message names the path, what is wrong and the cure."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a Llama, as config.json gives them."""

    vocab: int
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    context: int
    theta: float
    eps: float

    def shapes(self) -> tuple[tuple[str, int, int], ...]:
        """The matrices of a layer as the kernels multiply them: name, rows (inputs), columns."""
        attention = self.heads * self.head
        return (
            ("qkv", self.hidden, attention + 2 * self.kv_heads * self.head),
            ("out", attention, self.hidden),
            ("gate_up", self.hidden, 2 * self.inner),
            ("down", self.inner, self.hidden),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Arrays ready to multiply.

    norms      (2 × layers + 1, hidden) fp32: before attention, before the feed-forward, …, final
    embedding  (vocab, hidden) fp16
    layers     (layers, numbers) fp16: the matrices of `Sizes.shapes` one after another, in panels
    output     flat fp16: the embedding as a (hidden, vocab) matrix in panels
    cos, sin   (context, head / 2) fp32: rotary positions

    A (K, N) matrix in panels is stored as (N / PANEL, K, PANEL).
    """

    sizes: Sizes
    norms: Floats
    embedding: Halves
    layers: Halves
    output: Halves
    cos: Floats
    sin: Floats


def load(folder: Path | str) -> Weights:
    """The weights in `folder` (config.json, model.safetensors).

    WeightsError: a file is missing, damaged or describes a model this package cannot run.
    """
    folder = Path(folder)
    sizes = _sizes(folder / "config.json")
    path = folder / "model.safetensors"
    tensors = _tensors(path)

    def take(name: str, *shape: int) -> Halves:
        tensor = tensors.get(name)
        if tensor is None:
            _fail(path, f"has no tensor {name}")
        if tensor.shape != shape:
            _fail(path, f"has {name} of shape {tensor.shape}, and config.json asks for {shape}")
        if str(tensor.dtype) not in ("float16", "float32"):
            _fail(path, f"has {name} as {tensor.dtype}, not float16")
        with np.errstate(over="ignore"):  # what float16 cannot hold is reported below
            half = tensor.astype(np.float16)
        if not np.isfinite(half).all():
            _fail(path, f"has numbers in {name} that are not finite in float16")
        return half

    norms: list[Halves] = []
    layers: list[Halves] = []
    wide, narrow = sizes.heads * sizes.head, sizes.kv_heads * sizes.head
    for i in range(sizes.layers):
        layer = f"model.layers.{i}."
        norms.append(take(layer + "input_layernorm.weight", sizes.hidden))
        norms.append(take(layer + "post_attention_layernorm.weight", sizes.hidden))
        attention, mlp = layer + "self_attn.", layer + "mlp."
        matrices = (
            (
                take(attention + "q_proj.weight", wide, sizes.hidden),
                take(attention + "k_proj.weight", narrow, sizes.hidden),
                take(attention + "v_proj.weight", narrow, sizes.hidden),
            ),
            (take(attention + "o_proj.weight", sizes.hidden, wide),),
            (
                take(mlp + "gate_proj.weight", sizes.inner, sizes.hidden),
                take(mlp + "up_proj.weight", sizes.inner, sizes.hidden),
            ),
            (take(mlp + "down_proj.weight", sizes.hidden, sizes.inner),),
        )
        layers.append(np.concatenate([_panels(np.concatenate(m)) for m in matrices]))
    norms.append(take("model.norm.weight", sizes.hidden))
    embedding = take("model.embed_tokens.weight", sizes.vocab, sizes.hidden)
    rate = np.float32(sizes.theta) ** (
        -np.arange(0, sizes.head, 2, dtype=np.float32) / np.float32(sizes.head)
    )
    angle = np.arange(sizes.context, dtype=np.float32)[:, None] * rate.astype(np.float32)
    return Weights(
        sizes=sizes,
        norms=np.stack(norms).astype(np.float32),
        embedding=np.ascontiguousarray(embedding),
        layers=np.stack(layers),
        output=_panels(embedding),
        cos=np.cos(angle),
        sin=np.sin(angle),
    )


def unpack(panels: Halves, rows: int, columns: int) -> Floats:
    """A matrix in panels as a plain (rows, columns) fp32 array."""
    matrix = panels.reshape(columns // PANEL, rows, PANEL).transpose(1, 0, 2)
    return matrix.reshape(rows, columns).astype(np.float32)


def _panels(weight: Halves) -> Halves:
    """A weight stored (N, K), as transformers does, in panels."""
    n, k = weight.shape
    return np.ascontiguousarray(weight.reshape(n // PANEL, PANEL, k).transpose(0, 2, 1)).reshape(-1)


def _sizes(path: Path) -> Sizes:
    try:
        config: Any = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        _fail(path, "is missing")
    except (OSError, ValueError) as error:
        _fail(path, f"cannot be read ({error})")
    if not isinstance(config, dict):
        _fail(path, "is not a JSON object")
    config = cast(Mapping[str, Any], config)
    try:
        rope = dict[str, Any](config.get("rope_parameters") or {})
        sizes = Sizes(
            vocab=int(config["vocab_size"]),
            hidden=int(config["hidden_size"]),
            inner=int(config["intermediate_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            kv_heads=int(config["num_key_value_heads"]),
            head=int(
                config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
            ),
            context=int(config["max_position_embeddings"]),
            theta=float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0),
            eps=float(config["rms_norm_eps"]),
        )
    except KeyError as error:
        _fail(path, f"does not give {error}")
    except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
        _fail(path, f"has a size that is no number ({error})")
    for name in ("vocab", "hidden", "inner", "head"):
        size = getattr(sizes, name)
        if size < PANEL or size % PANEL:
            _fail(path, f"has {name} size {size}, which is not a multiple of {PANEL}")
    least = min(sizes.layers, sizes.heads, sizes.kv_heads, sizes.context)
    if least < 1 or sizes.heads % sizes.kv_heads:
        _fail(path, "has heads, layers or positions that do not fit together")
    if sizes.context > CONTEXT:
        _fail(path, f"has {sizes.context} positions, and at most {CONTEXT} can be run")
    # What the kernels do not compute must be refused: it would run and give wrong text.
    scaling: Any = config.get("rope_scaling") or rope
    kind = (
        cast(Mapping[str, Any], scaling).get("rope_type", "default")
        if isinstance(scaling, dict)
        else None
    )
    plain = {
        "model_type": "llama",
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
    }
    for key, value in plain.items():
        if config.get(key, value) != value:
            _fail(path, f"has {key} {config[key]!r}, and only {value!r} can be run")
    if kind != "default" or config.get("tie_word_embeddings") is not True:
        _fail(path, "asks for scaled rotary positions or an untied output layer")
    return sizes


def _tensors(path: Path) -> Mapping[str, NDArray[Any]]:
    try:
        return load_file(path)
    except FileNotFoundError:
        _fail(path, "is missing")
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        _fail(path, f"is damaged ({error})")


def _fail(path: Path, found: str) -> NoReturn:
    raise WeightsError(f"{path} {found}; {_CURE}")
