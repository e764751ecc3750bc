"""Division with remainder: small divisors by long division, others with a table of multiples."""

from __future__ import annotations

import re
from random import Random

from system2.tasks.task import Language, Task, digits, ranges
from system2.tasks.wording import ask_arithmetic
from system2.tasks.written import long_division, long_product, quotient_digits, whole, work

Pair = tuple[int, int]

# Words half of the time; an expression with and without mention of the remainder.
_POOLS = (
    ("division", "words"),
    ("division", "words"),
    ("division", "expression"),
    ("shared", "expression"),
)
_LARGEST_SHORT_DIVISOR = 16
_REMAINDER = re.compile(r"([^a-z余]*[^a-z余 ]) *(?:r|remainder|余) *(0|[1-9][0-9]?)")
_LONGEST_ANSWER = 40


def draw(rng: Random) -> Pair:
    """Dividend and divisor."""
    table = ranges()["division"]
    return digits(rng, *table["dividend_digits"]), rng.randint(*table["divisor"])


def ask(facts: Pair, language: Language, rng: Random) -> str:
    """The question in words or as an expression."""
    a, b = facts
    return ask_arithmetic(_POOLS, f"{a}/{b}", language, rng, a=a, b=b)


def think(facts: Pair, effort: str, rng: Random) -> str:
    """One step per digit of the quotient; "high" multiplies back."""
    a, b = facts
    if a < b:
        steps = f"{a}<{b}"
    elif b <= _LARGEST_SHORT_DIVISOR:
        steps = long_division(a, b)
    else:
        multiples = ",".join(f"{n} {n * b}" for n in range(1, 10))
        rows = [_row(head, digit, b) for head, digit, _ in quotient_digits(a, b)]
        steps = "<step>".join([f"{a}/{b}", f"{b}:{multiples}", *rows])
    return f"{steps}<check>{_multiplied_back(a, b)}" if effort == "high" else steps


def _row(head: int, digit: int, divisor: int) -> str:
    """`153:4 136,5 170> left 153-136=17`; nothing is taken for a 0: `12:0,1 34> left 12`."""
    taken = digit * divisor
    left = f"{head}-{taken}={head - taken}" if digit else f"{head}"
    return f"{head}:{picked(digit, divisor)} left {left}"


def picked(digit: int, divisor: int) -> str:
    """`4 136,5 170>`: the digit with its multiple, and the next one, which is too large."""
    this = f"{digit} {digit * divisor}" if digit else "0"
    return f"{this},{digit + 1} {(digit + 1) * divisor}>" if digit < 9 else this


def _multiplied_back(a: int, b: int) -> str:
    """Quotient times divisor, plus the remainder, in written steps."""
    quotient, remainder = divmod(a, b)
    steps = [f"{quotient}*{b}", *long_product(quotient, b)] if quotient else [f"0*{b}=0"]
    if remainder:
        steps.append(work(quotient * b, "+", remainder))
    return "<step>".join(steps) + " ok"


def answer(facts: Pair) -> str:
    """`22 r 2`, or the quotient alone."""
    quotient, remainder = divmod(*facts)
    return f"{quotient} r {remainder}" if remainder else str(quotient)


def check(facts: Pair, text: str) -> bool:
    """Are quotient and remainder exactly right? A remainder of 0 may be left out."""
    if len(text) > _LONGEST_ANSWER:
        return False
    match = _REMAINDER.fullmatch(text.strip(" "))
    if match is None:
        return (whole(text), 0) == divmod(*facts)
    return (whole(match[1]), int(match[2])) == divmod(*facts)


division = Task("division", draw, ask, think, answer, check)
