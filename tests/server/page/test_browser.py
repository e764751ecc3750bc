"""The page in a real browser: asks the embedded model, watches it think, reloads in mid-run, looks at a large tree."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from system2 import think
from system2.search import mcts

HOME = Path(__file__).parents[3] / "page"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
NODE = shutil.which("node") or ""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and NODE and (HOME / "node_modules" / "playwright-core").is_dir()),
        reason="the browser test needs chromium, node, and `npm ci` in page/",
    ),
]


@pytest.fixture
def base() -> Iterator[str]:
    """A server that makes one call at a time, so that a search can be watched."""
    command = [sys.executable, "-m", "system2", "serve", "--port", "0", "--at-once", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            found = None
            for line in process.stderr:
                if found := re.search(r"(http://127\.0\.0\.1:\d+)/v1", line):
                    break
            assert found, "the server did not begin"
            yield found[1]
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_the_page_in_a_browser(base: str, tmp_path: Path):
    big = think("Make 24 from 4 7 8 8", strategy=mcts(64), seed=1, tokens=18_200)
    assert len(big.tree.nodes) > 900
    command = [NODE, "test/browser.mjs", base, big.run, str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=HOME,
        env={**os.environ, "CHROMIUM": CHROMIUM},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["boxes"] > 2
