"""Linear equations in one unknown, solved by bringing terms to the other side."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from string import ascii_lowercase

from system2.tasks.task import Language, Task, ranges
from system2.tasks.wording import respelled, weighted, worded
from system2.tasks.written import whole, work

_BARE = 0.1
_LONGEST_ANSWER = 40
_TIMES = (("", 75), ("*", 15), ("·", 5), ("×", 5))  # 5x far more often than 5*x


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation: c is the right side, but in the form with the unknown on both sides c*x+d is."""

    form: str
    letter: str
    a: int
    b: int
    c: int
    d: int
    solution: int


def draw(rng: Random) -> Equation:
    """Form and solution are uniform; coefficients keep the constants inside the range."""
    table = ranges()["linear"]
    form = rng.choice(table["forms"])
    letter = "x" if rng.random() < 0.5 else rng.choice(ascii_lowercase)
    solution = rng.randint(*table["solution"])
    first, last = table["coefficient"]
    low, high = table["constant"]
    if form != "a*x+b=c*x+d":
        a, b = rng.randint(first, last), rng.randint(low, high)
        right = a * (solution + b) if form == "a*(x+b)=c" else a * solution + b
        return Equation(form, letter, a, b, right, 0, solution)
    coefficients = range(first, last + 1)
    pairs = [(a, c) for a in coefficients for c in coefficients if a != c]
    a, c = rng.choice([(a, c) for a, c in pairs if abs((a - c) * solution) <= high - low])
    shift = (a - c) * solution
    b = rng.randint(max(low, low - shift), min(high, high - shift))
    return Equation(form, letter, a, b, c, b + shift, solution)


def _plus(text: str, constant: int) -> str:
    """`text+constant` with one sign; a zero is not written."""
    return text if constant == 0 else f"{text}{constant:+d}"


def _written(facts: Equation) -> str:
    """The equation in canonical form."""
    x, a, b, c = facts.letter, facts.a, facts.b, facts.c
    if facts.form == "a*(x+b)=c":
        return f"{a}*({_plus(x, b)})={c}" if b else f"{a}*{x}={c}"
    if facts.form == "b+a*x=c":
        return f"{b}+{a}*{x}={c}" if b else f"{a}*{x}={c}"
    right = _plus(f"{c}*{x}", facts.d) if facts.form == "a*x+b=c*x+d" else str(c)
    return f"{_plus(f'{a}*{x}', b)}={right}"


def ask(facts: Equation, language: Language, rng: Random) -> str:
    """The equation alone, or with a request to solve it."""
    times = weighted(_TIMES, rng)
    typed = respelled(_written(facts).replace("*", times), language, rng, times)
    if rng.random() < _BARE:
        return typed
    return worded(language, "linear", "solve", rng, e=typed, x=facts.letter)


def think(facts: Equation, effort: str, rng: Random) -> str:
    """The equation, what moves, the arithmetic of it, and the solution; "high" substitutes it."""
    steps = [_written(facts), *_solved(facts)]
    trace = "<step>".join(steps)
    return f"{trace}<check>{_substituted(facts)} ok" if effort == "high" else trace


def _solved(facts: Equation) -> list[str]:
    x, a, b, c = facts.letter, facts.a, facts.b, facts.c
    if facts.form == "a*(x+b)=c" and b:
        left, inside = _plus(x, b), c // a
        return [f"{left}={c}/{a}", work(c, "/", a), f"{left}={inside}", *_moved(x, inside, b)]
    if facts.form != "a*x+b=c*x+d":
        return [*_moved(f"{a}*{x}", c, b), *_divided(x, a, a * facts.solution)]
    # the unknown goes to the side with the larger coefficient, the constants to the other
    (large, stays), (small, goes) = sorted(((a, b), (c, facts.d)), reverse=True)
    coefficient, right = large - small, goes - stays
    steps = [f"({large}-{small})*{x}={_plus(str(goes), -stays)}", work(large, "-", small)]
    steps += [work(goes, "-" if stays > 0 else "+", abs(stays))] if stays else []
    return [*steps, f"{coefficient}*{x}={right}", *_divided(x, coefficient, right)]


def _moved(left: str, right: int, constant: int) -> list[str]:
    """left+constant=right → left=right-constant, worked out."""
    if constant == 0:
        return []
    op = "-" if constant > 0 else "+"
    size = abs(constant)
    return [f"{left}={right}{op}{size}", work(right, op, size), f"{left}={right - constant}"]


def _divided(x: str, coefficient: int, right: int) -> list[str]:
    """coefficient*x=right → x."""
    quotient = [work(right, "/", coefficient)] if coefficient != 1 else []
    return [*quotient, f"{x}={right // coefficient}"]


def _substituted(facts: Equation) -> str:
    """Both sides worked out with the solution in place of the unknown."""
    a, b, x = facts.a, facts.b, facts.solution
    if facts.form == "a*(x+b)=c" and b:
        return ",".join([*_added(x, b), work(a, "*", x + b)])
    left = [work(a, "*", x), *_added(a * x, b, facts.form == "b+a*x=c")]
    if facts.form == "a*x+b=c*x+d":
        left += [work(facts.c, "*", x), *_added(facts.c * x, facts.d)]
    return ",".join(left)


def _added(term: int, constant: int, constant_first: bool = False) -> list[str]:
    if constant == 0:
        return []
    if constant_first:
        return [work(constant, "+", term)]
    return [work(term, "+" if constant > 0 else "-", abs(constant))]


def answer(facts: Equation) -> str:
    """The solution as a number."""
    return str(facts.solution)


def check(facts: Equation, text: str) -> bool:
    """Is `text` exactly the solution, or `x=` and the solution?"""
    if len(text) > _LONGEST_ANSWER:
        return False
    named = re.fullmatch(rf" *{facts.letter} *=(.*)", text)
    return whole(named[1] if named else text) == facts.solution


linear = Task("linear", draw, ask, think, answer, check)
