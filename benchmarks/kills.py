"""`kill -9` at random points of a run, and going on: the same answer, nothing paid for twice?

    python benchmarks/kills.py [--kills 20] [--seed 1]

The embedded model thinks along 24 lines in a process of its own, which is killed after a random number of the
events that the undisturbed run tells; `system2 resume` goes on. Bars: the same answer and lines every time, 0
continuations bought that had been completed before.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from system2.core import Called, Replied, Resumed
from system2.store import read

QUESTION = "Use 3, 7, 11, 12 to make 45"
ASK = ("ask", QUESTION, "--samples", "24", "--seed", "7", "--json")


def begun(data: Path, *words: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    env = {**os.environ, "XDG_DATA_HOME": str(data)}
    return subprocess.Popen(
        [sys.executable, "-m", "system2", *words],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def told(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The answer and the number of lines."""
    out, _ = process.communicate(timeout=300)
    found = json.loads(out or b"{}")
    return {name: found.get(name) for name in ("answer", "samples")}


def trace(data: Path) -> Path | None:
    """The only trace there is."""
    return next(iter((data / "system2" / "runs").glob("*.jsonl")), None)


def killed(data: Path, lines: int) -> bool:
    """Ask, and kill after so many lines of the trace; False: it was over before."""
    process = begun(data, *ASK)
    while process.poll() is None:
        if (path := trace(data)) and path.read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.001)
    over = process.poll() is not None
    process.kill()
    process.communicate()
    return not over


def twice(path: Path) -> int:
    """Continuations asked for again although they had been completed before the kill."""
    events = list(read(path))
    at = next((n for n, event in enumerate(events) if isinstance(event, Resumed)), len(events))
    over = {event.call for event in events[:at] if isinstance(event, Replied)}
    paid = {s for e in events[:at] if isinstance(e, Called) and e.call in over for s in e.seeds}
    return len(paid & {s for e in events[at:] if isinstance(e, Called) for s in e.seeds})


def main() -> None:
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(description="killed runs go on")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = told(begun(Path(folder), *ASK))
        path = trace(Path(folder))
        length = path.read_bytes().count(b"\n") if path else 1
    same = again = late = 0
    for _ in range(given.kills):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder)
            late += not killed(data, rng.randrange(1, length))
            same += told(begun(data, "resume", "last", "--json")) == whole
            path = trace(data)
            again += twice(path) if path else 0
    verdict = "met" if same == given.kills and not again else "MISSED"
    print(
        f"{given.kills} kills at random among {length} events ({late} came after the end): {verdict}"
    )
    print(f"  the same answer and lines {same} times; {again} completed continuations bought again")


if __name__ == "__main__":
    main()
