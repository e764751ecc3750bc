"""Addition of two whole numbers, in columns."""

from __future__ import annotations

from random import Random

from system2.tasks.task import Language, Task, digits, ranges
from system2.tasks.wording import ask_arithmetic
from system2.tasks.written import add, whole

Pair = tuple[int, int]

_POOLS = (("addition", "words"), ("shared", "expression"))


def draw(rng: Random) -> Pair:
    """The two summands."""
    low, high = ranges()["addition"]["digits"]
    return digits(rng, low, high), digits(rng, low, high)


def ask(facts: Pair, language: Language, rng: Random) -> str:
    """The question in words or as an expression."""
    a, b = facts
    return ask_arithmetic(_POOLS, f"{a}+{b}", language, rng, a=a, b=b)


def think(facts: Pair, effort: str, rng: Random) -> str:
    """One step: the columns with their carries."""
    return add(*facts)


def answer(facts: Pair) -> str:
    """The sum."""
    return str(sum(facts))


def check(facts: Pair, text: str) -> bool:
    """Is `text` exactly the sum?"""
    return whole(text) == sum(facts)


def identity(facts: Pair) -> str:
    """The operands, in either order."""
    return f"{sorted(facts)}"


addition = Task("addition", draw, ask, think, answer, check, identity)
