"""What README and docs show of the server works: their examples are run against a real one, and say what is printed there."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from system2.effort import EFFORTS
from system2.server.served import KNOWN, configured

ROOT = Path(__file__).parents[2]
HERE = "http://127.0.0.1:8000"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\n```(text|json)\n(.*?)^```)?", re.M | re.S)
CHANGING = {"id", "created", "run_id", "thinking_ms", "reasoning_content"}
"""What is another with every reply; there must be some all the same."""


def asking(kind: str) -> list[Any]:
    """Blocks of a kind that ask a server, each with what is said to be printed."""
    return [
        pytest.param(match[2], match[4], id=f"{page.relative_to(ROOT)}-{match.start()}")
        for page in PAGES
        for match in BLOCK.finditer(page.read_text("utf-8"))
        if match[1] == kind
        and HERE in match[2]
        and match[2].startswith(("curl ", "from ", "import "))
    ]


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A server, as `system2 serve` begins it."""
    command = [sys.executable, "-m", "system2", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr
            told = iter(process.stderr.readline, "")
            found = next(
                filter(None, (re.search(r"(http://127\.0\.0\.1:\d+)/v1", one) for one in told)),
                None,
            )
            assert found, "the server did not begin"
            yield found[1]
        finally:
            process.terminate()
            process.communicate(timeout=60)


@pytest.mark.parametrize(("text", "printed"), asking("python"))
def test_python_says_what_is_shown(base: str, text: str, printed: str | None):
    code = compile(text.replace(HERE, base), "example", "exec")
    names: dict[str, Any] = {"__name__": "__shown__"}
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, names)
    names["client"].close()
    said = out.getvalue()
    assert said.strip()
    if printed is not None:
        assert said == printed
    assert "False" not in said


@pytest.mark.parametrize(("text", "printed"), asking("sh"))
def test_commands_say_what_is_shown(base: str, text: str, printed: str | None):
    done = subprocess.run(["sh", "-ec", text.replace(HERE, base)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "error" not in said
    if printed is not None:
        part_of(json.loads(printed), said)


def part_of(shown: Any, said: Any) -> None:
    """What is shown was said: every field of it, and every entry of a list."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            if name in CHANGING:
                assert said[name], name
            else:
                part_of(value, said[name])
    elif isinstance(shown, list):
        for ours, theirs in zip(shown, said, strict=True):
            part_of(ours, theirs)
    else:
        assert shown == said


def tables() -> list[Any]:
    """Blocks of TOML that offer models."""
    return [
        pytest.param(match[2], id=f"{page.relative_to(ROOT)}-{match.start()}")
        for page in PAGES
        for match in BLOCK.finditer(page.read_text("utf-8"))
        if match[1] == "toml" and "[[model]]" in match[2]
    ]


@pytest.mark.parametrize("text", tables())
def test_models_files_are_taken(text: str, tmp_path: Path):
    file = tmp_path / "models.toml"
    file.write_text(text, "utf-8")
    variables = dict.fromkeys(re.findall(r'key_env = "(\w+)"', text), "secret")
    assert len(configured(file, variables)) == text.count("[[model]]")


def test_every_entry_and_effort_is_told():
    told = (ROOT / "docs" / "serving.md").read_text("utf-8")
    for name in [*KNOWN, *EFFORTS]:
        assert f"`{name}`" in told or f"-{name}`" in told or f'`"{name}"`' in told, name


def test_there_are_some():
    assert len(asking("python")) >= 5
    assert len(asking("sh")) >= 2
    assert tables()
