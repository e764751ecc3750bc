"""Failing and hanging calls: how much later 64 samples answer, and whether they answer as well.

    python benchmarks/faults.py [--questions 8] [--seed 1] [--rate 12] [--chunk 3] [--silence 0.5] [--json FILE]

10 % of the calls get an HTTP 500, 5 % are never answered; the same questions without and with that. Bars:
every answer within 1.5 × of its fault-free time, accuracy inside its 95 % interval. With $SYSTEM2_DATA the
replies are recorded ones (server.py --recorded), else pretended. Times are wall-clock: they need a machine
with nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import mean, stdev

from asking import MODEL, QUESTION, Lag, ask, verdict
from replies import FILE, Manners, recorded
from server import Server

from system2.policies.chat import Chat
from system2.search import best_of, majority

SLOWER = 1.5


def kept() -> Path | None:
    """The folder of the recording, where there is one."""
    folder = os.environ.get("SYSTEM2_DATA")
    return Path(folder) if folder and (Path(folder) / FILE).exists() else None


def asked(count: int, seed: int) -> dict[str, str]:
    """Questions and what is right: of the recording where there is one."""
    if folder := kept():
        _, rights = recorded(folder)
        return dict(Random(seed).sample([*rights.items()], count))
    return {f"{QUESTION} ({n})": "7" for n in range(count)}


def answer(
    server: Server, question: str, right: str, manners: Manners, silence: float
) -> tuple[float, bool]:
    """Seconds, and whether it was right."""
    server.behave(manners)
    policy = Chat(MODEL, base_url=server.url, timeout=silence, temperature=0.7)
    vote = best_of(64, choose=majority)
    began = time.perf_counter()
    found = ask(server, question, policy=policy, strategy=vote, tokens=10**6)
    return time.perf_counter() - began, found.answer == right


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="failing and hanging calls")
    parser.add_argument("--questions", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=12.0, help="tokens a second of a reply")
    parser.add_argument("--chunk", type=int, default=3, help="tokens that arrive together")
    parser.add_argument(
        "--silence", type=float, default=0.5, help="seconds after which a silent call hangs"
    )
    parser.add_argument("--json", help="also write the numbers here")
    given = parser.parse_args()
    rights = asked(given.questions, given.seed)
    whole: list[tuple[float, bool]] = []
    faulty: list[tuple[float, bool]] = []
    with Lag() as lag, Server(recorded=kept() is not None) as server:
        answer(server, QUESTION, "7", Manners(), 60.0)  # loads aiohttp
        for n, (question, right) in enumerate(rights.items()):
            good = Manners(seed=given.seed + n, rate=given.rate, per_chunk=given.chunk, right=0.4)
            bad = replace(good, fail=0.10, hang=0.05)
            whole.append(answer(server, question, right, good, given.silence))
            faulty.append(answer(server, question, right, bad, given.silence))
    times = [[seconds for seconds, _ in ends] for ends in (whole, faulty)]
    hits = [[float(hit) for _, hit in ends] for ends in (whole, faulty)]
    worst = max(b / a for a, b in zip(*times, strict=True))
    apart = [b - a for a, b in zip(*hits, strict=True)]
    half = 1.96 * stdev(hits[0]) / len(hits[0]) ** 0.5 if len(apart) > 1 else 0.0
    inside = abs(mean(apart)) <= half + 1e-9
    print("| | fault-free | with faults | | bar | |")
    print("|---|---|---|---|---|---|")
    print(
        f"| seconds | {mean(times[0]):.2f} | {mean(times[1]):.2f} | at worst {worst:.2f} × | "
        f"{SLOWER} × | {verdict(worst <= SLOWER)} |"
    )
    print(
        f"| right | {mean(hits[0]):.1%} | {mean(hits[1]):.1%} | {100 * mean(apart):+.1f} points | "
        f"± {100 * half:.1f} | {verdict(inside)} |"
    )
    print(f"\nAt worst this machine overslept by {lag.worst:.2f} seconds.")
    if given.json:
        Path(given.json).write_text(json.dumps({"seconds": times, "right": hits}))


if __name__ == "__main__":
    main()
