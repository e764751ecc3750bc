"""`system2 resume`, in processes of their own: killed at any moment, a run ends as if it had not been."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from cli.command import finish, run, start

from system2.core import Called, Recalled, Replied, Resumed
from system2.store import read

QUESTION = "Use 3, 7, 11, 12 to make 45"
ASK = ("ask", QUESTION, "--samples", "24", "--seed", "7", "--json")


def traces(data: Path) -> list[Path]:
    return sorted((data / "system2" / "runs").glob("*.jsonl"))


def told(out: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(out).items() if name in ("answer", "samples")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The run that nobody kills."""
    return told(run(*ASK, data=tmp_path_factory.mktemp("whole")).out)


@pytest.mark.parametrize("lines", [1, 30, 60, 90])
def test_killed_it_goes_on_to_the_same_answer(
    lines: int, whole: dict[str, Any], tmp_path: Path
) -> None:
    process = start(*ASK, data=tmp_path)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        found = traces(tmp_path)
        if found and found[0].read_bytes().count(b"\n") >= lines:
            break
        time.sleep(0.002)
    process.kill()
    finish(process)
    ran = run("resume", "last", "--json", data=tmp_path)
    assert ran.status in (0, 1) and told(ran.out) == whole, ran.err
    assert "going on with" in ran.err
    events = list(read(traces(tmp_path)[0]))
    at = next(n for n, event in enumerate(events) if isinstance(event, Resumed))
    over = {event.call for event in events[:at] if isinstance(event, Replied)}
    paid = {s for e in events[:at] if isinstance(e, Called) and e.call in over for s in e.seeds}
    again = {s for e in events[at:] if isinstance(e, Called) for s in e.seeds}
    assert not paid & again
    assert sum(isinstance(event, Recalled) for event in events) == len(paid)


def test_more_of_a_run_that_is_over(tmp_path: Path) -> None:
    first = json.loads(run("ask", "17 * 23", "--json", data=tmp_path).out)
    ran = run(
        "resume", first["run"][:15], "--samples", "16", "--effort", "high", "--json", data=tmp_path
    )
    more = json.loads(ran.out)
    assert (more["run"], more["answer"]) == (first["run"], "391")
    assert more["usage"]["calls"] >= first["usage"]["calls"]
    assert len(traces(tmp_path)) == 1
    listed = json.loads(run("runs", "--json", data=tmp_path).out)
    assert [one["run"] for one in listed] == [first["run"]] and listed[0]["answer"] == "391"
    assert "391" in run("trace", "last", "--tree", data=tmp_path).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "there is no run 'nothing'"),
        (("last", "--samples", "0"), "samples must be from 1"),
        (("last", "--effort", "huge"), "there is no effort 'huge'"),
        (("last", "--tokens", "-1"), "tokens must be at least 1"),
    ],
)
def test_what_cannot_go_on_is_told(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    run("ask", "1+1", "--effort", "low", data=tmp_path)
    before = traces(tmp_path)[0].read_bytes()
    ran = run("resume", *words, data=tmp_path)
    assert ran.status == 1 and said in ran.said and ran.out == ""
    assert traces(tmp_path)[0].read_bytes() == before


def test_a_trace_of_another_version_is_told(tmp_path: Path) -> None:
    run("ask", "1+1", "--effort", "low", data=tmp_path)
    path = traces(tmp_path)[0]
    path.write_bytes(path.read_bytes().replace(b'"version":"2"', b'"version":"9"', 1))
    ran = run("resume", "last", data=tmp_path)
    assert ran.status == 1 and "trace format 9; this system2 reads 2" in ran.said


def test_two_do_not_go_on_with_one_run(tmp_path: Path) -> None:
    process = start("ask", QUESTION, "--samples", "2000", "--tokens", "1000000", data=tmp_path)
    end = time.monotonic() + 60
    while time.monotonic() < end and not traces(tmp_path):
        time.sleep(0.01)
    ran = run("resume", "last", data=tmp_path)
    os.kill(process.pid, signal.SIGINT)
    finish(process)
    assert ran.status == 1 and "still going on in another process" in ran.said
