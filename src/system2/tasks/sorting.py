"""Sorting a short list of whole numbers, up or down; also how lists of numbers are typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from system2.tasks.task import Language, Task, digits, ranges
from system2.tasks.wording import worded

_LIST = re.compile(r"[0-9]{1,3}(?:(?:, ?| +)[0-9]{1,3})*")
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbers as typed, and the direction."""

    numbers: tuple[int, ...]
    up: bool


def listed(numbers: Sequence[int], language: Language, rng: Random) -> str:
    """The numbers as people type lists: commas, spaces, brackets, a word before the last."""
    words = [str(number) for number in numbers]
    if language == "zh" and rng.random() < 0.6:
        separator = rng.choice(["、", "，", "， "])
        last = rng.choice([separator, separator, "和"])
    else:
        separator = rng.choice([", ", ", ", ", ", " ", " ", ",", "; "])
        last = separator
        if separator in (", ", ",") and rng.random() < 0.25:
            last = "和" if language == "zh" else rng.choice([" and ", ", and "])
        elif separator in (", ", ",") and rng.random() < 0.15:
            return f"[{separator.join(words)}]"
    return separator.join(words[:-1]) + last + words[-1]


def draw(rng: Random) -> Facts:
    """A list; half of them uniform, half with many short or close numbers and repeats."""
    table = ranges()["sorting"]
    low, high = table["numbers"]
    count = rng.randint(*table["count"])
    kind = rng.random()
    if kind < 0.5:
        numbers = [rng.randint(low, high) for _ in range(count)]
    elif kind < 0.75:
        numbers = [digits(rng, 1, len(str(high))) for _ in range(count)]
    else:
        width = rng.choice([9, 20, 99])
        start = 0 if rng.random() < 0.5 else rng.randint(low, high - width)
        numbers = [start + rng.randint(0, width) for _ in range(count)]
    return Facts(tuple(numbers), rng.random() < 0.5)


def ask(facts: Facts, language: Language, rng: Random) -> str:
    """The question as a person would type it."""
    kind = "up" if facts.up else "down"
    return worded(language, "sorting", kind, rng, n=listed(facts.numbers, language, rng))


def think(facts: Facts, effort: str, rng: Random) -> str:
    """Takes the smallest (or largest) number away, found by the best so far, until none is left.

    All are written with as many digits: two of them differ at the first digit that is not the same.
    """
    steps = [_joined(facts.numbers) + (" up" if facts.up else " down")]
    pick = min if facts.up else max
    width = max(len(str(number)) for number in facts.numbers)
    left = [f"{number:0{width}}" for number in facts.numbers]
    steps.append(",".join(left))
    while left:
        best = list(accumulate(left, pick))
        left.remove(best[-1])
        steps.append(f"{','.join(best)}:{','.join(left)}")
    return "<step>".join(steps)


def answer(facts: Facts) -> str:
    """The sorted numbers."""
    return ", ".join(map(str, sorted(facts.numbers, reverse=not facts.up)))


def check(facts: Facts, text: str) -> bool:
    """The same numbers in the right order, separated by commas or spaces."""
    if len(text) > _LONGEST or not _LIST.fullmatch(text.strip(" ")):
        return False
    return re.findall(r"[0-9]+", text) == answer(facts).split(", ")


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


sorting = Task("sorting", draw, ask, think, answer, check)
