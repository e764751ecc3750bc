"""Writes a trained model as transformers, vLLM and llama.cpp read it: config.json, model.safetensors."""

# pyright: basic
from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from system2.policies.local.tokenizer import Tokenizer
from system2.training.model import Llama


def export(model: Llama, tokenizer: Tokenizer, out: Path) -> None:
    """Weights in half precision under transformers' names, beside tokenizer.json in `out`."""
    special = tokenizer.special
    config = model.config.to_json(special["<bos>"], special["<eos>"], special["<pad>"])
    weights = {
        f"model.{name}": weight.detach().to(torch.float16).contiguous()
        for name, weight in model.state_dict().items()
    }
    save_file(weights, out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text(json.dumps(config, indent=2))
