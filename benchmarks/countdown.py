"""Countdown with four numbers and the embedded model: what the effort table chooses beside weighted best-of-n.

    python benchmarks/countdown.py [--problems 16] [--lines 64] [--orders 20] [--seed 0] [--pool FILE]

Lines of thought about held-out problems are drawn at temperature 1, once (64 problems of 256 lines take minutes),
kept in the pool, and read from there ever after. Each order is a shuffle of a problem's lines; n lines are the first n of it, so that those of
fewer are among those of more. Every run goes through the engine. The effort is the least whose row has n
lines; it may stop sooner, and takes no line that best-of-n does not. `checked`: with the checker of expressions, that
sees the question alone; otherwise no line is judged. Means over orders, 95 % intervals over problems.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean

sys.path.insert(0, str(Path(__file__).parent))
from search import interval, kendall
from ways import VOTE

from system2.core import Bill, Budget, Delta, Meter, Problem, Request, Strategy, Usage, Verifier
from system2.effort import EFFORTS, strategy_of
from system2.engine import Engine
from system2.evals.problems import Item, suite
from system2.policies.local import LocalPolicy
from system2.search import best_of, confidence, weighted
from system2.verifiers import Expressions

LONGEST = 640  # tokens of a line
POOL = Path(__file__).parents[1] / "runs/out/countdown4.jsonl"


@dataclass(frozen=True, slots=True)
class Line:
    """One recorded line of thought; its answer is None where it came to none."""

    text: str
    tokens: int
    logprob: float
    answer: str | None


@dataclass(slots=True)
class Pool:
    """A policy that hands out recorded lines, each once, in their order."""

    lines: Sequence[Line]
    given: int = 0
    can: frozenset[str] = frozenset({"n", "logprobs"})

    def prompt_bound(self, request: Request) -> int:
        """Nobody pays for it here."""
        return 0

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """The next lines, whole."""
        begin = self.given
        self.given += request.n
        taken = self.lines[begin : self.given]
        for child, line in enumerate(taken):
            end = "cut" if line.answer is None else "answer"
            yield Delta(
                child, line.text, line.tokens,
                logprobs=(line.logprob,) * line.tokens, end=end, answer=line.answer,
            )  # fmt: skip
        yield Bill(Usage(reasoning=sum(line.tokens for line in taken), calls=1))


async def drawn(policy: LocalPolicy, item: Item, lines: int) -> list[Line]:
    """Lines of thought about a problem."""
    seeds = tuple(Random(f"{item.name} {n}").getrandbits(63) for n in range(lines))
    problem = Problem.of(item.question, effort="high")
    texts = [""] * lines
    answers: list[str | None] = [None] * lines
    logprobs: list[list[float]] = [[] for _ in seeds]
    async for piece in policy.stream(Request(problem, (), lines, "answer", LONGEST, seeds)):
        if isinstance(piece, Delta):
            texts[piece.child] += piece.text
            logprobs[piece.child] += piece.logprobs
            if piece.end == "answer":
                answers[piece.child] = piece.answer
    return [
        Line(text, len(sure), mean(sure), answer)
        for text, sure, answer in zip(texts, logprobs, answers, strict=True)
    ]


def recorded(path: Path, items: Sequence[Item], lines: int) -> list[list[Line]]:
    """The lines of every problem: those in the file, and new ones, which are added to it. Raises ValueError."""
    kept: dict[str, list[Line]] = {}
    if path.exists():
        for row in map(json.loads, path.read_text("utf-8").splitlines()):
            kept[row["question"]] = [Line(**line) for line in row["lines"]]
    policy = LocalPolicy(temperature=1.0)
    for item in items:
        if item.question not in kept:
            kept[item.question] = asyncio.run(drawn(policy, item, lines))
            told = [asdict(line) for line in kept[item.question]]
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"question": item.question, "lines": told}) + "\n")
        if len(kept[item.question]) < lines:
            raise ValueError(
                f"{path} holds fewer than {lines} lines of a problem: name another file"
            )
    return [kept[item.question][:lines] for item in items]


def effort(n: int) -> Strategy:
    """The way of the least effort that may take n lines, with n lines."""
    rows = [row for row in EFFORTS.values() if row.samples >= n and row.temperature > 0]
    return strategy_of(rows[0], n)


@dataclass(frozen=True, slots=True)
class Way:
    """A strategy of n lines; what it is compared with."""

    make: Callable[[int], Strategy]
    verifier: Verifier | None = None
    base: str = ""


CHECKER = Expressions(refutes=True)
WAYS: dict[str, Way] = {
    "weighted best-of-n, checked": Way(lambda n: best_of(n, choose=VOTE), CHECKER),
    "effort, checked": Way(effort, CHECKER, "weighted best-of-n, checked"),
    "weighted best-of-n": Way(lambda n: best_of(n, choose=weighted(confidence))),
    "effort": Way(effort, None, "weighted best-of-n"),
}


def run(item: Item, way: Way, n: int, lines: Sequence[Line], seed: int) -> tuple[bool, int]:
    """Is the answer right, and the tokens."""
    engine = Engine(
        Problem.of(item.question, effort="high"), way.make(n), Pool(lines),
        Meter(Budget(per_call=LONGEST)), verifier=way.verifier, seed=seed,
    )  # fmt: skip
    end = asyncio.run(engine.run())
    return end.answer is not None and item.right(end.answer), end.usage.completion


def main() -> None:
    """Print a row for each way: per cent right, and below it the differences and the tokens."""
    parser = argparse.ArgumentParser(
        description="Countdown-4 on recorded lines of the embedded model"
    )
    parser.add_argument("--problems", type=int, default=16)
    parser.add_argument("--lines", type=int, default=64, help="of a problem")
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the orders; problems are the same")
    parser.add_argument("--pool", type=Path, default=POOL)
    given = parser.parse_args()
    items = suite("countdown4", given.problems)
    pools = recorded(given.pool, items, given.lines)
    sizes = [2**k for k in range(given.lines.bit_length())]
    curves: dict[str, list[list[float]]] = {}
    print(f"{'per cent right with n lines':30}" + "".join(f"{n:>12}" for n in sizes) + "      τ")
    for name, way in WAYS.items():
        rights: list[list[list[bool]]] = [[[] for _ in items] for _ in sizes]
        spent = [0] * len(sizes)
        for at, (item, pool) in enumerate(zip(items, pools, strict=True)):
            for order in range(given.orders):
                lines = list(pool)
                Random(f"{given.seed} {item.name} {order}").shuffle(lines)
                for k, n in enumerate(sizes):
                    right, tokens = run(item, way, n, lines, order)
                    rights[k][at].append(right)
                    spent[k] += tokens
        curves[name] = curve = [[mean(orders) for orders in row] for row in rights]
        tau = kendall([mean(row) for row in curve])
        print(f"{name:30}" + "".join(f"{100 * mean(row):12.1f}" for row in curve) + f"  {tau:5.2f}")
        told("  to the next n", [differences(b, a) for a, b in pairwise(curve)])
        if way.base:
            told(
                "  paired",
                [differences(a, b) for a, b in zip(curve, curves[way.base], strict=True)],
            )
        each = mean(line.tokens for pool in pools for line in pool) * len(items) * given.orders
        print(
            f"{'  lines worth of tokens':30}" + "".join(f"{t / each:12.1f}" for t in spent),
            flush=True,
        )


def differences(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Problem by problem."""
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def told(name: str, rows: Sequence[Sequence[float]]) -> None:
    """Means and intervals."""
    cells = [f"{100 * mean(row):+.1f}±{100 * interval(row):.1f}" for row in rows]
    print(f"{name:30}" + "".join(f"{cell:>12}" for cell in cells))


if __name__ == "__main__":
    main()
