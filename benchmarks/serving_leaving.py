"""Clients that leave at random points of a request, streamed or not: how soon the backend is left alone (serving.py).

    python benchmarks/serving_leaving.py [--clients 500] [--at-once 12] [--effort low] [--seed 1] [--rate 20]

Bars: the backend's calls of a client end within a second of its leaving at the 99th percentile; nothing runs
afterwards; no more than one step is sent after it has left, and all of it is booked.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from random import Random

from asking import Lag
from replies import Manners
from serving import Serving, body_of, completion, sent, share, verdict

STEP = 12  # tokens of a step: the pretend replies have a blank line every twelve


async def leaves(one: Serving, n: int, after: float) -> float:
    """Ask, read what comes for so long, and go; when that was."""
    path, body = body_of(n, n % 4 > 1, f"client {n:04}, ")
    reader, writer = await one.open(path, body)
    try:
        async with asyncio.timeout(after):
            while await reader.read(65_536):
                pass
    except TimeoutError:
        pass  # time to leave, in the middle
    left = time.monotonic()
    writer.transport.abort()
    return left


async def all_leave(one: Serving, given: argparse.Namespace) -> list[float]:
    """So many clients, some of them at once, each for a random time."""
    dice, gate = Random(given.seed), asyncio.Semaphore(given.at_once)
    spans = [dice.choice((0.0, 0.02, 0.2, 1.0)) * dice.random() * 3 for _ in range(given.clients)]

    async def client(n: int) -> float:
        async with gate:
            return await leaves(one, n, spans[n])

    return list(await asyncio.gather(*(client(n) for n in range(given.clients))))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="clients that leave")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=20.0, help="tokens a second of a reply")
    parser.add_argument("--effort", default="low")
    parser.add_argument("--at-once", type=int, default=12, help="clients at the same time")
    given = parser.parse_args()
    with (
        Serving(("--effort", given.effort, "--most", "512", "--at-once", "512")) as one,
        Lag() as lag,
    ):
        one.backend.behave(Manners())
        asyncio.run(one.ask(*body_of(0, False)))  # loads aiohttp
        _, since = one.settled(0)
        one.backend.behave(Manners(seed=given.seed, rate=given.rate, length=400))
        lefts = asyncio.run(all_leave(one, given))
        end = time.monotonic()
        rows, _ = one.settled(since)
        records = one.backend.counts()
        metrics = asyncio.run(one.ask("/metrics")).body.decode()
    late: list[float] = []
    after: list[int] = []
    begun = 0
    for n, left in enumerate(lefts):
        mine = [r for r in records if f"client {n:04}, " in r.said]
        begun += bool(mine)
        late += [max(0.0, r.ended - left) for r in mine if r.ended > left]
        late += [end - left for r in mine if not r.ended]
        after.append(sum(t > left for r in mine for t in r.times))
    calls = max(1, max((sum(f"client {n:04}, " in r.said for r in records) for n in range(len(lefts))), default=1))  # fmt: skip
    running = [line for line in metrics.splitlines() if line.startswith("system2_runs_active")]
    orphans = sum(float(line.split()[-1]) for line in running)
    still = sum(r.outcome == "open" for r in records)
    booked, true, unseen = completion(rows), sent(records), sum(r["unseen"] for r in rows)
    p99, most = share(late, 0.99), max(after, default=0)
    print("| clients that left | bar | measured | |\n|---|---|---|---|")
    print(f"| calls begun for them | | {len(records)} for {begun} of {given.clients} | |")
    print(f"| backend left alone, p50 / p99 / worst | p99 ≤ 1 s | {share(late, 0.5):.3f} / {p99:.3f} / {max(late, default=0):.3f} s | {verdict(p99 <= 1)} |")  # fmt: skip
    print(f"| searches and calls that went on | 0 | {orphans:.0f} and {still} | {verdict(not orphans and not still)} |")  # fmt: skip
    print(f"| tokens sent after leaving, a client, at worst | {STEP} a call, up to {calls} calls | {most} | {verdict(most <= STEP * calls)} |")  # fmt: skip
    print(f"| booked ≤ sent ≤ booked + unseen | | {booked} ≤ {true} ≤ {booked + unseen} | {verdict(booked <= true <= booked + unseen)} |")  # fmt: skip
    print(f"\nAt worst this machine overslept by {lag.worst:.2f} seconds.")
    sys.exit(not (p99 <= 1 and not orphans and not still and most <= STEP * calls))


if __name__ == "__main__":
    main()
