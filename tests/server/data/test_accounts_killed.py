"""A process that is killed loses nothing that it acknowledged, and nothing is booked twice."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import system2
from system2.server.data import Database, Ledger

SOURCE = str(Path(system2.__file__).parents[1])
BOOKING = str(Path(__file__).with_name("booking.py"))
ROUNDS = 3


def killed(url: str, first: int, after: int) -> set[int]:
    """Let it book from `first` on, kill it once it has acknowledged so many; what it acknowledged."""
    process = subprocess.Popen(
        [sys.executable, BOOKING, url, str(first)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": SOURCE},
    )
    with process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(after)]
        process.kill()
        lines += process.stdout.readlines()
    return {int(line) for line in lines if line.endswith(b"\n")}


def test_killed_while_it_books(url: str) -> None:
    sure: set[int] = set()
    for n in range(ROUNDS):  # each books the last calls of the one before again, as a resumed run
        sure |= killed(url, max(1, max(sure, default=0) - 10), 30 + 7 * n)

    async def main() -> None:
        async with Database.open(url) as db, Ledger.open(db) as ledger:
            entries = await ledger.entries("run")
            calls = [entry.call for entry in entries]
            assert len(calls) == len(set(calls))  # nothing twice
            assert sure <= set(calls)  # nothing lost
            assert await ledger.spent("key_a") == len(calls) * Decimal("0.000001")
            (told,) = await ledger.usage(())
            assert told.calls == told.usage.prompt == len(calls)

    asyncio.run(main())
    assert len(sure) >= 20 * ROUNDS
