"""A child process that answers one question at a time, and is killed when it is late. Knows no question.

The same file is both ends of the pipe: imported, the parent's; run with a script's path, the child's.
The child imports nothing of ours, so that it starts wherever the parent did.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from threading import Event, Lock, Timer
from typing import IO, Any

BEGIN = 120.0  # seconds a child may take to import what it needs, on a busy machine
MEMORY = 2 << 30  # bytes a child may use
READY = b"ready\n"


class Worker:
    """Runs `answer(question)` of a script in a child process; started when first asked."""

    def __init__(self, script: Path) -> None:
        self.script = script
        self.child: Popen[bytes] | None = None
        self.owner = os.getpid()
        self.starts = 0
        self.lock = Lock()
        self.left: Event | None = None  # of the question under way: set when nobody waits any more
        self.line = ThreadPoolExecutor(1, "system2-worker")  # one question at a time
        atexit.register(self.close)

    async def ask(self, question: object, seconds: float) -> Any:
        """What the script answers; None: it was late or died of it. Waits for earlier questions first.

        Who stops waiting ends what the child computes for it: an interpreter that exits waits for no answer.
        Raises RuntimeError where the child cannot be started.
        """
        told = json.dumps(question).encode() + b"\n"
        left = Event()
        try:
            return await asyncio.wrap_future(self.line.submit(self._ask, told, seconds, left))
        except asyncio.CancelledError:
            left.set()
            with self.lock:
                if self.left is left and self.child:
                    self.child.kill()
            raise

    def close(self) -> None:
        """End the child; a later question starts another. A forked process leaves its parent's alone."""
        if os.getpid() == self.owner:
            self._end()

    def _ask(self, told: bytes, seconds: float, left: Event) -> Any:
        child = self.child
        if child is None or child.poll() is not None:
            self._end()
            child = self._start()
        with self.lock:
            if left.is_set():
                return None
            self.left = left
        said = self._exchange(child, told, seconds)
        with self.lock:
            self.left = None
        if left.is_set():
            self._end()  # it may have been killed after it answered
            return None
        return json.loads(said) if said else None

    def _start(self) -> Popen[bytes]:
        command = [sys.executable, "-P", __file__, str(self.script)]
        self.child = Popen(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
        self.starts += 1
        said = self._exchange(self.child, b"", BEGIN)
        if said != READY:
            why = said.decode(errors="replace").strip() or f"nothing came in {BEGIN:.0f} seconds"
            self._end()
            raise RuntimeError(f"the worker {self.script.name} could not be started: {why}")
        return self.child

    def _exchange(self, child: Popen[bytes], told: bytes, seconds: float) -> bytes:
        """Write a line and read one; b"" where the child had to be killed, or died."""
        late = Event()

        def kill() -> None:
            late.set()
            child.kill()

        assert child.stdin and child.stdout
        timer = Timer(seconds, kill)
        timer.daemon = True
        timer.start()
        try:
            if told:
                child.stdin.write(told)
                child.stdin.flush()
            said = child.stdout.readline()
        except OSError:
            said = b""
        finally:
            timer.cancel()
            timer.join()
        if late.is_set() or not said.endswith(b"\n"):
            self._end()
            return b"" if late.is_set() else said
        return said

    def _end(self) -> None:
        child, self.child = self.child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            try:
                if pipe:
                    pipe.close()
            except OSError:  # what was not written is not wanted
                continue


def worker(script: str) -> Worker:
    """The one worker of this process that runs a script of this folder."""
    return _worker(script, os.getpid())


@cache
def _worker(script: str, process: int) -> Worker:
    # by process: threads and pipes do not outlive a fork
    return Worker(Path(__file__).with_name(script))


# ---------------------------------------------------------------- the child's end


def serve(script: str, questions: IO[bytes], out: IO[bytes]) -> None:
    """Answer each line of JSON with one; null where the script fails."""
    _limit("RLIMIT_AS", MEMORY)
    try:
        answer = _loaded(script)
    except Exception as error:  # noqa: BLE001  told to the parent, who raises it
        out.write(f"{type(error).__name__}: {' '.join(str(error).split())}\n".encode())
        return
    out.write(READY)
    out.flush()
    for told in questions:
        question = json.loads(told)
        # a child whose parent was killed ends too, in the middle of whatever it computes
        _limit("RLIMIT_CPU", int(sum(os.times()[:2]) + question.get("seconds", BEGIN)) + 2)
        try:
            said = answer(question)
        except Exception:  # noqa: BLE001  a question that breaks the script has no answer
            said = None
        out.write(json.dumps(said).encode() + b"\n")
        out.flush()


def _loaded(script: str) -> Callable[[Any], Any]:
    spec = importlib.util.spec_from_file_location(Path(script).stem, script)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.answer


def _limit(name: str, most: int) -> None:
    """Limit this process, where the system has such limits."""
    try:
        import resource

        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most if hard < 0 else min(most, hard), hard))
    except (ImportError, AttributeError, ValueError, OSError):
        return


if __name__ == "__main__":
    pipe = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no answer
    serve(sys.argv[1], sys.stdin.buffer, pipe)
