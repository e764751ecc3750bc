"""JavaScript's clients: OpenAI's SDK, Vercel's AI SDK, LangChain. What each is asked stands in node/*.test.mjs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from clients.packages import HERE, installed, need_node, node
from clients.pages import run
from clients.serving import Serving

need_node()

CASE = re.compile(r"^(not )?ok \d+ - (.+)$", re.MULTILINE)
SCRIPTS = sorted(path.name for path in HERE.glob("*.test.mjs"))


@pytest.fixture(scope="module")
def packages() -> Path:
    """Where they are."""
    return installed()


@pytest.fixture
def folder(packages: Path, tmp_path: Path) -> Path:
    """Where scripts of ours find them."""
    for path in [*HERE.glob("*.mjs"), HERE / "package.json"]:
        shutil.copy(path, tmp_path)
    (tmp_path / "node_modules").symlink_to(packages, target_is_directory=True)
    return tmp_path


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_client(serving: Serving, folder: Path, script: str):
    done = node(["--test", "--test-reporter=tap", script], folder, SYSTEM2_URL=serving.url)
    told = {name: not failed for failed, name in CASE.findall(done.stdout)}
    text = (HERE / script).read_text("utf-8")
    assert len(told) >= len(re.findall(r"\btest\(", text)), done.stdout[-3000:] + done.stderr
    assert done.returncode == 0 and all(told.values()), done.stdout[-6000:] + done.stderr[-2000:]


def test_the_page(serving: Serving, folder: Path):
    run("node.md", serving, folder)


def test_the_page_names_the_versions_that_were_tried():
    page = (Path(__file__).parents[2] / "docs" / "clients" / "node.md").read_text("utf-8")
    pinned = dict(
        re.findall(r'"([@\w/-]+)": "([\d.]+)"', (HERE / "package.json").read_text("utf-8"))
    )
    told = dict(re.findall(r"`([@\w/-]+)` (\d[\d.]*\d)", page))
    assert told
    assert told == {name: pinned[name] for name in told}
