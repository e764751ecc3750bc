"""How usage.py and faults.py ask, and how they judge a machine that is too busy to be timed."""

from __future__ import annotations

import threading
import time
from typing import Any

from server import Server

from system2 import Result, think

MODEL = "pretend"
QUESTION = "How many days has a week?"
AT_ONCE = 64


def ask(server: Server, question: str = QUESTION, **options: Any) -> Result:
    """One question to the server."""
    if "policy" not in options:
        options |= {"model": server.url, "model_name": MODEL}
    return think(question, at_once=AT_ONCE, verifier=None, trace=False, **options)


def verdict(fine: bool) -> str:
    """In a word."""
    return "met" if fine else "MISSED"


class Lag:
    """How far this machine oversleeps while a block runs: beyond a bar in time, the bar says nothing.

    work   seconds of CPU time of this process in the block, later than `after` seconds
    """

    def __init__(self, after: float = 0.0) -> None:
        self.after, self.worst, self.work = after, 0.0, 0.0
        self.over = threading.Event()

    def __enter__(self) -> Lag:
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def watch(self) -> None:
        """Sleep and see."""
        start, cpu = time.perf_counter(), time.process_time()
        while not self.over.is_set():
            began = time.perf_counter()
            if began - start < self.after:
                cpu = time.process_time()
            time.sleep(0.01)
            self.worst = max(self.worst, time.perf_counter() - began - 0.01)
        self.work = time.process_time() - cpu
