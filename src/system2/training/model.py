"""The embedded model in PyTorch: a plain Llama decoder. Knows nothing about tasks or how it is trained.

The weights carry the names and layout of transformers' LlamaForCausalLM, so an export is a plain copy.
"""

# pyright: basic
from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes of the model; the names are those of config.json."""

    vocab_size: int
    hidden_size: int = 192
    intermediate_size: int = 576
    num_hidden_layers: int = 6
    num_attention_heads: int = 3
    num_key_value_heads: int = 1
    head_dim: int = 64
    max_position_embeddings: int = 1024
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-5

    def to_json(self, bos: int, eos: int, pad: int) -> dict[str, Any]:
        """config.json as transformers, vLLM and llama.cpp read it."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            **asdict(self),
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "attention_dropout": 0.0,
            "tie_word_embeddings": True,
            "initializer_range": 0.02,
            "use_cache": True,
            "bos_token_id": bos,
            "eos_token_id": eos,
            "pad_token_id": pad,
            "torch_dtype": "float16",
        }


BLOCK = 192  # queries at once: what comes after the last of them is not looked at


class Attention(nn.Module):
    """Grouped-query attention with rotary positions (Su et al. 2021, arXiv 2104.09864)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.dim = config.head_dim
        wide, narrow = self.heads * self.dim, self.kv_heads * self.dim
        self.q_proj = nn.Linear(config.hidden_size, wide, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.o_proj = nn.Linear(wide, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        batch, length, _ = x.shape
        q = self.q_proj(x).view(batch, length, self.heads, self.dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, length, self.kv_heads, self.dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.dim).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        # The query heads of a key–value head stand below one another: (B, G, H/G * T, dim).
        rows = []
        for start in range(0, length, BLOCK):
            end = min(start + BLOCK, length)
            part = q[:, :, start:end].reshape(batch, self.kv_heads, -1, self.dim)
            weights = part @ k[:, :, :end].transpose(-1, -2)
            weights = weights.view(batch, self.heads, end - start, end)
            # Written out: torch.compile fuses it, and on a processor it beats the flash backward.
            weights = weights.float() * self.dim**-0.5 + mask[:, :, start:end, :end]
            weights = weights.softmax(-1).to(v.dtype).view(batch, self.kv_heads, -1, end)
            rows.append((weights @ v[:, :, :end]).view(batch, self.heads, end - start, self.dim))
        out = torch.cat(rows, 2)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):
    """SwiGLU feed-forward (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and added to the stream."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """Token ids to hidden states; the embedding doubles as the output layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(weight)

    def forward(self, ids: Tensor, segments: Tensor) -> Tensor:
        """ids, segments (B, T) → hidden states (B, T, D).

        `segments` numbers the sequences packed into a row: a position sees only its own. Positions
        run on through the row, which rotary encoding does not notice (it is relative).
        """
        length = ids.shape[1]
        cos, sin = rope(length, self.config.head_dim, self.config.rope_theta)
        at = torch.arange(length)
        seen = (segments[:, :, None] == segments[:, None, :]) & (at[:, None] >= at[None, :])
        mask = torch.zeros(seen.shape).masked_fill(~seen, float("-inf"))[:, None]
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return self.norm(x)


def rope(length: int, dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, dim) of rotary positions, halves side by side as Llama stores them."""
    rate = theta ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)
    angle = torch.arange(length, dtype=torch.float32)[:, None] * rate
    return torch.cat([angle, angle], -1).cos(), torch.cat([angle, angle], -1).sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on x (B, H, T, dim)."""
    a, b = x.chunk(2, -1)
    return x * cos.to(x.dtype) + torch.cat([-b, a], -1) * sin.to(x.dtype)
