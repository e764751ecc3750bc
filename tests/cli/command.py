"""Runs the real command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import system2

WORD = str | bytes
SOURCE = str(Path(system2.__file__).parents[1])


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """The last line on standard error: there a fault stands."""
        return self.err.splitlines()[-1] if self.err else ""


def start(
    *words: WORD, data: Path | None = None, before: Callable[[], None] | None = None, **env: str
) -> subprocess.Popen[bytes]:
    """Begin `system2 …`; `data` is where its traces go."""
    own = {**os.environ, "PYTHONPATH": SOURCE, **env}
    if data:
        own["XDG_DATA_HOME"] = str(data)
    return subprocess.Popen(
        [sys.executable, "-m", "system2", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=own,
        preexec_fn=before,
    )


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"", seconds: float = 120) -> Ran:
    """Wait for its end."""
    out, err = process.communicate(stdin, timeout=seconds)
    return Ran(process.returncode, out.decode(), err.decode())


def run(
    *words: WORD,
    stdin: bytes = b"",
    data: Path | None = None,
    before: Callable[[], None] | None = None,
    **env: str,
) -> Ran:
    """Run `system2 …` to its end."""
    return finish(start(*words, data=data, before=before, **env), stdin)


def traces(data: Path) -> list[Path]:
    """The traces that lie below a data folder."""
    return sorted(data.rglob("*.jsonl"))
