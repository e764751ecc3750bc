"""lm-eval, the command: an offline task over the chat API."""

from __future__ import annotations

import json
from pathlib import Path

from clients.pages import need, run
from clients.serving import Serving

need("lm_eval", "lm-eval[api]")


def test_the_page(serving: Serving, tmp_path: Path):
    run("lm-eval.md", serving, tmp_path)
    (told,) = (tmp_path / "out").rglob("results_*.json")
    results = json.loads(told.read_text("utf-8"))["results"]["sums"]
    assert results["exact_match,none"] == 1.0
