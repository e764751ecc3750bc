"""lm-eval, the command: an offline task over the chat API, and the likelihoods of given choices."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from clients.pages import need, run
from clients.serving import Serving

from system2.policies.local import HOME, LocalPolicy

need("lm_eval", "lm-eval[api]")


def results(folder: Path, task: str) -> Any:
    """What lm-eval has made of a task."""
    (told,) = folder.rglob("results_*.json")
    return json.loads(told.read_text("utf-8"))["results"][task]


def test_the_page(serving: Serving, tmp_path: Path):
    run("lm-eval.md", serving, tmp_path)
    assert results(tmp_path / "out", "sums")["exact_match,none"] == 1.0
    assert results(tmp_path / "likely", "first")["acc,none"] == 1.0
    (samples,) = (tmp_path / "likely").rglob("samples_first_*.jsonl")
    for line in samples.read_text("utf-8").splitlines():
        told = json.loads(line)
        right = told["doc"]["right"]
        greedy = [answer == "True" for ((_, answer),) in told["resps"]]
        assert greedy == [n == right for n in range(len(greedy))]
        for n, ((said, _),) in enumerate(told["resps"]):
            asked = told["arguments"][f"gen_args_{n}"]
            assert float(said) == pytest.approx(
                likelihood(asked["arg_0"], asked["arg_1"]), abs=1e-3
            )


def likelihood(context: str, rest: str) -> float:
    """What the decoder itself says of a text after another."""
    model = LocalPolicy(HOME).model
    ids = model.tokenizer.encode_trace(context)
    more = model.tokenizer.encode_trace(rest)
    scored = asyncio.run(model.decoder.score([*ids, *more]))
    return sum(one.logprob or 0.0 for one in scored[-len(more) :])
