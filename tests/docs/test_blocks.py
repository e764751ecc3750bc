"""What README and docs show works: Python blocks run, commands are spelt as the program has them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from system2.cli.main import parser

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[tuple[str, str]]:
    """(where, text) of every block of a kind."""
    return [
        (f"{page.relative_to(ROOT)}-{match.start()}", match[2])
        for page in PAGES
        for match in BLOCK.finditer(page.read_text("utf-8"))
        if match[1] == kind
    ]


HERE = "http://127.0.0.1:8000"  # blocks that ask a server: test_serving.py has one
PYTHON = [(where, text) for where, text in blocks("python") if HERE not in text]
COMMANDS = [
    (where, line.partition("#")[0].strip())
    for where, text in blocks("sh")
    for line in text.splitlines()
    if re.match(r"(\.venv/bin/)?system2 |make ", line)
]


@pytest.mark.parametrize("text", [text for _, text in PYTHON], ids=[where for where, _ in PYTHON])
def test_python_runs(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(text, "README", "exec"), {"__name__": "shown"})
    assert bool(capsys.readouterr().out.strip()) == ("print(" in text)


@pytest.mark.parametrize(("where", "line"), COMMANDS)
def test_commands_are_spelt_right(where: str, line: str) -> None:
    words = shlex.split(line.partition(" > ")[0])
    if words[0] == "make":
        targets = set(
            re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
        )
        assert words[1] in targets, where
    else:
        parser().parse_args(words[1:])


def test_there_are_some() -> None:
    assert len(PYTHON) >= 2 and len(COMMANDS) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", BLOCK.sub("", page.read_text("utf-8"))):
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page}: {link}"
