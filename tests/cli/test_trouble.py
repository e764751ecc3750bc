"""Servers that are dead, slow or refuse, a disk that is full, Ctrl-C: the best answer so far, and a sentence."""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.command import finish, run, start, traces
from policies.counting_server import Manners, Server

from system2.core import Finished, Started
from system2.store import read

NAME = ("--model-name", "pretend")


def test_dead_server():
    ran = run("ask", "2+2", "--model", "http://127.0.0.1:9/v1", *NAME)
    assert ran.status == 1 and ran.out == "" and "Traceback" not in ran.err
    assert "http://127.0.0.1:9/v1" in ran.said and "is it running" in ran.said


def test_slow_server():
    with Server(Manners(hang="start")) as server:
        began = time.monotonic()
        ran = run("ask", "2+2", "--model", server.url, *NAME, "--seconds", "1")
    assert time.monotonic() - began < 30
    assert ran.status == 1 and ran.out == "" and "Traceback" not in ran.err
    assert "ended: time" in ran.err and "give more --seconds" in ran.said


def test_wrong_key(tmp_path: Path):
    secret = tmp_path / "key"
    secret.write_text("sk-wrong-and-secret\n")
    with Server(Manners(key="sk-right")) as server:
        words = ("ask", "2+2", "--model", server.url, *NAME)
        for ran in (
            run(*words, "--key-file", str(secret), data=tmp_path),
            run(*words, OPENAI_API_KEY="sk-wrong-and-secret", data=tmp_path),
            run(*words, data=tmp_path),
        ):
            assert ran.status == 1 and ran.out == "" and "Traceback" not in ran.err
            assert server.url in ran.said and "401" in ran.said and "--key-file" in ran.said
            assert "secret" not in ran.err
        assert len(traces(tmp_path)) == 3
        assert not any("secret" in path.read_text() for path in traces(tmp_path))
        secret.write_text("sk-right")
        assert run(*words, "--key-file", str(secret)).status == 0


def at_most(size: int) -> Callable[[], None]:
    """A disk that takes files of this many bytes and no more."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [0, 500, 3000, 9000])
def test_full_disk(size: int, tmp_path: Path):
    with Server() as server:
        words = ("ask", "2+2", "--model", server.url, *NAME, "--seed", "1", "--samples", "16")
        whole = run(*words)
        ran = run(*words, data=tmp_path, before=at_most(size))
    assert ran.out == whole.out != ""
    assert ran.status == 1 and "Traceback" not in ran.err
    assert "trace could not be written" in ran.said and "the answer stands" in ran.said
    (path,) = traces(tmp_path)
    assert path.stat().st_size <= size
    events = list(read(path))
    assert not any(isinstance(event, Finished) for event in events)
    assert isinstance(events[0], Started) if size else not events


def test_interrupted_with_an_answer(tmp_path: Path):
    with Server(Manners(pace=0.01)) as server:
        process = start(
            "ask", "2+2", "--model", server.url, *NAME,
            "--effort", "max", "--at-once", "2", data=tmp_path,
        )  # fmt: skip
        for _ in range(600):
            if any('"final":true' in path.read_text() for path in traces(tmp_path)):
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert ran.status == 130 and "Traceback" not in ran.err
    assert ran.out.strip().isdigit()
    assert "ended: interrupted" in ran.said and "tokens" in ran.said and "price unknown" in ran.said
    (path,) = traces(tmp_path)
    *_, end = read(path)
    assert isinstance(end, Finished) and end.why == "interrupted"
    assert end.usage.completion > 0


def test_interrupted_before_any_answer(tmp_path: Path):
    with Server(Manners(hang="start")) as server:
        process = start("ask", "2+2", "--model", server.url, *NAME, data=tmp_path)
        for _ in range(600):
            if server.records:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        ran = finish(process)
    assert ran.status == 130 and "Traceback" not in ran.err
    assert "ended: interrupted" in ran.err and "0 tokens" in ran.err
    assert "interrupted before" in ran.said
