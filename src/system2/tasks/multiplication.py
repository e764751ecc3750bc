"""Multiplication of two whole numbers, digit by digit of the shorter one."""

from __future__ import annotations

from random import Random

from system2.tasks.task import Language, Task, digits, ranges
from system2.tasks.wording import ask_arithmetic
from system2.tasks.written import long_product, whole

Pair = tuple[int, int]

_POOLS = (("multiplication", "words"), ("shared", "expression"))


def draw(rng: Random) -> Pair:
    """The two factors."""
    low, high = ranges()["multiplication"]["digits"]
    return digits(rng, low, high), digits(rng, low, high)


def ask(facts: Pair, language: Language, rng: Random) -> str:
    """The question in words or as an expression."""
    a, b = facts
    return ask_arithmetic(_POOLS, f"{a}*{b}", language, rng, a=a, b=b)


def think(facts: Pair, effort: str, rng: Random) -> str:
    """The product with the longer factor first, its partial products, their sums."""
    a, b = facts
    if len(str(a)) < len(str(b)):
        a, b = b, a
    return "<step>".join([f"{a}*{b}", *long_product(a, b)])


def answer(facts: Pair) -> str:
    """The product."""
    return str(facts[0] * facts[1])


def check(facts: Pair, text: str) -> bool:
    """Is `text` exactly the product?"""
    return whole(text) == facts[0] * facts[1]


def identity(facts: Pair) -> str:
    """The operands, in either order."""
    return f"{sorted(facts)}"


multiplication = Task("multiplication", draw, ask, think, answer, check, identity)
