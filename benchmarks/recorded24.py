"""Recorded GPT-4 calls on the Game of 24, as a policy: what was written once is written again, at its price.

The folder $SYSTEM2_DATA holds game24_gpt4_tot.json.gz and game24_gpt4_cot100.json.gz. The recordings
keep texts and totals of tokens, not the tokens of a call; `Rates` says how those are found.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from system2.core import Bill, CallFailed, Chain, Delta, Request, Usage

VALUE = "sure, likely or impossible?"
VERDICTS = ("sure", "likely", "impossible")
WORTH = (20.0, 1.0, 0.001)  # of a verdict, in the recorded sums
BATCH = 20  # most chains of a recorded call

_TOKENS = re.compile(r"[^\r\n\w]?[^\W\d_]+|\d{1,3}| ?[^\s\w]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
_NUMBER = r"\(?(-?\d+(?:\.\d+|/\d+)?)\)?"
_MOVE = re.compile(rf"\s*{_NUMBER} ([-+*/]) {_NUMBER} = {_NUMBER} \(left: ([-\d./ ]+)\)\s*")

Left = tuple[tuple[Fraction, str], ...]
"""The numbers left, in order, each with the expression that made it."""


@cache
def tokens(text: str) -> int:
    """Tokens of a text: words, signs, and figures by threes; the recorded chains are its test."""
    return len(_TOKENS.findall(text))


def numbers(left: Left) -> tuple[Fraction, ...]:
    """The numbers alone: what a recorded prompt showed."""
    return tuple(value for value, _ in left)


def moved(line: str, left: Left) -> Left | None:
    """What is left after a move; None: it is no move, or not exactly right."""
    found = _MOVE.fullmatch(line)
    if not found:
        return None
    one, sign, other, result, rest = found.groups()
    try:
        a, b, value = Fraction(one), Fraction(other), Fraction(result)
        told = sorted(Fraction(number) for number in rest.split())
        true = {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b else None}[sign]
    except (ValueError, ZeroDivisionError):
        return None
    kept, used = list(left), list[str]()
    for number in (a, b):
        at = next((n for n, (known, _) in enumerate(kept) if known == number), None)
        if at is None:
            return None
        used.append(kept.pop(at)[1])
    after = tuple(sorted([*kept, (value, f"({used[0]} {sign} {used[1]})")]))
    return after if value == true and told == list(numbers(after)) else None


@dataclass
class Game:
    """One game and all that was recorded of it. `proposals`, `values`: by the numbers left."""

    name: int
    start: Left
    proposals: dict[tuple[Fraction, ...], list[str]] = field(default_factory=dict)
    values: dict[tuple[Fraction, ...], float] = field(default_factory=dict)
    answers: dict[tuple[str, ...], str] = field(default_factory=dict)  # by the moves before
    chains: list[str] = field(default_factory=list)
    chain_prompt: int = 0  # tokens, of a call for BATCH chains


@dataclass(frozen=True)
class Rates:
    """Tokens of a recorded call of each kind.

    propose, answer, value   of the prompt: least squares of the recorded totals of the games
                             on the numbers of calls of each kind
    verdicts   completion of a value call: what the texts of all proposals leave of the total
    miss       completion of the mean proposal call, which a call that was never recorded costs
    """

    propose: int
    answer: int
    value: int
    verdicts: int
    miss: int
    error: float  # mean, of the fit of the prompts


def load(folder: Path) -> tuple[list[Game], Rates, list[dict[str, Any]]]:
    """The games, what calls cost, and the recorded run of the tree search."""
    trees, chains = (
        json.loads(gzip.decompress((folder / f"game24_gpt4_{name}.json.gz").read_bytes()))
        for name in ("tot", "cot100")
    )
    counts, totals, written, calls = [], [], 0, 0
    games: list[Game] = []
    asked: set[tuple[str, str]] = set()  # the recorded run never asked for the same value twice
    before = {"prompt_tokens": 0, "completion_tokens": 0}
    for tree, sampled in zip(trees, chains, strict=True):
        given = sorted(Fraction(n) for n in tree["steps"][0]["x"].split())
        game = Game(tree["idx"], tuple((n, str(n)) for n in given))
        kinds = {"propose": 0, "answer": 0, "value": 0, "last": 0}
        for step in tree["steps"]:
            for begun in step["ys"]:
                own = [new[len(begun) :] for new in step["new_ys"] if new.startswith(begun)]
                written, calls = written + tokens("".join(own)), calls + 1
                kinds["answer" if shown(begun) == "24" else "propose"] += 1
                keep(game, begun, [line.strip() for line in own])
            for new, value in zip(step["new_ys"], step["values"], strict=True):
                last = new.strip().split("\n")[-1]
                kind = "value" if "left: " in last else "last"
                name = (kind, shown(new) if kind == "value" else f"{last} {game.name}")
                kinds[kind] += name not in asked
                asked.add(name)
                if step["step"] < 2 and (left := after(game, new)) is not None:
                    game.values.setdefault(numbers(left), value)
        usage = tree["usage_so_far"]
        counts.append([*kinds.values()])
        totals.append(usage["prompt_tokens"] - before["prompt_tokens"])
        before = usage
        game.chains = sampled["ys"]
        game.chain_prompt = 437  # of 2,185 for five calls
        games.append(game)
    table, seen = np.array(counts, float), np.array(totals, float)
    prompts = np.linalg.lstsq(table, seen, rcond=None)[0]
    error = float(np.abs(table @ prompts - seen).mean() / seen.mean())
    verdicts = (before["completion_tokens"] - written) / table[:, 2:].sum()
    sizes = [round(float(size)) for size in prompts[:3]]
    rates = Rates(sizes[0], sizes[1], sizes[2], round(verdicts), round(written / calls), error)
    return games, rates, trees


def shown(begun: str) -> str:
    """The numbers left, as the recorded run read them off its last line."""
    return begun.strip().split("\n")[-1].split("left: ")[-1].split(")")[0]


def after(game: Game, begun: str) -> Left | None:
    """What is left after these lines."""
    left: Left | None = game.start
    for line in begun.strip().split("\n") if begun.strip() else []:
        left = moved(line, left) if left else None
    return left


def keep(game: Game, begun: str, lines: list[str]) -> None:
    """Keep a recorded reply where its question can be asked again: after exact moves."""
    left = after(game, begun)
    if left is not None and len(left) == 1:
        game.answers.setdefault(tuple(begun.strip().split("\n")), lines[0] if lines else "")
    elif left is not None:
        game.proposals.setdefault(numbers(left), lines)


class Recording:
    """Writes moves, answers, whole chains or verdicts, as recorded; the order of chains hangs on `seed`.

    composes   a chain of moves that ends in one number is a finished line, and its expression the
               answer; else GPT-4 is asked to write the answer, as it was
    """

    can = frozenset({"continue", "n"})

    def __init__(self, game: Game, rates: Rates, seed: int, *, composes: bool = True) -> None:
        self.game, self.rates, self.composes = game, rates, composes
        self.order = list(range(len(game.chains)))
        Random(f"{seed} {game.name}").shuffle(self.order)
        self.misses = 0

    def prompt_bound(self, request: Request) -> int:
        """Known but for the kind."""
        return max(self.rates.answer, self.game.chain_prompt)

    def left(self, chain: Chain) -> Left:
        """The numbers left after this chain."""
        return chain[-1].state if chain else self.game.start

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """What was recorded; nothing, at the price of a call, where nothing was."""
        rates, left = self.rates, self.left(request.chain)
        if request.style.prompt == VALUE:
            replies, prompt = self.verdicts(left), rates.value
        elif request.until == "answer":
            replies, prompt = self.whole(request.n), self.game.chain_prompt
        elif len(left) == 1:
            line = self.game.answers.get(tuple(step.text for step in request.chain))
            replies, prompt = [] if line is None else [self.answer(line, 0)], rates.answer
        else:
            lines = self.game.proposals.get(numbers(left), [])
            replies, prompt = (
                [self.move(line, n, left) for n, line in enumerate(lines)],
                rates.propose,
            )
        spent = sum(reply.tokens for reply in replies) or rates.miss
        self.misses += not replies
        for reply in replies[: request.n]:
            yield reply
        yield Bill(Usage(prompt=prompt, reasoning=spent, calls=1))
        if not replies and request.style.prompt == VALUE:
            raise CallFailed("this value was not recorded", retry=False)

    def move(self, line: str, child: int, left: Left) -> Delta:
        """A proposed move. One that is not exactly right has no state."""
        state = moved(line, left)
        over = state is not None and len(state) == 1 and (self.composes or state[0][0] != 24)
        answer = state[0][1] if over and state else None
        end = "answer" if over else "step"
        return Delta(child, line, tokens(line + "\n"), end=end, answer=answer, state=state)

    def answer(self, line: str, child: int) -> Delta:
        """A chain or a line with the answer that GPT-4 wrote."""
        told = line.rpartition("nswer: ")
        said = told[2].split("\n")[0].strip() if told[1] else None
        return Delta(child, line, tokens(line), end="answer", answer=said)

    def whole(self, count: int) -> list[Delta]:
        """The next chains."""
        drawn, self.order = self.order[:count], self.order[count:]
        return [self.answer(self.game.chains[at], n) for n, at in enumerate(drawn)]

    def verdicts(self, left: Left) -> list[Delta]:
        """Three verdicts that add up to the recorded value."""
        value = self.game.values.get(numbers(left))
        if value is None:
            return []
        told: list[str] = []
        for verdict, worth in zip(VERDICTS, WORTH, strict=True):
            count = int(value / worth + 1e-6)
            told += [verdict] * count
            value -= count * worth
        told = [*told, *[""] * 3][:3]
        size = self.rates.verdicts
        sizes = [size // 3, size // 3, size - 2 * (size // 3)]
        return [Delta(n, text, sizes[n], end="answer") for n, text in enumerate(told)]
