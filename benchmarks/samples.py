"""1,024 samples of one Countdown question with the embedded model, through everything a user's run goes through.

    python benchmarks/samples.py [--samples 1024] [--weights FOLDER]

Every sample is written to its end: no stop rule ends the run at the first right answer, as `ask` would.
"""

from __future__ import annotations

import argparse
import time
from decimal import Decimal
from pathlib import Path

from system2 import think
from system2.policies.local import HOME, LocalPolicy
from system2.search import best_of

QUESTIONS = ("Use 13, 8, 5 to make 57", "Use 9, 4, 11, 6 to make 30")
BAR = 20.0  # seconds


def main() -> None:
    """Ask, with either of the model's dials, and say how long it took."""
    parser = argparse.ArgumentParser(description="1,024 samples of a Countdown question")
    parser.add_argument("--samples", type=int, default=1024)
    parser.add_argument("--weights", type=Path, default=HOME)
    options = parser.parse_args()
    policy = LocalPolicy(options.weights, temperature=1.0)
    think(QUESTIONS[0], policy=policy, samples=1)  # compiled and loaded
    print("| question | effort | seconds | tokens | tokens a CPU second | right |")
    print("|---|---|---|---|---|---|")
    for question in QUESTIONS:
        for effort in ("minimal", "max"):
            wall, cpu = time.perf_counter(), time.process_time()
            result = think(
                question,
                effort=effort,
                policy=policy,
                strategy=best_of(options.samples),
                tokens=1_000_000,
                seed=1,
            )
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            tokens = result.usage.completion
            right = sum(node.score == 1.0 for node in result.tree.finals)
            missed = ", MISSED" if wall > BAR else ""
            print(
                f"| {question} | {effort} | {wall:.1f} (bar {BAR:.0f}{missed}) | {tokens:,} |"
                f" {tokens / cpu:,.0f} | {Decimal(right) / options.samples:.1%} |"
            )


if __name__ == "__main__":
    main()
