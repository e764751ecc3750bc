"""The same pretend lines of thought in English and in Chinese: the same answers, steps and votes?

    python benchmarks/chinese.py [--questions 20] [--seed 1]

server.py draws length, answer and faults of a reply from the same numbers in both languages; only the words
differ. Bar: the same accuracy; here every answer and the number of steps of every line are the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import mean

from asking import MODEL, ask, verdict
from replies import Manners
from server import Server

from system2.core import Strategy
from system2.policies.chat import Chat
from system2.search import aggregate, best_of, consensus, majority, revise

QUESTIONS = {False: "How many days has a week?", True: "一个星期有几天？"}
STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "one line": lambda: best_of(1),
    "vote of 16": lambda: best_of(16, choose=majority),
    "vote, consensus": lambda: best_of(32, choose=majority, need=consensus(0.95)),
    "revise": lambda: revise(4),
    "aggregate": lambda: aggregate(4, 2, 2),
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Chinese lines of thought beside English ones")
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print("| strategy | English | Chinese | steps a line, English | Chinese | |")
    print("|---|---|---|---|---|---|")
    with Server() as server:
        for name, make in STRATEGIES.items():
            rights: dict[bool, list[bool]] = {False: [], True: []}
            steps: dict[bool, list[float]] = {False: [], True: []}
            for n in range(given.questions):
                for chinese in (False, True):
                    server.behave(Manners(seed=given.seed + n, right=0.5, chinese=chinese))
                    policy = Chat(MODEL, base_url=server.url, temperature=0.7)
                    found = ask(
                        server,
                        QUESTIONS[chinese],
                        policy=policy,
                        strategy=make(),
                        seed=n,
                        tokens=10**6,
                    )
                    rights[chinese].append(found.answer == "7")
                    steps[chinese] += [len(chain) for chain in found.chains]
            fine = rights[True] == rights[False] and sorted(steps[True]) == sorted(steps[False])
            print(
                f"| {name} | {mean(rights[False]):.0%} | {mean(rights[True]):.0%} | "
                f"{mean(steps[False]):.1f} | {mean(steps[True]):.1f} | {verdict(fine)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
