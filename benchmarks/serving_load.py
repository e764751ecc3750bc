"""Many streams at once on one process, its memory, its first event, and the CPU time a request takes (serving.py).

    python benchmarks/serving_load.py [--streams 1000] [--rounds 4] [--requests 100]

Bars: no error among 1,000 streams at once, memory as flat after the last round as after the second; the first
event within 300 ms and a step; at most 5 ms of the server's CPU time a request, the backend's reply of 8 chunks
included. The server's CPU time is the kernel's count for its process; the client's and backend's are not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from typing import Any

from asking import Lag
from replies import Manners
from serving import CHAT, Reply, Serving, body_of, chat, share, verdict

FIRST, CPU, GROWTH = 0.3, 5.0, 1.1


async def streams(one: Serving, count: int, tag: str) -> list[Reply]:
    """All at once."""

    async def stream(n: int) -> Reply:
        path, body = body_of(n, True, tag)
        return await one.ask(path, body)

    return list(await asyncio.gather(*(stream(n) for n in range(count))))


def held(one: Serving, given: argparse.Namespace) -> bool:
    """1,000 streams at once, several times."""
    one.backend.behave(Manners(rate=10, length=20))
    print("| 1,000 streams at once | errors | unfinished | first event p50 / p99 | all over | CPU | RSS | |".replace("1,000", f"{given.streams:,}"))  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    memory: list[float] = []
    met = True
    for n in range(given.rounds):
        before, began = one.usage()["cpu"], time.monotonic()
        replies = asyncio.run(streams(one, given.streams, f"{n} "))
        took, after = time.monotonic() - began, one.usage()
        memory.append(after["rss"])
        wrong = sum(reply.status != 200 or b'"error"' in reply.body.replace(b'"error":null', b"") for reply in replies)  # fmt: skip
        short = sum(not reply.whole() for reply in replies)
        first = [reply.first - reply.began for reply in replies]
        met = met and not wrong and not short
        print(f"| round {n + 1} | {wrong} | {short} | {share(first, 0.5):.2f} / {share(first, 0.99):.2f} s | {took:.1f} s | {after['cpu'] - before:.1f} s | {after['rss']:.0f} MiB | {verdict(not wrong and not short)} |", flush=True)  # fmt: skip
    flat = memory[-1] <= GROWTH * memory[min(1, len(memory) - 1)]
    print(f"\nMemory after the last round ÷ after the second: {memory[-1] / memory[min(1, len(memory) - 1)]:.2f} (bar {GROWTH}): {verdict(flat)}")  # fmt: skip
    return met and flat


def single(one: Serving, given: argparse.Namespace) -> bool:
    """A request at a time: its first event, and what it takes of the CPU."""
    print("\n| one request at a time | server's CPU p50 | bar | first event p50 / p99 | bar | |")
    print("|---|---|---|---|---|---|")
    met = True
    one.backend.behave(Manners(length=8))
    kinds: list[tuple[str, Any]] = [
        ("chat", lambda n: (CHAT, chat(f"why {n}?"))),
        ("chat, streamed", lambda n: (CHAT, chat(f"why {n}?", True))),
        ("response", lambda n: body_of(2 * n, False)),
        ("response, streamed", lambda n: body_of(2 * n, True)),
    ]
    for name, made in kinds:
        costs, first, statuses = [], [], Counter[int]()
        for n in range(10):
            before = one.usage()["cpu"]
            for m in range(given.requests // 10):
                reply = asyncio.run(one.ask(*made(100 * n + m)))
                statuses[reply.status] += 1
                first.append(reply.first - reply.began)
            costs.append(1000 * (one.usage()["cpu"] - before) / (given.requests // 10))
        cost, p99 = share(costs, 0.5), share(first, 0.99)
        fine = cost <= CPU and p99 <= FIRST and set(statuses) == {200}
        met = met and fine
        print(f"| {name} | {cost:.1f} ms | {CPU:.0f} ms | {1000 * share(first, 0.5):.0f} / {1000 * p99:.0f} ms | {1000 * FIRST:.0f} ms | {verdict(fine)} |", flush=True)  # fmt: skip
    return met


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="what one process holds")
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--requests", type=int, default=100, help="of a kind, one at a time")
    given = parser.parse_args()
    with Serving(("--effort", "none", "--most", "2048", "--at-once", "2048")) as one, Lag() as lag:
        asyncio.run(one.ask(*body_of(0, False)))
        met = single(one, given)
        met = held(one, given) and met
        print(f"\nAt worst this machine overslept by {lag.worst:.2f} seconds.")
    sys.exit(not met)


if __name__ == "__main__":
    main()
