"""Subtraction of two whole numbers, in columns; the result may be negative."""

from __future__ import annotations

from random import Random

from system2.tasks.task import Language, Task, digits, ranges
from system2.tasks.wording import ask_arithmetic
from system2.tasks.written import compared, subtract, whole

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
    """The numbers compared, then the columns of the larger minus the smaller, then the sign."""
    a, b = facts
    width = max(len(str(a)), len(str(b)))
    first, second = f"{a:0{width}}", f"{b:0{width}}"
    steps = [f"{a}-{b}", f"{first}|{second}:{compared(first, second)} so "]
    if a == b:
        steps[1] += "0"
    elif a > b:
        steps[1] += f"{a}-{b}"
        steps.append(subtract(a, b))
    else:
        steps[1] += f"-({b}-{a})"
        steps.append(f"{subtract(b, a)} so {a - b}")
    return "<step>".join(steps)


def answer(facts: Pair) -> str:
    """The difference."""
    return str(facts[0] - facts[1])


def check(facts: Pair, text: str) -> bool:
    """Is `text` exactly the difference?"""
    return whole(text) == facts[0] - facts[1]


subtraction = Task("subtraction", draw, ask, think, answer, check)
