"""A world in which the truth is known: lines of thought that go wrong, and a verifier that half sees it.

A question has `length` steps. A step is right with the probability `skill` of the question; after a
wrong one the line is wrong, until a step goes back (`repair`). Right and wrong steps each come in
`kinds` wordings, the first ones more often, so that duplicates occur as they do with a model. Wrong
lines end in one of `wrongs` wrong answers, the first ones more often. Everything hangs on seeds and
on the line so far alone; grids and seeds below were fixed before any strategy was tuned on them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from math import erf, exp, sqrt
from random import Random
from statistics import NormalDist

from system2.core import Bill, Chain, Delta, Problem, Request, Usage, Write

RIGHT = "right"
NORMAL = NormalDist()

SKILLS = (0.70, 0.80, 0.88, 0.94)
"""Of a step, of four kinds of questions: a line of 8 steps is right in 6, 17, 36 and 61 of 100."""
LENGTH = 8
"""Steps of a question."""
AUCS = (0.65, 0.75, 0.9)
"""Of the verifier, between right and wrong lines of the same length."""


def dice(*key: object) -> float:
    """A number from 0 to 1, always the same for the same key."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=7).digest(), "big") / 2**56


def bell(*key: object) -> float:
    """A normal number, always the same for the same key."""
    return NORMAL.inv_cdf(min(max(dice(*key), 1e-12), 1 - 1e-12))


@lru_cache(maxsize=1 << 16)
def drift(name: str, kept: float, texts: tuple[str, ...]) -> float:
    """The verifier's noise on a line: of each step a share from the one before. A line grows by steps: kept."""
    fresh = bell("noise", name, texts) if texts else 0.0
    if len(texts) < 2:
        return fresh
    return sqrt(kept) * drift(name, kept, texts[:-1]) + sqrt(1 - kept) * fresh


@dataclass(frozen=True, slots=True)
class World:
    """One question. `auc`, `bias` of the verifier; `sure`: AUC of the log-probabilities.

    kept    share of the verifier's noise that a step has in common with the one before it
    slow    how much longer wrong steps are than right ones: 1.0, the same
    """

    name: str
    skill: float
    length: int = LENGTH
    repair: float = 0.03
    kinds: int = 4
    wrongs: int = 6
    auc: float = 0.75
    bias: float = 0.0
    sure: float = 0.6
    kept: float = 0.5
    slow: float = 1.2
    script: str = "abcdefghij"

    def right(self, texts: Sequence[str]) -> bool:
        """Is this line right, as far as it goes?"""
        state = True
        for text in texts:
            state = text[0] == "b" or (state and text[0] == "r")
        return state

    def step(self, texts: Sequence[str], seed: int) -> tuple[str, int, float]:
        """The next step after these: its text, tokens and mean log-probability."""
        key = (self.name, tuple(texts), seed)
        luck, state = dice("luck", *key), self.right(texts)
        chance = self.skill if state else self.repair
        good = luck < chance
        mark = ("r" if state else "b") if good else "w"
        kind = min(int(dice("kind", *key) ** 2 * self.kinds), self.kinds - 1)
        text = f"{mark}{self.script[len(texts) % 10]}{kind}"
        words = 8 + int(16 * dice("long", self.name, tuple(texts), text))
        tokens = max(1, round(words * (1.0 if good else self.slow)))
        apart = sqrt(2) * NORMAL.inv_cdf(self.sure)
        return text, tokens, -exp(-1.5 + 0.5 * (bell("sure", *key) - apart * good))

    def answer(self, texts: Sequence[str]) -> str:
        """What a whole line comes to."""
        if self.right(texts):
            return RIGHT
        return f"wrong {min(int(dice('wrong', self.name, tuple(texts)) ** 2 * self.wrongs), self.wrongs - 1)}"

    def score(self, texts: Sequence[str]) -> float:
        """The verifier's view of a line, from 0 to 1."""
        apart = sqrt(2) * NORMAL.inv_cdf(self.auc)
        noise = drift(self.name, self.kept, tuple(texts))
        seen = noise + apart * (self.right(texts) - 0.5) + self.bias
        return 0.5 * (1 + erf(seen / sqrt(2)))


class Writer:
    """Writes lines of thought in a world; counts every token it sends."""

    can = frozenset({"continue", "n", "logprobs"})

    def __init__(self, world: World) -> None:
        self.world, self.sent = world, 0

    def prompt_bound(self, request: Request) -> int:
        """Known exactly."""
        return 50 + sum(step.tokens for step in request.chain)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """Each child in turn."""
        world, begun = self.world, [step.text for step in request.chain]
        spent = 0
        for child, seed in enumerate(request.seeds):
            texts, left = list(begun), request.max_tokens
            while True:
                text, tokens, logprob = world.step(texts, seed)
                whole = len(texts) + 1 == world.length
                short = tokens > left
                tokens = min(tokens, left)
                left -= tokens
                spent += tokens
                texts.append(text)
                last = whole and not short
                yield Delta(
                    child, "" if short else text, tokens, logprobs=(logprob,) * tokens,
                    end="cut" if short else "answer" if last else "step",
                    answer=world.answer(texts) if last else None,
                )  # fmt: skip
                if short or whole or request.until == "step":
                    break
                if not left:
                    yield Delta(child, "", 0, end="cut")
                    break
        self.sent += spent
        yield Bill(Usage(prompt=self.prompt_bound(request), reasoning=spent, calls=1))


class View:
    """The verifier of a world."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """One score a chain."""
        return [self.world.score([step.text for step in chain]) for chain in chains]


def worlds(count: int, auc: float, seed: int, length: int = LENGTH) -> list[World]:
    """`count` questions of mixed difficulty."""
    rng = Random(f"{seed} worlds")
    return [World(f"{seed}/{n}", rng.choice(SKILLS), length, auc=auc) for n in range(count)]


def tokens_of_a_line(world: World, lines: int = 20) -> float:
    """Mean tokens of a whole line."""
    total = 0
    for seed in range(lines):
        texts: list[str] = []
        for _ in range(world.length):
            text, tokens, _ = world.step(texts, 10**9 + seed)
            texts.append(text)
            total += tokens
    return total / lines
