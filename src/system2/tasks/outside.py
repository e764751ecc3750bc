"""Questions outside the range table: written ones, near misses made of trained phrasings, noise."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from random import Random
from tomllib import loads
from typing import Any

from system2.tasks.sequences import nexts
from system2.tasks.sorting import listed
from system2.tasks.task import Language, phrase, phrasings
from system2.tasks.wording import bare, dress, expression

Make = Callable[[Language, Random], str]

_NEAR, _FAR = 0.4, 0.35
_NOISE = 0.25  # share of the questions made by program
_SLOT = re.compile(r"\{([nmdwpcsx])\}")
_SPLIT = re.compile(r"(\{[a-z]+\})")


@cache
def _lists(language: Language) -> Mapping[str, Any]:
    path = files("system2.tasks").joinpath("phrasings", f"outside_{language}.toml")
    return loads(path.read_text("utf-8"))


def question(language: Language, rng: Random) -> str:
    """A question that none of the tasks covers."""
    kind = rng.random()
    if kind < _NEAR + _FAR:
        templates: Sequence[str] = _lists(language)["near" if kind < _NEAR else "far"]
        text = _SLOT.sub(lambda slot: _filled(slot[1], language, rng), rng.choice(templates))
    else:
        makers = _NOISES if rng.random() < _NOISE else _MISSES
        text = rng.choice(makers)(language, rng)
    # dressing may take the question marks away, and there may be nothing else
    dressed = dress(text, language, rng) if rng.random() < 0.5 else text
    return dressed if dressed.strip() else text


def _filled(slot: str, language: Language, rng: Random) -> str:
    if slot == "n":
        return str(rng.randint(2, 99))
    if slot == "m":
        return str(rng.randint(100, 99_999))
    if slot == "d":
        return f"{rng.randint(0, 99)}.{rng.randint(1, 99)}"
    if slot == "x":
        return rng.choice(string.ascii_lowercase)
    # English words also in Chinese questions
    words: Sequence[str] = (_lists("en")["slots"] | _lists(language)["slots"])[slot]
    return rng.choice(words)


def _words(language: Language, rng: Random, count: int) -> list[str]:
    slots = _lists(language)["slots"]
    return rng.sample(slots[rng.choice(sorted(slots))], count)


def _long(rng: Random, low: int, high: int) -> int:
    """A number of low…high digits."""
    size = rng.randint(low, high)
    return rng.randrange(10 ** (size - 1), 10**size)


def _operation(section: str, sign: str, language: Language, rng: Random, a: str, b: str) -> str:
    """An operation in the phrasings of its task: in words, as an expression, or bare."""
    typed = expression(f"{a}{sign}{b}", language, rng)
    kind = rng.random()
    if kind < 0.4:
        return phrase(language, section, "words", rng, a=a, b=b)
    if kind < 0.8:
        return phrase(language, "shared", "expression", rng, e=typed)
    return bare(typed, language, rng)


def _big_sum(language: Language, rng: Random) -> str:
    pair = [_long(rng, 7, 12), _long(rng, rng.choice((1, 7)), 12)]
    rng.shuffle(pair)
    section, sign = rng.choice((("addition", "+"), ("subtraction", "-")))
    return _operation(section, sign, language, rng, *map(str, pair))


def _big_product(language: Language, rng: Random) -> str:
    pair = [_long(rng, 5, 9), _long(rng, rng.choice((1, 5)), 9)]
    rng.shuffle(pair)
    return _operation("multiplication", "*", language, rng, *map(str, pair))


def _big_division(language: Language, rng: Random) -> str:
    if rng.random() < 0.5:
        pair = (_long(rng, 6, 10), rng.randint(2, 99))
    else:
        pair = (_long(rng, 3, 8), _long(rng, 3, 5))
    return _operation("division", "/", language, rng, *map(str, pair))


def _decimal(rng: Random) -> str:
    return f"{rng.randrange(rng.choice((10, 100)))}.{rng.randint(1, 99)}"


def _decimals(language: Language, rng: Random) -> str:
    """One of the four operations on a decimal, a negative number or a fraction."""
    section, sign = rng.choice(
        (("addition", "+"), ("subtraction", "-"), ("multiplication", "*"), ("division", "/"))
    )
    odd = rng.choice((_decimal(rng), _decimal(rng), f"(-{rng.randint(1, 999)})"))
    pair = [odd, rng.choice((_decimal(rng), str(rng.randint(1, 99))))]
    rng.shuffle(pair)
    return _operation(section, sign, language, rng, *pair)


def _chain(language: Language, rng: Random) -> str:
    """Decimals, powers, numbers too large, too many operands, division or brackets in brackets."""
    kind = rng.choice(("decimal", "power", "large", "many", "divide", "nested", "function"))
    numbers = [str(rng.randint(1, 50)) for _ in range(rng.randint(3, 5))]
    signs = rng.choices("+-*", k=9)
    place = rng.randrange(len(numbers))
    if kind == "decimal":
        numbers[place] = _decimal(rng)
    elif kind == "power":
        power = f"{rng.randint(2, 12)}{rng.choice(('^', '**'))}{rng.randint(2, 12)}"
        numbers = [power, *numbers[: rng.randint(0, 2)]]
    elif kind == "large":
        numbers = [str(_long(rng, 3, 6)) if rng.random() < 0.7 else n for n in numbers]
        numbers[place] = str(rng.randint(51, 9999))
    elif kind == "many":
        numbers = [str(rng.randint(1, 50)) for _ in range(rng.randint(7, 10))]
    elif kind == "divide":
        signs[rng.randrange(len(numbers) - 1)] = "/"
    elif kind == "function":
        name = rng.choice(("sqrt({})", "{}!", "abs(-{})", "log({})", "√{}", "{}%"))
        numbers[place] = name.format(numbers[place])
    text = "".join(n + s for n, s in zip(numbers, signs, strict=False))[:-1]
    if kind == "nested":
        a, b, c, d = (rng.randint(1, 50) for _ in range(4))
        text = f"({a}{signs[0]}({b}{signs[1]}{c}))*{d}"
    if "^" not in text and "**" not in text:
        text = expression(text, language, rng)
    section = rng.choice(("shared", "chain"))
    return phrase(language, section, "expression", rng, e=text)


def _equation(language: Language, rng: Random) -> str:
    x = rng.choice("xxxyzabnt")
    a, b, c = rng.randint(13, 99), rng.randint(51, 9999), rng.randint(1, 9999)
    small = rng.randint(2, 12)
    text = rng.choice(
        (
            f"{a}*{x}+{b}={c}",
            f"{a}{x}-{rng.randint(1, 50)}={c}",
            f"{x}^2={rng.randint(2, 30) ** 2}",
            f"{x}^2+{small}{x}-{rng.randint(1, 50)}=0",
            f"{x}/{small}+{rng.randint(1, 50)}={c}",
            f"{rng.randint(1, 9)}.{rng.randint(1, 9)}{x}+{small}={c}",
            f"{small}{x}+{rng.randint(2, 12)}w={c}",
            f"{small}{x}+{rng.randint(1, 50)}>{c}",
            f"|{x}-{small}|={rng.randint(1, 50)}",
            f"{small}^{x}={small ** rng.randint(2, 6)}",
        )
    )
    return phrase(language, "linear", "solve", rng, e=text, x=x)


def _count(language: Language, rng: Random) -> str:
    """Digits in a number, groups of letters, words that are too long."""
    words = [word for word in _lists("en")["slots"]["w"] if len(word) >= 4]
    word = rng.choice(words)
    kind = rng.random()
    if kind < 0.4:
        number = str(_long(rng, 4, 14))
        return phrase(language, "letters", "count", rng, c=rng.choice(number), w=number)
    if kind < 0.7:
        start = rng.randrange(len(word) - 1)
        part = word[start : start + rng.randint(2, 3)]
        return phrase(language, "letters", "count", rng, c=part, w=word)
    while len(word) < 18:
        word += rng.choice(words)
    return phrase(language, "letters", "count", rng, c=rng.choice(word), w=word)


def _make(language: Language, rng: Random) -> str:
    """Countdown and 24 with too many numbers, too large ones or another target."""
    kind = rng.random()
    if kind < 0.5:
        numbers = [rng.randint(1, 13) for _ in range(rng.randint(5, 7))]
    else:
        numbers = [rng.choice((25, 50, 75, 100, rng.randint(14, 99)))]
        numbers += [rng.randint(1, 50) for _ in range(rng.randint(2, 4))]
    typed = listed(numbers, language, rng)
    if rng.random() < 0.3:
        return phrase(language, "game24", "make", rng, n=typed)
    target = rng.randint(10, 60) if rng.random() < 0.4 else rng.randint(101, 999)
    return phrase(language, "countdown", "make", rng, n=typed, t=str(target))


def _digits(value: int, base: int) -> str:
    text = ""
    while value or not text:
        text = (string.digits + string.ascii_lowercase)[value % base] + text
        value //= base
    return text


def _bases(language: Language, rng: Random) -> str:
    """Bases that are not trained, or values above 255."""
    if rng.random() < 0.5:
        base = rng.choice((3, 4, 5, 6, 7, 9, 11, 12, 13, 20, 32, 36, 60))
        name = f"{base}进制" if language == "zh" else rng.choice((f"base {base}", f"base-{base}"))
        value = rng.randint(1, 999)
    else:
        base = rng.choice((2, 8, 16))
        called = {2: "binary", 8: "octal", 16: "hexadecimal"}[base]
        name = rng.choice(phrasings(language)["bases"]["names"][called])
        value = rng.randint(300, 99_999)
    if rng.random() < 0.5:
        return phrase(language, "bases", "from_decimal", rng, v=str(value), t=name)
    typed = _digits(value, min(base, 36))
    if rng.random() < 0.5:
        return phrase(language, "bases", "to_decimal", rng, v=typed, f=name)
    other = rng.choice(phrasings(language)["bases"]["names"][rng.choice(("binary", "decimal"))])
    return phrase(language, "bases", "general", rng, v=typed, f=name, t=other)


def _sort(language: Language, rng: Random) -> str:
    """Too many numbers, large ones, decimals, negative ones, or words."""
    kind = rng.choice(("many", "large", "decimals", "negative", "words"))
    count = rng.randint(3, 8)
    if kind == "many":
        numbers = [str(rng.randint(0, 999)) for _ in range(rng.randint(12, 20))]
    elif kind == "large":
        numbers = [str(rng.randint(1000, 999_999)) for _ in range(count)]
    elif kind == "decimals":
        numbers = [_decimal(rng) for _ in range(count)]
    elif kind == "negative":
        numbers = [str(rng.randint(-99, 99)) for _ in range(count)] + [f"-{rng.randint(1, 99)}"]
    else:
        numbers = _words(language, rng, count)
    separator = rng.choice(("、", "，") if language == "zh" else (", ", ", ", " ", ","))
    kind = rng.choice(("up", "down"))
    return phrase(language, "sorting", kind, rng, n=separator.join(numbers))


def _compare(language: Language, rng: Random) -> str:
    """Large numbers, too many decimals, negative numbers, fractions, powers, expressions."""
    kind = rng.randrange(6)

    def one() -> str:
        return (
            str(_long(rng, 4, 9)),
            f"{rng.randint(0, 9)}.{_long(rng, 5, 8)}",
            f"-{rng.randint(0, 99)}.{rng.randint(1, 99)}",
            f"{rng.randint(1, 20)}/{rng.randint(2, 20)}",
            f"{rng.randint(2, 20)}^{rng.randint(2, 20)}",
            f"{rng.randint(2, 99)}*{rng.randint(2, 99)}",
        )[kind]

    return phrase(language, "compare", rng.choice(("larger", "smaller")), rng, a=one(), b=one())


def _sequence(language: Language, rng: Random) -> str:
    """Letters, fractions, decimals, large terms, primes, cubes, or terms without any rule."""
    count, start = rng.randint(4, 7), rng.randint(1, 9)
    primes = [n for n in range(2, 99) if all(n % d for d in range(2, n))][start : start + count]
    if nexts(primes):
        # 5,7,11,13,17 alternates
        return _sequence(language, rng)
    step = rng.randint(1, 3)
    terms = rng.choice(
        (
            [string.ascii_letters[start + step * n] for n in range(count)],
            [f"{start + n}/{start + n + step}" for n in range(count)],
            [f"{(10 * start + step * n) / 10}" for n in range(count)],
            [str(1000 * start + rng.choice((7, 50, 125)) * n) for n in range(count)],
            [str(prime) for prime in primes],
            [str((start + n) ** 3) for n in range(count)],
            [f"{rng.randint(100, 999)}{n}" for n in rng.sample(range(99), count)],
            _words(language, rng, count),
        )
    )
    return phrase(language, "sequences", "next", rng, n=", ".join(terms))


def _island(language: Language, rng: Random) -> str:
    """Knights and knaves with four or five people, or with a spy among them."""
    people = rng.sample(_lists(language)["slots"]["p"], rng.randint(4, 5))
    spy = rng.random() < 0.4
    if spy:
        people = people[:3]
    between, end = ("、", "。") if language == "zh" else (", ", ". ")
    intro = phrase(language, "knights", "intro", rng, names=between.join(people))
    if spy:
        intro += (
            rng.choice(("其中一人是间谍，真话假话都可能说。", "还有一个普通人，有时说谎。"))
            if language == "zh"
            else rng.choice((" one of them is a spy who may lie.", " a third kind says anything."))
        )
    said = ""
    for place, person in enumerate(people):
        other = people[place - 1]
        claim = rng.choice(("knight", "knave", "self_same"))
        said += phrase(language, "knights", claim, rng, a=person, b=other) + end
    space = "" if language == "zh" else " "
    return intro + space + said + phrase(language, "knights", "ask", rng)


def _rows(language: Language, rng: Random) -> str:
    """Rows that are too long, of letters, or two-dimensional."""
    kind = rng.randrange(3)
    cells = rng.randint(13, 24) if kind == 0 else rng.randint(3, 5)

    def row() -> str:
        if kind == 0:
            return "".join(rng.choice("00012345") for _ in range(cells))
        if kind == 1:
            return "".join(rng.choice("abcdexyz.#") for _ in range(cells + 2))
        return "/".join("".join(rng.choice("0012") for _ in range(cells)) for _ in range(cells))

    examples = "; ".join(f"{row()}->{row()}" for _ in range(rng.randint(2, 3)))
    return phrase(language, "grid", "puzzle", rng, e=examples, q=row())


def _unfilled(language: Language, rng: Random) -> str:
    """A trained phrasing with things in the place of numbers, or with nothing."""
    sections = ("addition", "subtraction", "multiplication", "division", "compare", "countdown")
    section = rng.choice(sections)
    lists = phrasings(language)[section]
    template: str = rng.choice(lists[rng.choice(sorted(lists))])
    things = iter(_words(language, rng, 6) if rng.random() < 0.7 else ["..."] * 6)
    return "".join(next(things) if part[:1] == "{" else part for part in _SPLIT.split(template))


def _mashed(language: Language, rng: Random) -> str:
    rows = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "asdf", "jkl;")
    row = rng.choice((*rows, string.ascii_lowercase))
    words = ["".join(rng.choices(row, k=rng.randint(3, 12))) for _ in range(rng.randint(1, 4))]
    return " ".join(words)


def _shuffled(language: Language, rng: Random) -> str:
    """The words of a written question in random order, or words that have nothing in common."""
    if rng.random() < 0.5:
        text = rng.choice(_lists(language)[rng.choice(("near", "far"))])
        text = _SLOT.sub(lambda slot: _filled(slot[1], language, rng), text)
        parts = list(text) if language == "zh" else text.split()
    else:
        parts = _words(language, rng, rng.randint(2, 8))
    rng.shuffle(parts)
    return ("" if language == "zh" else " ").join(parts)


def _characters(language: Language, rng: Random) -> str:
    return "".join(chr(rng.randint(0x4E00, 0x9FA5)) for _ in range(rng.randint(2, 12)))


def _marks(language: Language, rng: Random) -> str:
    marks = "?!.,;:+-*/=()[]{}<>@#$%^&~'\"？！。，"
    return rng.choice(("", "", " ")).join(rng.choices(marks, k=rng.randint(1, 12)))


def _alone(language: Language, rng: Random) -> str:
    """A word, a number, or numbers that nothing is asked about."""
    kind = rng.random()
    if kind < 0.4:
        return _words(language, rng, 1)[0]
    if kind < 0.7:
        return str(_long(rng, 1, 16))
    # "or" between two numbers could ask for the larger one
    return f"{rng.randint(0, 999)} {rng.choice(('und', '&', '...', '#', '@'))} {_decimal(rng)}"


def _repeated(language: Language, rng: Random) -> str:
    parts = (*string.ascii_lowercase, "ha", "la", "哈", "啊", *_words(language, rng, 3))
    return rng.choice(("", " ")).join([rng.choice(parts)] * rng.randint(3, 20))


_MISSES: Sequence[Make] = (
    _big_sum, _big_product, _big_division, _decimals, _chain, _chain, _equation, _count, _make,
    _bases, _sort, _compare, _sequence, _island, _rows, _unfilled,
)  # fmt: skip
_NOISES: Sequence[Make] = (_mashed, _shuffled, _shuffled, _characters, _marks, _alone, _repeated)
