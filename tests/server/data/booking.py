"""A process that books calls and says on standard output, only then, that they are booked. To be killed."""

from __future__ import annotations

import asyncio
import sys
from decimal import Decimal

from system2.core import Usage
from system2.server.data import Database, Entry, Ledger


async def main(url: str, first: int) -> None:
    """Four at a time from `first` on, without end."""
    async with Database.open(url) as db, Ledger.open(db) as ledger:

        async def book(lane: int) -> None:
            call = first + lane
            while True:
                entry = Entry(
                    1_795_348_800, "req", "run", "key_a", "m", "policy", call, Usage(prompt=1),
                    dollars=Decimal("0.000001"),
                )  # fmt: skip
                await ledger.book([entry])
                sys.stdout.write(f"{call}\n")
                sys.stdout.flush()
                call += 4

        await asyncio.gather(*(book(lane) for lane in range(4)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
