"""A child process that is late, dies, prints, or cannot start."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from system2.verifiers.worker import Worker

Make = Callable[[str], Worker]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Workers that run a given script."""
    made: list[Worker] = []

    def run(text: str) -> Worker:
        path = tmp_path / f"script{len(made)}.py"
        path.write_text(text, "utf-8")
        made.append(Worker(path))
        return made[-1]

    yield run
    for worker in made:
        worker.close()
        worker.line.shutdown()


def ask(worker: Worker, question: object, seconds: float = 60.0) -> object:
    return asyncio.run(worker.ask(question, seconds))


WILLING = """
import os, time
def answer(question):
    do = question["do"]
    if do == "sleep": time.sleep(3600)
    if do == "die": os._exit(7)
    if do == "raise": raise ZeroDivisionError
    if do == "print": print("noise")
    if do == "big": return "x" * 10**6
    if do == "where": return os.getpid()
    return do
"""


def test_one_child_answers_many_questions_from_many_loops(make: Make) -> None:
    worker = make(WILLING)
    assert [ask(worker, {"do": do}) for do in ("a", "print", "\ud800\x00", "raise")] == [
        "a", "print", "\ud800\x00", None,
    ]  # fmt: skip
    assert ask(worker, {"do": "big"}) == "x" * 10**6
    assert ask(worker, {"do": "where"}) != os.getpid()
    assert worker.starts == 1


def test_a_late_child_is_killed_and_another_one_started(make: Make) -> None:
    worker = make(WILLING)
    first = ask(worker, {"do": "where"})
    assert ask(worker, {"do": "sleep"}, 0.1) is None
    assert worker.child is None
    second = ask(worker, {"do": "where"})
    assert first != second and worker.starts == 2
    assert isinstance(first, int)
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_child_that_dies_answers_nothing(make: Make) -> None:
    worker = make(WILLING)
    assert ask(worker, {"do": "die"}) is None
    assert ask(worker, {"do": "b"}) == "b"


def test_who_stops_waiting_leaves_a_worker_that_works(make: Make) -> None:
    worker = make(WILLING)

    async def main() -> object:
        waiting = [asyncio.create_task(worker.ask({"do": "sleep"}, 1.0)) for _ in range(9)]
        await asyncio.sleep(0.05)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return await worker.ask({"do": "c"}, 60.0)

    assert asyncio.run(main()) == "c"
    assert worker.starts <= 2  # those that had not begun never did


def test_who_stops_waiting_ends_what_is_computed_for_it(make: Make) -> None:
    worker = make(WILLING)
    ask(worker, {"do": "a"})

    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await worker.ask({"do": "sleep"}, 3600.0)
        began = time.monotonic()
        assert await worker.ask({"do": "c"}, 60.0) == "c"
        return time.monotonic() - began

    assert asyncio.run(main()) < 30


def test_a_script_that_cannot_be_loaded_is_told(make: Make) -> None:
    worker = make("import no_such_module")
    with pytest.raises(RuntimeError, match=r"could not be started: ModuleNotFoundError.*no_such"):
        ask(worker, {})
    with pytest.raises(RuntimeError, match="could not be started"):
        ask(make("raise SystemExit"), {})


def test_memory_is_limited(make: Make) -> None:
    pytest.importorskip("resource")
    worker = make("def answer(question): return len(bytearray(8 << 30))")
    assert ask(worker, {}) is None
