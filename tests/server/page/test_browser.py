"""The page in a real browser: asks the embedded model, watches it think, reloads in mid-run, looks at a large tree.

And what a person does with it in the course of a day, with a backend that has a price and writes poor summaries.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from server.plain_backend import PlainBackend

from system2 import think
from system2.search import mcts

HOME = Path(__file__).parents[3] / "page"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
NODE = shutil.which("node") or ""
FIRST_PAINT = 1_500  # milliseconds until a tree of a thousand steps stands there

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and NODE and (HOME / "node_modules" / "playwright-core").is_dir()),
        reason="the browser test needs chromium, node, and `npm ci` in page/",
    ),
]

ANSWER = r"""Because **so** it is: \(a^2\) and $b$.

$$\frac{1}{2}$$

| one | two |
|---|---|
| 1 | 2 |

```python
print("a line of code that is a good deal longer than any telephone is wide, and then some more of it")
```

<script>globalThis.taken = 1</script><img src=x onerror="globalThis.taken = 2"><b onclick="globalThis.taken = 3">b</b><br>
[a trap](javascript:globalThis.taken=4) ![a beacon](http://192.0.2.1/seen.png)

Answer: 4"""


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """The address of a server that makes one call at a time, so that a search can be watched."""
    command = [sys.executable, "-m", "system2", "serve", "--port", "0", *options]
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


def visit(script: str, *arguments: str) -> dict[str, int]:
    """The figures that a script told, which found all as it should be."""
    done = subprocess.run(
        [NODE, f"test/{script}", *arguments],
        cwd=HOME,
        env={**os.environ, "CHROMIUM": CHROMIUM},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_page_in_a_browser(tmp_path: Path):
    big = think("Make 24 from 4 7 8 8", strategy=mcts(64), seed=1, tokens=18_200)
    assert len(big.tree.nodes) > 900
    with serving("--at-once", "1") as base:
        figures = visit("browser.mjs", base, big.run, str(tmp_path))
    assert figures["boxes"] > 2
    assert figures["first_paint_ms"] < FIRST_PAINT


def said(asked: str) -> str:
    """An answer; a summary in no form that one may have."""
    return "x" * 200 if "<thoughts>" in asked else ANSWER


def test_the_habits_of_those_who_use_it(tmp_path: Path):
    with PlainBackend(said) as backend:
        config = tmp_path / "models.toml"
        config.write_text(
            '[[model]]\nname = "mini"\nat_once = 1\n'
            f'[[model]]\nname = "dear"\nmodel = "{backend.url}"\nmodel_name = "far"\nprice = "2/8"\n'
            f'[[model]]\nname = "other"\nmodel = "{backend.url}"\nmodel_name = "far"\n'
        )
        with serving("--config", str(config)) as base:
            assert visit("habits.mjs", base, str(tmp_path))["axe"] == 18
