"""Prometheus: what /metrics answers is read by its own parsers, and the page's metrics, rules and configuration are so."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from clients.asking import ask
from clients.serving import Serving
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text("utf-8")
ROW = re.compile(r"^\| `(system2_\w+)` \| ([^|]+) \|", re.MULTILINE)
NAME = re.compile(r"system2_\w+")
OPEN = [("Accept", "application/openmetrics-text; version=1.0.0")]
SUFFIX = re.compile(r"_(total|bucket|count|sum|created)$")


@pytest.fixture(scope="module")
def scraped(serving: Serving) -> str:
    """What a server that has answered says."""
    body = b'{"model": "system2-mini", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}'
    assert ask(serving, "POST", "/v1/chat/completions", body).status == 200
    return ask(serving, "GET", "/metrics").body.decode()


def test_the_page_names_every_metric_with_its_labels(scraped: str):
    told = {SUFFIX.sub("", name): labels.strip() for name, labels in ROW.findall(PAGE)}
    found = {one.name: one for one in families(scraped) if one.name.startswith("system2_")}
    assert set(told) == {name for name in found if not name.endswith("_created")}
    for name, labels in told.items():
        wanted = set() if labels == "–" else {one.strip() for one in labels.split(",")}
        for sample in found[name].samples:
            assert set(sample.labels) - {"le"} == wanted, name


def test_openmetrics_is_read_too(serving: Serving, scraped: str):
    answer = ask(serving, "GET", "/metrics", headers=OPEN)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    names = {one.name for one in open_families(answer.body.decode())}
    assert {"system2_requests", "system2_tokens", "system2_thinking_seconds"} <= names


def test_the_questions_ask_for_metrics_there_are(scraped: str):
    known = {sample.name for one in families(scraped) for sample in one.samples}
    known |= {line.split()[2] for line in scraped.splitlines() if line.startswith("# TYPE")}
    for block in re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL):
        assert {SUFFIX.sub("", one) for one in NAME.findall(block)} <= {
            SUFFIX.sub("", n) for n in known
        }


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_finds_nothing_wrong(scraped: str, tmp_path: Path):
    (config,) = re.findall(r"```yaml\n# prometheus.yml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(config)
    (block,) = re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL)
    asks = [line for line in block.splitlines() if line and not line.startswith("#")]
    rules = "".join(f"  - record: ask:{n}\n    expr: {ask!r}\n" for n, ask in enumerate(asks))
    (tmp_path / "rules.yml").write_text(f"groups:\n- name: page\n  rules:\n{rules}")
    for words, text in (
        (["check", "metrics"], scraped),
        (["check", "config", "prometheus.yml"], ""),
        (["check", "rules", "rules.yml"], ""),
    ):
        done = subprocess.run(
            ["promtool", *words], input=text, cwd=tmp_path, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert words[1] != "metrics" or not done.stdout + done.stderr
