"""When to stop asking, on recorded answers of GPT-3.5: tokens and waiting against 40 samples for everyone.

    SYSTEM2_DATA=FOLDER python benchmarks/stopping.py [--shuffles 8] [--seed 1] [--json FILE]

The folder holds last_letters_gpt35_40x250.jsonl.gz: 250 questions, 40 recorded answers each. Every rule
meets the same answers in the same shuffled order. Tokens are counted as words and signs. Waiting is
that of a server which writes RATE tokens a second in every stream: a wave waits for its longest.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import mean, stdev

from system2.core import (
    Bill,
    Called,
    Delta,
    Event,
    Handed,
    Meter,
    Problem,
    Request,
    Strategy,
    Usage,
)
from system2.engine import Engine
from system2.search import agreed, best_of, consensus, majority, worthwhile

FILE = "last_letters_gpt35_40x250.jsonl.gz"
RATE = 400.0
MOST = 40


@dataclass(frozen=True)
class Question:
    """What is right, and the recorded answers with their tokens."""

    right: str
    replies: list[tuple[str | None, int]]


def questions(folder: Path) -> list[Question]:
    """All questions of the recording."""
    found: list[Question] = []
    with gzip.open(folder / FILE, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            texts = [str(text) for text in row["generated_answer"]]
            replies = [(answer(text), len(re.findall(r"\w+|[^\w\s]", text))) for text in texts]
            found.append(Question(row["answer"].lower(), replies))
    return found


def answer(text: str) -> str | None:
    """What a recorded text answers."""
    told = re.findall(r"answer is[:\s]*[\"']?([A-Za-z]+)", text)
    return told[-1].lower() if told else None


class Recorded:
    """Hands out the answers of a question in the order of `order`, each once."""

    can = frozenset({"continue"})

    def __init__(self, question: Question, order: list[int]) -> None:
        self.question, self.order = question, order
        self.next = 0
        self.tokens: list[int] = []

    def prompt_bound(self, request: Request) -> int:
        """Prompts are the same for every rule."""
        return 0

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """The next one."""
        found, tokens = self.question.replies[self.order[self.next]]
        self.next += 1
        self.tokens.append(tokens)
        yield Delta(0, str(found), tokens, end="answer", answer=found)
        yield Bill(Usage(reasoning=tokens, calls=1))


def ask(question: Question, strategy: Strategy, order: list[int]) -> tuple[bool, int, float]:
    """Right?, tokens, seconds of waiting."""
    policy, waves, new = Recorded(question, order), list[int](), True

    def watch(event: Event) -> None:
        nonlocal new
        if isinstance(event, Called):
            if new:
                waves.append(0)
            waves[-1] += 1
            new = False
        elif isinstance(event, Handed):
            new = True

    engine = Engine(Problem.of("q"), strategy, policy, Meter(), seed=1)
    engine.watchers.append(watch)
    end = asyncio.run(engine.run())
    assert not engine.faults, engine.faults
    at, waiting = 0, 0.0
    for size in waves:
        waiting += max(policy.tokens[at : at + size], default=0) / RATE
        at += size
    return end.answer == question.right, sum(policy.tokens), waiting


RULES: dict[str, Callable[[], Strategy]] = {
    "40 samples": lambda: best_of(MOST, choose=majority),
    "Beta .95, one by one": lambda: single_file(consensus(0.95)),
    "Beta .95": lambda: best_of(MOST, choose=majority, need=consensus(0.95)),
    "worthwhile 100": lambda: best_of(MOST, choose=majority, need=worthwhile(100)),
    "worthwhile 400": lambda: best_of(MOST, choose=majority, need=worthwhile(400)),
    "Beta .90": lambda: best_of(MOST, choose=majority, need=consensus(0.90)),
    "2 ahead": lambda: best_of(MOST, choose=majority, need=agreed(2)),
    "4 ahead": lambda: best_of(MOST, choose=majority, need=agreed(4)),
}


def single_file(rule: Callable[..., int | None]) -> Strategy:
    """A rule that is asked after every single answer."""

    def need(tree: object) -> int | None:
        left = rule(tree)
        return left if left is None else min(left, 1)

    return best_of(MOST, choose=majority, need=need)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="stop rules on recorded answers")
    parser.add_argument("--shuffles", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="also write the numbers here")
    given = parser.parse_args()
    folder = os.environ.get("SYSTEM2_DATA")
    if not folder:
        print("SYSTEM2_DATA is not set: it names the folder of the recorded answers")
        return
    asked = questions(Path(folder))
    rows: list[dict[str, object]] = []
    base: tuple[list[float], float, float] | None = None
    slow = 0.0
    print(f"{'rule':22} {'right %':>9} {'to 40':>15} {'tokens':>8} {'fewer':>6} {'seconds':>8}")
    for name, rule in RULES.items():
        rights: list[float] = []
        tokens = waiting = 0.0
        for shuffle in range(given.shuffles):
            hits = 0
            for number, question in enumerate(asked):
                order = list(range(len(question.replies)))
                Random(f"{given.seed} {shuffle} {number}").shuffle(order)
                hit, spent, waited = ask(question, rule(), order)
                hits += hit
                tokens += spent
                waiting += waited
            rights.append(100 * hits / len(asked))
        count = len(asked) * given.shuffles
        base = base or (rights, tokens, waiting)
        apart = [a - b for a, b in zip(rights, base[0], strict=True)]
        half = 1.96 * stdev(apart) / len(apart) ** 0.5 if len(apart) > 1 else 0.0
        slow = waiting / count if "one by one" in name else slow
        row = {"rule": name, "right": mean(rights), "apart": mean(apart), "interval": half,
               "tokens": tokens / count, "fewer": base[1] / tokens, "seconds": waiting / count}  # fmt: skip
        rows.append(row)
        print(
            f"{name:22} {mean(rights):9.2f} {mean(apart):+8.2f}±{half:.2f} {tokens / count:10.0f} "
            f"{base[1] / tokens:6.2f} {waiting / count:8.3f}"
            + (f"  {slow / (waiting / count):.1f} x faster than one by one" if slow else ""),
            flush=True,
        )
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
