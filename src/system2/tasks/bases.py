"""Whole numbers between binary, octal, decimal and hexadecimal."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from system2.tasks.task import Language, Task, phrase, phrasings, ranges
from system2.tasks.wording import dress

PREFIX = {2: "0b", 8: "0o", 16: "0x"}
PREFIXED = 0.3  # share of the questions that mark the base by a prefix instead of its name

_NAMES = {2: "binary", 8: "octal", 10: "decimal", 16: "hexadecimal"}
_DIGITS = "0123456789abcdef"
# a template with one of these takes the number as decimal, so that no prefix fits
_SAYS_DECIMAL = ("decimal", "base ten", "ordinary", "count to", "十进", "十進", "普通")
_LONGEST = 20


@dataclass(frozen=True, slots=True)
class Facts:
    """A value, the base it is given in, and the base it is wanted in."""

    value: int
    source: int
    target: int


def written(value: int, base: int) -> str:
    """The digits of a value in a base, in lower case."""
    text = ""
    while value >= base:
        value, digit = divmod(value, base)
        text = _DIGITS[digit] + text
    return _DIGITS[value] + text


def draw(rng: Random) -> Facts:
    """A value and two different bases."""
    table = ranges()["bases"]
    source, target = rng.sample(table["bases"], 2)
    return Facts(rng.randint(*table["value"]), source, target)


def ask(facts: Facts, language: Language, rng: Random) -> str:
    """The question as a person would type it."""
    value = written(facts.value, facts.source)
    if facts.source == 16 and rng.random() < 0.4:
        value = value.upper()
    names = phrasings(language)["bases"]["names"]
    source = rng.choice(names[_NAMES[facts.source]])
    target = rng.choice(names[_NAMES[facts.target]])
    if facts.source in PREFIX and rng.random() < PREFIXED:
        value = PREFIX[facts.source] + value
        template = _neutral(language, rng)
    elif 10 in (facts.source, facts.target) and rng.random() < 0.85:
        kind = "from_decimal" if facts.source == 10 else "to_decimal"
        template = phrase(language, "bases", kind, rng)
    else:
        template = phrase(language, "bases", "general", rng)
    if source.isascii():
        # "base-2" and 101 must not run into one number
        template = template.replace("{f}{v}", "{f} {v}")
    text = template.replace("{v}", value).replace("{f}", source).replace("{t}", target)
    return dress(text, language, rng)


def _neutral(language: Language, rng: Random) -> str:
    """A template that names the wanted base only."""
    while True:
        template = phrase(language, "bases", "from_decimal", rng)
        if not any(word in template for word in _SAYS_DECIMAL):
            return template


def think(facts: Facts, effort: str, rng: Random) -> str:
    """To decimal if it is not yet, then from decimal if it is not wanted."""
    steps = [f"{written(facts.value, facts.source)} {facts.source} to {facts.target}"]
    if facts.source != 10:
        steps.append(_to_decimal(facts.value, facts.source))
    if facts.target != 10:
        steps.append(_from_decimal(facts.value, facts.target))
    return "<step>".join(steps)


def _to_decimal(value: int, base: int) -> str:
    """Horner: the value so far times the base plus the next digit."""
    first, *others = (_DIGITS.index(digit) for digit in written(value, base))
    lines, total = [str(first)], first
    for digit in others:
        lines.append(f"{total}*{base}+{digit}={total * base + digit}")
        total = total * base + digit
    return f"{','.join(lines)} so {total}"


def _from_decimal(value: int, base: int) -> str:
    """Repeated division; the remainders, last one first, are the digits."""
    lines: list[str] = []
    left = value
    while left or not lines:
        line = f"{left}/{base}={left // base} r {left % base}"
        lines.append(f"{line} {_DIGITS[left % base]}" if base == 16 else line)
        left //= base
    return f"{','.join(lines)} so {written(value, base)}"


def answer(facts: Facts) -> str:
    """The digits in the wanted base, without a prefix."""
    return written(facts.value, facts.target)


def check(facts: Facts, text: str) -> bool:
    """The digits in either case, with or without the prefix of the wanted base."""
    if len(text) > _LONGEST or not text.isascii():
        return False
    given = text.strip(" ").lower()
    return given.removeprefix(PREFIX.get(facts.target, "")) == answer(facts)


bases = Task("bases", draw, ask, think, answer, check)
