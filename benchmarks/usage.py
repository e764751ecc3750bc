"""What runs report and spend, against a server that misbehaves and counts what it sends (server.py).

    python benchmarks/usage.py [--seed 1] [--runs 3] [--seconds 2] [--only usage,broken,caps] [--json FILE]

usage    reported ÷ true tokens with truncated replies and HTTP 500s: bar 1.000 in every strategy
broken   the same with connections that break and a deadline that cancels: what was reported is never
         less than what reached us, nor more than was sent, and covers the rest as in flight
caps     beyond a cap on tokens, dollars, time, with 64 calls at once: bars 0, 0, 250 ms; always an answer
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import AsyncGenerator, Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from asking import AT_ONCE, MODEL, Lag, ask, verdict
from replies import Manners
from server import Record, Server

from system2.core import Bill, Delta, Price, Request, Strategy
from system2.policies.chat import Chat
from system2.search import (
    aggregate,
    agreed,
    best_of,
    cascade,
    consensus,
    direct,
    force,
    majority,
    revise,
    select,
    single,
)

PRICE = Price(Decimal("2.5"), Decimal(10))
MOST = 100  # tokens of a reply: above the longest of the server's, so that 64 calls fit a small cap
LATE = 0.25  # seconds

STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "direct": direct,
    "single": single,
    "best of 16": lambda: best_of(16),
    "vote of 16": lambda: best_of(16, choose=majority),
    "vote of 32, 2 ahead": lambda: best_of(32, choose=majority, need=agreed(2)),
    "vote of 32, Beta .95": lambda: best_of(32, choose=majority, need=consensus()),
    "cascade 4, 16": lambda: cascade(best_of(4), best_of(16), need=agreed(4)),
    "revise 4": lambda: revise(4),
    "force 2": lambda: force(2),
    "aggregate 4 of 2": lambda: aggregate(4, 2, 3),
    "select 8": lambda: select(8),
}
EFFORTS = ("minimal", "medium", "high")


class Tap:
    """A policy, and what reached us through it: counted apart from the engine."""

    def __init__(self, policy: Chat) -> None:
        self.policy, self.reached = policy, 0

    @property
    def can(self) -> frozenset[str]:
        """As the policy."""
        return self.policy.can

    def prompt_bound(self, request: Request) -> int:
        """As the policy."""
        return self.policy.prompt_bound(request)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """As the policy."""
        async for item in self.policy.stream(request):
            if isinstance(item, Delta):
                self.reached += item.tokens
            yield item


def sent(records: list[Record]) -> int:
    """Completion tokens the server sent."""
    return sum(record.sent for record in records)


def prompts(records: list[Record]) -> int:
    """Prompt tokens of requests that were answered."""
    return sum(record.prompt for record in records if record.outcome != "failed")


def dice(seed: int, name: str) -> int:
    """A seed for the server of every strategy's own."""
    return Random(f"{seed} {name}").getrandbits(31)


def usage(server: Server, given: argparse.Namespace) -> bool:
    """Reported ÷ true, strategy by strategy."""
    print("| strategy | requests | HTTP 500s | completion (bar 1.000) | prompt (bar 1.000) | |")
    print("|---|---|---|---|---|---|")
    met = True
    runs: dict[str, dict[str, Any]] = {name: {"strategy": s} for name, s in STRATEGIES.items()}
    runs |= {f"effort {effort}": {"effort": effort} for effort in EFFORTS}
    for name, options in runs.items():
        told, true, requests, failed = [0, 0], [0, 0], 0, 0
        for seed in range(given.seed, given.seed + given.runs):
            server.behave(Manners(seed=dice(seed, name), truncate=0.2, fail=0.1))
            made = {k: v() if callable(v) else v for k, v in options.items()}
            found = ask(server, seed=seed, **made).usage
            records = server.counts()
            told = [told[0] + found.completion, told[1] + found.prompt]
            true = [true[0] + sent(records), true[1] + prompts(records)]
            requests += len(records)
            failed += sum(record.outcome == "failed" for record in records)
        ratios = [a / b if b else 1.0 for a, b in zip(told, true, strict=True)]
        fine = told == true
        met = met and fine
        print(f"| {name} | {requests} | {failed} | {ratios[0]:.3f} | {ratios[1]:.3f} | {verdict(fine)} |", flush=True)  # fmt: skip
    return met


def broken(server: Server, given: argparse.Namespace) -> bool:
    """The same where connections break and a deadline cancels."""
    print("| strategy | reached us | reported | sent | in flight, reported apart | |")
    print("|---|---|---|---|---|---|")
    met = True
    for name, strategy in STRATEGIES.items():
        totals, fine = [0, 0, 0, 0], True
        for seed in range(given.seed, given.seed + given.runs):
            rate = 80.0 / given.seconds  # a reply takes some three quarters of the time
            server.behave(Manners(dice(seed, name), rate, reset=0.3, truncate=0.1))
            policy = Tap(Chat(MODEL, base_url=server.url))
            end = ask(server, policy=policy, strategy=strategy(), seconds=given.seconds, seed=seed)
            found = end.usage
            row = [policy.reached, found.completion, sent(server.counts()), found.unseen]
            fine = fine and row[0] <= row[1] <= row[2] <= row[1] + row[3]
            totals = [a + b for a, b in zip(totals, row, strict=True)]
        met = met and fine
        print(f"| {name} | {totals[0]} | {totals[1]} | {totals[2]} | ≤ {totals[3]} | {verdict(fine)} |", flush=True)  # fmt: skip
    return met


def caps(server: Server, given: argparse.Namespace) -> bool:
    """How far beyond its caps a run goes, with 64 calls at once."""
    print("| cap | largest overshoot | bar | answers | machine's own lag | |")
    print("|---|---|---|---|---|---|")
    met = True
    wide = best_of(4 * AT_ONCE, choose=majority)
    policy = Chat(MODEL, base_url=server.url)
    tokens = AT_ONCE * MOST
    dollars = AT_ONCE * PRICE.most(500, MOST)
    limits: dict[str, dict[str, Any]] = {
        "tokens": {"tokens": tokens},
        "dollars": {"dollars": dollars, "price": PRICE, "tokens": 10**6},
        "seconds": {"seconds": given.seconds, "tokens": 10**6},
    }
    for name, limit in limits.items():
        over: list[float] = []
        lags: list[float] = []
        work: list[float] = []  # CPU time after the deadline: what is late on a free machine
        answers = 0
        for seed in range(given.seed, given.seed + given.runs):
            rate = 80.0 / given.seconds if name == "seconds" else 0.0
            server.behave(Manners(seed=seed, truncate=0.1, fail=0.1, rate=rate))
            options = {"per_call": MOST, "strategy": wide, "seed": seed, **limit}
            with Lag(given.seconds) as lag:
                began = time.perf_counter()
                found = ask(server, policy=policy, **options)
                took = time.perf_counter() - began
            lags.append(lag.worst)
            work.append(lag.work)
            records = server.counts()
            cost = (PRICE.prompt * prompts(records) + PRICE.completion * sent(records)) / 10**6
            spent = {"tokens": sent(records), "dollars": float(cost), "seconds": took}[name]
            over.append(max(0.0, spent - float(limit[name])))
            answers += found.answer is not None
        most = max(over)
        bar = LATE if name == "seconds" else 0
        fine = most <= bar and answers == len(over)
        met = met and fine
        print(f"| {name} {limit[name]} | {most:.3g} | {bar} | {answers} of {len(over)} | {max(lags):.2f} s | {verdict(fine)} |", flush=True)  # fmt: skip
        if name == "seconds":
            print(f"\nOf what is late, at most {max(work):.2f} seconds were work of this process.")
    return met


PARTS = {"usage": usage, "broken": broken, "caps": caps}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="what runs report and spend")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3, help="of each strategy or cap")
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="the cap on time, and the deadline that cancels"
    )
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--json", help="also write the verdicts here")
    given = parser.parse_args()
    met: dict[str, bool] = {}
    with Server() as server:
        ask(server, strategy=single())  # loads aiohttp
        for name in given.only.split(","):
            print(f"\n{name}\n")
            met[name] = PARTS[name](server, given)
    if given.json:
        Path(given.json).write_text(json.dumps(met))


if __name__ == "__main__":
    main()
