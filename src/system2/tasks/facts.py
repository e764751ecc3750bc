"""Lines of the small facts that traces are made of, in the very form that traces use.

A piece is (text, learnt): `17+25=` is given, `42,` must be produced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from system2.tasks.division import picked
from system2.tasks.letters import words
from system2.tasks.moves import results
from system2.tasks.written import compared, is_fact, work

Pair = tuple[str, str]

_LINE = (8, 14)  # facts in a line; a longer kind counts as several
_MIXED = 0.3
_HEX = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Kind:
    """How to draw one fact, how often it comes, and how many facts it counts for."""

    draw: Callable[[Random], Pair]
    weight: int
    size: int = 1


def _plus(rng: Random) -> Pair:
    a, b = rng.randrange(100), rng.randrange(100)
    return f"{a}+{b}=", f"{a + b}"


def _minus(rng: Random) -> Pair:
    """The larger minus the smaller: the other way round is a matter of `_signs`."""
    b, a = sorted((rng.randrange(100), rng.randrange(100)))
    return f"{a}-{b}=", f"{a - b}"


def _times(rng: Random) -> Pair:
    a = rng.randint(0, 12)
    b = rng.randint(0, min(99, 999 // max(a, 1)))
    if rng.random() < 0.5:
        a, b = b, a
    return f"{a}*{b}=", f"{a * b}"


def _signs(rng: Random) -> Pair:
    """A fact whose signs are brought outside: `2*(-24)=` goes on `-(2*24)=-48`."""
    while True:
        a, b = rng.randint(-99, 99), rng.randint(-99, 99)
        op = rng.choice("+-*")
        if rng.random() < 0.25:
            (a, b), op = sorted((abs(a), abs(b))), "-"
        elif op == "*":
            a, b = rng.sample((a % 25 - 12, b), 2)
        asked, _, rest = work(a, op, b).partition("=")
        if is_fact(a, op, b) and "=" in rest:
            return f"{asked}=", rest


def _ends(rng: Random) -> Pair:
    """All that two numbers make, as at the end of a Countdown search."""
    a, b = _two(rng)
    return f"{a},{b}:", _joined(_made(a, b))


def _hit(rng: Random) -> Pair:
    """Is the target among all that two numbers make? The targets of both cases are alike."""
    shown = _made(*_two(rng))
    hit = rng.random() < 0.5
    while True:
        target = rng.choice(shown if hit else _made(*_two(rng)))
        if (target in shown) == hit:
            return f"{_joined(shown)}|{target}", " yes" if hit else " no"


def _made(a: int, b: int) -> list[int]:
    return [result for _, result in results(a, b)]


def _two(rng: Random) -> tuple[int, int]:
    """Two numbers as a Countdown search leaves them."""
    a = rng.randint(1, 13) if rng.random() < 0.6 else rng.randint(1, 98)
    b = rng.randint(1, 99 - a)
    return (b, a) if rng.random() < 0.5 else (a, b)


def _column(rng: Random) -> Pair:
    """One column of a written sum, difference or product, with what was carried or borrowed."""
    a, b, carry = rng.randrange(10), rng.randrange(10), rng.randint(0, 1)
    kind = rng.choice("+-*")
    if kind == "+":
        return f"{a}+{b}+{carry}=", f"{a + b + carry}"
    if kind == "-":
        borrowed = 10 if a - b - carry < 0 else 0
        return f"{a}-{b}-{carry}" + ("+10=" if borrowed else "="), f"{a - b - carry + borrowed}"
    carry = rng.randint(0, 8)
    return f"{a}*{b}+{carry}=", f"{a * b + carry}"


def _division(rng: Random) -> Pair:
    divisor = rng.randint(2, 16)
    number = rng.randint(0, min(255, 16 * divisor - 1))
    return f"{number}/{divisor}=", f"{number // divisor} r {number % divisor}"


def _multiples(rng: Random) -> Pair:
    number = rng.randint(17, 99)
    return f"{number}:", _table(number)


def _table(number: int) -> str:
    return ",".join(f"{n} {n * number}" for n in range(1, 10))


def _pick(rng: Random) -> Pair:
    """The digit of a quotient, read off the table of multiples."""
    divisor, digit = rng.randint(17, 99), rng.randrange(10)
    head = digit * divisor + rng.randrange(divisor)
    return f"{divisor}:{_table(divisor)};{head}:", picked(digit, divisor)


def _left(rng: Random) -> Pair:
    """What is left of three digits when nearly all is taken."""
    number, left = rng.randrange(100, 1000), rng.randrange(100)
    return f"{number}-{number - left}=", f"{left}"


def _digits(rng: Random) -> Pair:
    """A pair of digits and its sign, from written comparisons."""
    a, b = rng.choices("0123456789", k=2)
    return a + b, compared(a, b)[-1]


def _first(rng: Random) -> Pair:
    """The smallest or largest number, found by the best so far, and what is left."""
    numbers = [rng.randrange(10 ** rng.randint(1, 3)) for _ in range(rng.randint(2, 5))]
    up = rng.random() < 0.5
    best = list(accumulate(numbers, min if up else max))
    left = numbers.copy()
    left.remove(best[-1])
    return f"{'up' if up else 'down'} {_joined(numbers)}=", f"{_joined(best)}:{_joined(left)}"


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _horner(rng: Random) -> Pair:
    base = rng.choice((2, 8, 16))
    digit = rng.randrange(base)
    number = rng.randint(0, (255 - digit) // base)
    return f"{number}*{base}+{digit}=", f"{number * base + digit}"


def _hex(rng: Random) -> Pair:
    value = rng.randrange(16)
    if rng.random() < 0.3 and value >= 10:
        return f"{_HEX[value]}=", f"{value}"
    return f"{value}=", _HEX[value]


def _square(rng: Random) -> Pair:
    n = rng.randint(0, 31)
    return f"{n}*{n}=", f"{n * n}"


def _spelt(rng: Random) -> Pair:
    """A word letter by letter: a token each, however the word was cut."""
    if rng.random() < 0.3:
        word = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 14)))
    else:
        word = rng.choice(words())
    return f"spell {word}=", ".".join(word)


KINDS: Mapping[str, Kind] = {
    "plus": Kind(_plus, 17),
    "minus": Kind(_minus, 13),
    "times": Kind(_times, 16),
    "ends": Kind(_ends, 14, 2),
    "hit": Kind(_hit, 6),
    "signs": Kind(_signs, 8, 2),
    "column": Kind(_column, 7),
    "division": Kind(_division, 5),
    "multiples": Kind(_multiples, 3, 6),
    "pick": Kind(_pick, 3, 6),
    "left": Kind(_left, 3),
    "square": Kind(_square, 1),
    "digits": Kind(_digits, 2),
    "first": Kind(_first, 2, 3),
    "horner": Kind(_horner, 2),
    "hex": Kind(_hex, 1),
    "spelt": Kind(_spelt, 3, 3),
}


def line(rng: Random) -> list[tuple[str, bool]]:
    """One training line: facts of one kind, or of several. Each ends in `,`, or `;` if it lists."""
    kinds = list(KINDS.values())
    weights = [kind.weight for kind in kinds]
    only = None if rng.random() < _MIXED else rng.choices(kinds, weights)[0]
    left = rng.randint(*_LINE)
    pieces: list[tuple[str, bool]] = []
    while left > 0:
        kind = only or rng.choices(kinds, weights)[0]
        given, learnt = kind.draw(rng)
        end = ";" if "," in learnt or ":" in learnt else ","
        pieces += [(given, False), (learnt + end, True)]
        left -= kind.size
    return pieces
