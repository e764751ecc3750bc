"""Which of two decimals is larger or smaller, among them many of the kind 9.11 and 9.8."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from system2.tasks.task import Language, Task, digits, phrase, ranges
from system2.tasks.wording import dress
from system2.tasks.written import compared

EQUAL = 0.04  # share of problems with equal values
TRICKY = 0.5  # share with the same whole part and different numbers of decimals

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_EQUAL_WORDS = ("equal", "相等", "一样大")
_LONGEST = 12


@dataclass(frozen=True, slots=True)
class Facts:
    """Both numbers as typed, and whether the larger is asked for."""

    first: str
    second: str
    larger: bool


def draw(rng: Random) -> Facts:
    """Two decimals; equal, tricky or plain."""
    kind = rng.random()
    if kind < EQUAL:
        first, second = _equal(rng)
    else:
        while True:
            first, second = _tricky(rng) if kind < EQUAL + TRICKY else _plain(rng)
            if Decimal(first) != Decimal(second):
                break
    if rng.random() < 0.5:
        first, second = second, first
    return Facts(first, second, rng.random() < 0.5)


def _whole(rng: Random) -> str:
    low, high = ranges()["compare"]["whole"]
    if rng.random() < 0.5:
        return str(rng.randint(low, high))
    return str(digits(rng, 1, len(str(high))))


def _decimals(rng: Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _typed(whole: str, decimals: str) -> str:
    return f"{whole}.{decimals}" if decimals else whole


def _plain(rng: Random) -> tuple[str, str]:
    """Two numbers that have nothing to do with each other."""
    low, high = ranges()["compare"]["decimals"]
    first, second = (_decimals(rng, rng.randint(low, high)) for _ in range(2))
    return _typed(_whole(rng), first), _typed(_whole(rng), second)


def _tricky(rng: Random) -> tuple[str, str]:
    """The same whole part, different numbers of decimals, at times the same first ones."""
    whole = _whole(rng)
    longest = ranges()["compare"]["decimals"][1]
    few = rng.randint(1, longest - 1)
    many = rng.randint(few + 1, longest)
    short, long = _decimals(rng, few), _decimals(rng, many)
    shared = rng.randint(1, few) if rng.random() < 0.3 else 0
    return _typed(whole, short), _typed(whole, short[:shared] + long[shared:])


def _equal(rng: Random) -> tuple[str, str]:
    """The same value, often with different numbers of zeros at the end."""
    whole = _whole(rng)
    longest = ranges()["compare"]["decimals"][1]
    decimals = _decimals(rng, rng.randint(0, longest))
    zeros = rng.randint(0, longest - len(decimals))
    return _typed(whole, decimals), _typed(whole, decimals + "0" * zeros)


def ask(facts: Facts, language: Language, rng: Random) -> str:
    """The question as a person would type it."""
    kind = "larger" if facts.larger else "smaller"
    # some templates name {b} first or set both side by side; the trace names the numbers in the
    # order typed, so the slots are filled by place
    template = phrase(language, "compare", kind, rng).replace("{a}{b}", "{a} {b}")
    if template.index("{b}") < template.index("{a}"):
        template = template.replace("{a}", "{c}").replace("{b}", "{a}").replace("{c}", "{b}")
    text = template.replace("{a}", facts.first).replace("{b}", facts.second)
    return dress(text, language, rng)


def think(facts: Facts, effort: str, rng: Random) -> str:
    """Pads both numbers to the same form, then compares digits from the left."""
    restated = f"{facts.first} {facts.second} {'larger' if facts.larger else 'smaller'}"
    first, second = _padded(facts.first, facts.second)
    result = f"{compared(first, second)} so {answer(facts)}"
    return "<step>".join([restated, f"{first}|{second}", result])


def _padded(first: str, second: str) -> tuple[str, str]:
    """Both numbers with as many digits before and after the point."""
    (whole_1, _, tail_1), (whole_2, _, tail_2) = first.partition("."), second.partition(".")
    before, after = max(len(whole_1), len(whole_2)), max(len(tail_1), len(tail_2))
    padded_1 = _typed(whole_1.rjust(before, "0"), tail_1.ljust(after, "0"))
    return padded_1, _typed(whole_2.rjust(before, "0"), tail_2.ljust(after, "0"))


def answer(facts: Facts) -> str:
    """The number asked for, as typed, or `equal`."""
    first, second = Decimal(facts.first), Decimal(facts.second)
    if first == second:
        return "equal"
    return facts.first if (first > second) == facts.larger else facts.second


def check(facts: Facts, text: str) -> bool:
    """The number as typed or of the same value; of equal numbers only that they are equal."""
    given, gold = text.strip(" ").lower(), answer(facts)
    if len(given) > _LONGEST:
        return False
    if gold == "equal":
        return given in _EQUAL_WORDS
    return _NUMBER.fullmatch(given) is not None and Decimal(given) == Decimal(gold)


compare = Task("compare", draw, ask, think, answer, check)
