"""The npm packages that node/package-lock.json pins, in a folder of their own outside the repository."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from platformdirs import user_cache_path

HERE = Path(__file__).parent / "node"
OFFLINE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|ENOTCACHED|EHOSTUNREACH"
)


def need_node() -> None:
    """Skip the whole module where there is no Node.js."""
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed: its clients need it", allow_module_level=True)


def installed() -> Path:
    """Their node_modules; put there once for each lock. Skips where npm reaches no registry, fails otherwise."""
    lock = (HERE / "package-lock.json").read_bytes()
    place = user_cache_path("system2-tests") / f"node-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not (place / "node_modules").is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="node-", dir=place.parent))
        try:
            install(made)
            made.rename(place)
        except OSError:  # another process was faster
            if not (place / "node_modules").is_dir():
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return place / "node_modules"


def install(folder: Path) -> None:
    """What the lock pins, by its hashes; no package runs a script."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=140
    )
    if done.returncode and OFFLINE.search(done.stderr):
        pytest.skip(f"npm reaches no registry: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr[-3000:]


def node(words: list[str], folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """What node does with these words, in this folder."""
    whole = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1", **env}
    return subprocess.run(
        ["node", *words], cwd=folder, env=whole, capture_output=True, text=True, check=False, timeout=140
    )  # fmt: skip
