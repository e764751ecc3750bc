"""Runs what a page of docs/clients shows: its files are written, its commands run, its outputs compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from clients.serving import Serving

PAGES = Path(__file__).parents[2] / "docs" / "clients"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"`([\w-]+\.(?:py|yaml|jsonl))`")
SHOWN = ("pip install", "npm install", "system2 serve", "open-webui serve")


def need(module: str, package: str) -> None:
    """Skip the whole module where this client is not installed."""
    if find_spec(module) is None:
        pytest.skip(f"{package} is not installed: pip install {package}", allow_module_level=True)


def run(page: str, serving: Serving, folder: Path) -> str:
    """Everything that the page shows, in this folder; the output of its last block."""
    text = (PAGES / page).read_text("utf-8").replace("http://127.0.0.1:8000", serving.root)
    said, names = "", list[str]()
    before = 0
    for block in BLOCK.finditer(text):
        names += NAME.findall(text[before : block.start()])
        before = block.end()
        kind, body = block[1], block[2]
        if kind == "text":
            assert said.strip() == body.strip(), page
        elif kind == "sh":
            lines = [line for line in body.splitlines() if not line.startswith(SHOWN)]
            said = ran(["bash", "-e", "-c", "\n".join(lines)], folder) if lines else said
        elif names and kind in ("yaml", "json", "py"):
            (folder / names.pop(0)).write_text(body)
        elif kind == "py":
            said = ran([sys.executable, "-c", body], folder)
        elif kind == "js":
            said = ran(["node", "--input-type=module", "--eval", body], folder)
        else:
            raise AssertionError(f"{page}: nobody knows what to do with a block of {kind}")
    return said


def ran(command: list[str], folder: Path) -> str:
    """What a command prints."""
    env = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LLM_USER_PATH": str(folder),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout
