"""The next term of a number sequence of six kinds. The terms shown leave no doubt about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from random import Random

from system2.tasks.sorting import listed
from system2.tasks.task import Language, Task, phrase, ranges
from system2.tasks.wording import dress
from system2.tasks.written import bracketed, whole, work

# tested in this order; square comes before grow, because 1,4,9,16 also grows by 2 each time
KINDS = ("add", "times", "fib", "square", "grow", "alt")

_SMALL = 0.7  # share of the sequences that start near zero
_LONGEST = 420  # characters of the evidence: seven terms in the hundreds fit, a few do not
_WRONG = 0.15  # share of the high traces that try a wrong kind first


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
        if next(k for k in KINDS if evidence(k, terms)[1]) != kind or nexts(terms) != {following}:
            continue
        if len(",".join(evidence(kind, terms)[0])) <= _LONGEST:
            return Facts(tuple(terms), following, kind)


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
    steps = [b - a for a, b in zip(terms, terms[1:], strict=False)]
    growth = [b - a for a, b in zip(steps, steps[1:], strict=False)]
    if len(set(growth)) == 1:
        # the same difference each time, the same growth, and squares
        found.add(Fraction(terms[-1] + steps[-1] + growth[-1]))
    if all(a == b for a, b in zip(steps, steps[2:], strict=False)):
        found.add(Fraction(terms[-1] + steps[-2]))
    if all(terms) and len({Fraction(b, a) for a, b in zip(terms, terms[1:], strict=False)}) == 1:
        found.add(Fraction(terms[-1] * terms[-1], terms[-2]))
    if all(a + b == c for a, b, c in zip(terms, terms[1:], terms[2:], strict=False)):
        found.add(Fraction(terms[-2] + terms[-1]))
    return found


def evidence(kind: str, terms: Sequence[int]) -> tuple[list[str], bool]:
    """What is computed to see if the kind fits, up to the first misfit, and whether it fits."""
    found = {"times": _ratios, "fib": _sums, "square": _squares}.get(kind) or _steps(kind)
    return found(terms)


def _steps(kind: str) -> Callable[[Sequence[int]], tuple[list[str], bool]]:
    def differences(terms: Sequence[int]) -> tuple[list[str], bool]:
        parts: list[str] = []
        steps: list[int] = []
        for before, after in zip(terms, terms[1:], strict=False):
            parts.append(work(after, "-", before))
            steps.append(after - before)
            if not _continues(kind, steps):
                return parts, False
        return parts, True

    return differences


def _continues(kind: str, steps: Sequence[int]) -> bool:
    """Does the last difference go with those before it?"""
    if kind == "add":
        return steps[-1] == steps[0]
    if kind == "grow":
        if len(steps) == 1:
            return 1 <= steps[0] <= 10
        return steps[-1] - steps[-2] == steps[1] - steps[0] and 1 <= steps[1] - steps[0] <= 10
    return len(steps) < 2 or (steps[-1] == steps[-3] if len(steps) > 2 else steps[1] != steps[0])


def _ratios(terms: Sequence[int]) -> tuple[list[str], bool]:
    """The ratio by division, the rest by multiplying: that is a fact more often."""
    first, second = terms[:2]
    asked = f"{second}/{bracketed(first)}"
    low, high = ranges()["sequences"]["ratio"]
    if not first or second % first or not low <= second // first <= high:
        return [asked], False
    ratio = second // first
    parts = [f"{asked}={ratio}"]
    for before, after in zip(terms[1:], terms[2:], strict=False):
        parts.append(work(before, "*", ratio))
        if before * ratio != after:
            return parts, False
    return parts, True


def _sums(terms: Sequence[int]) -> tuple[list[str], bool]:
    parts: list[str] = []
    for a, b, c in zip(terms, terms[1:], terms[2:], strict=False):
        parts.append(work(a, "+", b))
        if a + b != c:
            return parts, False
    return parts, True


def _squares(terms: Sequence[int]) -> tuple[list[str], bool]:
    """The squares up to 31*31 count as facts."""
    root = isqrt(max(terms[0], 0))
    parts: list[str] = []
    for place, term in enumerate(terms):
        parts.append(f"{root + place}*{root + place}={(root + place) ** 2}")
        if (root + place) ** 2 != term:
            return parts, False
    return parts, True


def ask(facts: Facts, language: Language, rng: Random) -> str:
    """The question as a person would type it."""
    terms = listed(facts.terms, language, rng)
    return dress(phrase(language, "sequences", "next", rng, n=terms), language, rng)


def think(facts: Facts, effort: str, rng: Random) -> str:
    """The terms, the kind with its evidence, the next term."""
    trace = ",".join(map(str, facts.terms)) + "<step>"
    if effort == "high" and rng.random() < _WRONG:
        kind = rng.choice([k for k in KINDS if not evidence(k, facts.terms)[1]])
        trace += f"{kind} {','.join(evidence(kind, facts.terms)[0])} no<back>"
    trace += f"{facts.kind} {','.join(evidence(facts.kind, facts.terms)[0])}"
    return f"{trace}{_conclusion(facts)}"


def _conclusion(facts: Facts) -> str:
    *_, before, last = facts.terms
    if facts.kind == "times":
        return f" ok<step>{work(last, '*', facts.following // last)}"
    if facts.kind == "fib":
        return f" ok<step>{work(before, '+', last)}"
    if facts.kind == "square":
        root = isqrt(facts.following)
        return f" ok<step>{root}*{root}={facts.following}"
    step = facts.following - last
    moved = work(last, "+", step) if step >= 0 else work(last, "-", -step)
    if facts.kind == "grow":
        growth = step - (last - before)
        return f" by {growth} ok<step>{work(step - growth, '+', growth)}<step>{moved}"
    return f" ok<step>{moved}"


def answer(facts: Facts) -> str:
    """The next term."""
    return str(facts.following)


def check(facts: Facts, text: str) -> bool:
    """The next term as a number."""
    return whole(text) == facts.following


sequences = Task("sequences", draw, ask, think, answer, check)
