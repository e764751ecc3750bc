"""The next term of a number sequence of six kinds. The terms shown leave no doubt about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isqrt
from random import Random

from system2.tasks.sorting import listed
from system2.tasks.task import Language, Task, phrase, ranges
from system2.tasks.wording import dress
from system2.tasks.written import bracketed, whole, work

# tested in this order; square comes before grow, because 1,4,9,16 also grows by 2 each time
KINDS = ("add", "times", "fib", "square", "grow", "alt")

_SMALL = 0.7  # share of the sequences that start near zero
_LONGEST = 419  # tokens of a trace, a mark is one: seven terms in the hundreds fit, a few do not
_WRONG = 0.15  # share of the high traces that try a wrong kind first
_MARK = re.compile("<[a-z]+>")


@dataclass(frozen=True, slots=True)
class Facts:
    """The terms shown, the one that follows, and the first kind that explains them."""

    terms: tuple[int, ...]
    following: int
    kind: str


def draw(rng: Random) -> Facts:
    """A sequence of a random kind, redrawn until it is in range and the next term is certain."""
    table = ranges()["sequences"]
    low, high = table["value"]
    count = rng.randint(*table["terms"])
    kind = rng.choice(KINDS)
    while True:
        *terms, following = _drawn(kind, count + 1, rng)
        if not low <= min(*terms, following) <= max(*terms, following) <= high:
            continue
        if next(k for k in KINDS if fits(k, terms)) != kind or nexts(terms) != {following}:
            continue
        facts = Facts(tuple(terms), following, kind)
        if _size(_written(facts)) <= _LONGEST:
            return facts


def _drawn(kind: str, count: int, rng: Random) -> list[int]:
    table = ranges()["sequences"]
    start = rng.randint(-20, 60) if rng.random() < _SMALL else rng.randint(*table["value"])
    if kind == "times":
        first = rng.randint(1, 60) * rng.choice((1, 1, 1, 1, 1, -1))
        ratio = rng.randint(*table["ratio"])
        return [first * ratio**place for place in range(count)]
    if kind == "fib":
        lowest = -20 if rng.random() < 0.1 else 0
        terms = [rng.randint(lowest, rng.choice((5, 15, 60))) for _ in range(2)]
        while len(terms) < count:
            terms.append(terms[-2] + terms[-1])
        return terms
    if kind == "square":
        root = rng.randint(0, 32 - count)
        return [(root + place) ** 2 for place in range(count)]
    if kind == "grow":
        first, growth = rng.randint(1, 10), rng.randint(1, 10)
        steps = [first + growth * place for place in range(count - 1)]
    else:
        pair = [rng.randint(*table["difference"]) for _ in range(1 if kind == "add" else 2)]
        steps = [pair[place % len(pair)] for place in range(count - 1)]
    return [start + sum(steps[:place]) for place in range(count)]


def nexts(terms: Sequence[int]) -> set[Fraction]:
    """What follows by any of the kinds, also with numbers outside the range table."""
    found: set[Fraction] = set()
    steps = _differences(terms)
    growth = _differences(steps)
    if len(set(growth)) == 1:
        # the same difference each time, the same growth, and squares
        found.add(Fraction(terms[-1] + steps[-1] + growth[-1]))
    if all(a == b for a, b in zip(steps, steps[2:], strict=False)):
        found.add(Fraction(terms[-1] + steps[-2]))
    if all(terms) and len({Fraction(b, a) for a, b in pairwise(terms)}) == 1:
        found.add(Fraction(terms[-1] * terms[-1], terms[-2]))
    if all(a + b == c for a, b, c in zip(terms, terms[1:], terms[2:], strict=False)):
        found.add(Fraction(terms[-2] + terms[-1]))
    return found


def _differences(terms: Sequence[int]) -> list[int]:
    return [b - a for a, b in pairwise(terms)]


def fits(kind: str, terms: Sequence[int]) -> bool:
    """Is the sequence of this kind, with numbers of the range table?"""
    steps = _differences(terms)
    growth = _differences(steps)
    if kind == "add":
        return len(set(steps)) == 1
    if kind == "grow":
        return len(set(growth)) == 1 and 1 <= steps[0] <= 10 and 1 <= growth[0] <= 10
    if kind == "alt":
        return steps[0] != steps[1] and all(a == b for a, b in zip(steps, steps[2:], strict=False))
    if kind == "times" and _ratio(terms) is None:
        return False
    return _evidence(kind, terms)[1]


def _ratio(terms: Sequence[int]) -> int | None:
    """The second term over the first, if that is a ratio of the range table."""
    first, second = terms[:2]
    low, high = ranges()["sequences"]["ratio"]
    if not first or second % first or not low <= second // first <= high:
        return None
    return second // first


def _named(kind: str, terms: Sequence[int]) -> str:
    """The kind with its numbers, as the first terms show them: `add 7`, `alt 3 -1`, `times 2`."""
    first, second = _differences(terms)[:2]
    numbers = {"add": f" {first}", "grow": f" {second - first}", "alt": f" {first} {second}"}
    return kind + (f" {_ratio(terms)}" if kind == "times" else numbers.get(kind, ""))


def _evidence(kind: str, terms: Sequence[int]) -> tuple[list[str], bool]:
    """What is computed to see if the kind fits, up to the first misfit, and whether it fits."""
    differing = _regular(kind, _differences(terms))
    computed = {"times": _ratios, "fib": _sums, "square": _squares}.get(kind)
    parts: list[str] = []
    for text, fitting in computed(terms) if computed else differing:
        parts.append(text)
        if not fitting:
            return parts, False
    return parts, True


def _regular(kind: str, steps: Sequence[int]) -> Iterator[tuple[str, bool]]:
    """The differences, or for `grow` their growth: do they go on as they begin?"""
    if kind == "grow":
        for a, b in pairwise(steps):
            yield work(b, "-", a), b - a == steps[1] - steps[0]
    else:
        for place, step in enumerate(steps):
            yield str(step), step == steps[place % 2 if kind == "alt" else 0]


def _ratios(terms: Sequence[int]) -> Iterator[tuple[str, bool]]:
    """The ratio by division, the rest by multiplying: that is a fact more often."""
    ratio = _ratio(terms) or 0
    first, second = terms[:2]
    outside = f"={-second}/{-first}" if first < 0 else ""
    yield f"{second}/{bracketed(first)}{outside}={ratio}", True
    for before, after in pairwise(terms[1:]):
        yield work(before, "*", ratio), before * ratio == after


def _sums(terms: Sequence[int]) -> Iterator[tuple[str, bool]]:
    for a, b, c in zip(terms, terms[1:], terms[2:], strict=False):
        yield work(a, "+", b), a + b == c


def _squares(terms: Sequence[int]) -> Iterator[tuple[str, bool]]:
    """The squares up to 31*31 count as facts."""
    root = isqrt(max(terms[0], 0))
    for place, term in enumerate(terms):
        n = root + place
        yield f"{n}*{n}={n * n}", n * n == term


def _wrong(terms: Sequence[int]) -> list[str]:
    """The kinds that the beginning of the sequence allows but not the rest of it."""
    first, second = _differences(terms)[:2]
    possible = {
        "add": True,
        "times": _ratio(terms) is not None,
        "fib": True,
        "square": terms[0] >= 0 and isqrt(terms[0]) ** 2 == terms[0],
        "grow": 1 <= first <= 10 and 1 <= second - first <= 10,
        "alt": first != second,
    }
    return [kind for kind in KINDS if possible[kind] and not _evidence(kind, terms)[1]]


def ask(facts: Facts, language: Language, rng: Random) -> str:
    """The question as a person would type it."""
    terms = listed(facts.terms, language, rng)
    return dress(phrase(language, "sequences", "next", rng, n=terms), language, rng)


def think(facts: Facts, effort: str, rng: Random) -> str:
    """The terms, their differences, these alone, the kind, its evidence if they do not show it, the next term."""
    if effort == "high" and rng.random() < _WRONG:
        kind = rng.choice(_wrong(facts.terms))
        parts = ",".join(_evidence(kind, facts.terms)[0])
        trace = _written(facts, f"{_named(kind, facts.terms)}<step>{parts} no<back>")
        if _size(trace) <= _LONGEST:
            return trace
    return _written(facts)


def _written(facts: Facts, tried: str = "") -> str:
    """The trace, with a kind that was tried in vain before the right one."""
    terms = facts.terms
    steps = [
        ",".join(map(str, terms)),
        ",".join(_difference(b, a) for a, b in pairwise(terms)),
        ",".join(str(b - a) for a, b in pairwise(terms)),
        tried + _named(facts.kind, terms),
    ]
    if facts.kind in ("times", "fib", "square"):
        steps.append(",".join(_evidence(facts.kind, terms)[0]) + " ok")
    return "<step>".join([*steps, *_conclusion(facts)])


def _difference(a: int, b: int) -> str:
    """a-b by `work`, but of two close numbers of three digits only the result: `466-462=4`."""
    text = work(a, "-", b)
    if min(abs(a), abs(b)) >= 100 and abs(a - b) < 100 and (a < 0) == (b < 0):
        return f"{text.partition(':')[0]}={a - b}"
    return text


def _size(trace: str) -> int:
    return len(_MARK.sub("#", trace))


def _conclusion(facts: Facts) -> list[str]:
    *_, before, last = facts.terms
    if facts.kind == "times":
        return [work(last, "*", facts.following // last)]
    if facts.kind == "fib":
        return [work(before, "+", last)]
    if facts.kind == "square":
        root = isqrt(facts.following)
        return [f"{root}*{root}={facts.following}"]
    step = facts.following - last
    moved = work(last, "+", step) if step >= 0 else work(last, "-", -step)
    if facts.kind == "grow":
        growth = step - (last - before)
        return [work(step - growth, "+", growth), moved]
    return [moved]


def answer(facts: Facts) -> str:
    """The next term."""
    return str(facts.following)


def check(facts: Facts, text: str) -> bool:
    """The next term as a number."""
    return whole(text) == facts.following


sequences = Task("sequences", draw, ask, think, answer, check)
