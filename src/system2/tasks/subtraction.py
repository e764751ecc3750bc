"""Subtraction of two whole numbers, in columns; the result may be negative."""

from __future__ import annotations

from random import Random

from system2.tasks.task import Language, Task, digits, ranges
from system2.tasks.wording import ask_arithmetic
from system2.tasks.written import subtract, whole

Pair = tuple[int, int]

_POOLS = (("subtraction", "words"), ("shared", "expression"))


def draw(rng: Random) -> Pair:
    """The number and what is taken away from it."""
    low, high = ranges()["subtraction"]["digits"]
    return digits(rng, low, high), digits(rng, low, high)


def ask(facts: Pair, language: Language, rng: Random) -> str:
    """The question in words or as an expression."""
    a, b = facts
    return ask_arithmetic(_POOLS, f"{a}-{b}", language, rng, a=a, b=b)


def think(facts: Pair, effort: str, rng: Random) -> str:
    """The columns with their borrows; a step before them swaps the numbers if a < b."""
    a, b = facts
    if a < b:
        return f"{a}<{b} so -({b}-{a})<step>{subtract(b, a)}"
    return subtract(a, b)


def answer(facts: Pair) -> str:
    """The difference."""
    return str(facts[0] - facts[1])


def check(facts: Pair, text: str) -> bool:
    """Is `text` exactly the difference?"""
    return whole(text) == facts[0] - facts[1]


subtraction = Task("subtraction", draw, ask, think, answer, check)
