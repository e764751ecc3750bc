"""inspect-ai, the command: both APIs, with reasoning tokens in its log."""

from __future__ import annotations

import json
from pathlib import Path

from clients.pages import need, run
from clients.serving import Serving

need("inspect_ai", "inspect-ai")


def test_the_page(serving: Serving, tmp_path: Path):
    run("inspect-ai.md", serving, tmp_path)
    for folder in ("chat", "responses"):
        (log,) = (tmp_path / folder).glob("*.json")
        told = json.loads(log.read_text("utf-8"))
        assert told["status"] == "success"
        (score,) = told["results"]["scores"]
        assert score["metrics"]["accuracy"]["value"] == 1.0
        (usage,) = told["stats"]["model_usage"].values()
        assert 0 < usage["reasoning_tokens"] < usage["output_tokens"]
