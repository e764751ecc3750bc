"""The committed weights: greedy text of the decoder beside transformers' in fp32, on a fixed set of questions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from system2.core import Problem
from system2.evals.problems import suite
from system2.policies.local import HOME, LocalPolicy
from system2.policies.local.decoder import Row

LONGEST = 300


def test_greedy_text_is_that_of_transformers() -> None:
    """Reduced precision may turn a near tie: at most one text in twenty differs."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    policy = LocalPolicy(HOME)
    items = suite("all", 180)
    prompts = [policy.prompt(Problem.of(item.question), []) for item in items]
    mine = asyncio.run(written(policy, prompts))
    theirs: Any = transformers.AutoModelForCausalLM.from_pretrained(HOME, dtype=torch.float32)
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(p)) + p for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    with torch.inference_mode():
        out = theirs.eval().generate(
            ids,
            attention_mask=mask,
            max_new_tokens=LONGEST,
            do_sample=False,
            pad_token_id=0,
            eos_token_id=[*policy.ends],
        )
    different: list[str] = []
    for item, text, other in zip(items, mine, out[:, longest:].tolist(), strict=True):
        if text != other[: len(text)]:
            different.append(item.name)
    print(f"{len(different)} of {len(items)} differ: {different}")
    assert len(items) == 180 and len(different) <= 9, different


async def written(policy: LocalPolicy, prompts: list[list[int]]) -> list[list[int]]:
    """The tokens after each prompt, its end included."""
    rows = [Row(tuple(prompt), 0, LONGEST, 0.0, policy.ends) for prompt in prompts]
    found: list[list[int]] = [[] for _ in rows]
    async for tokens in policy.model.decoder.stream(rows):
        for token in tokens:
            found[token.row].append(token.id)
    return found
