"""The plain number that an answer is, if it is one. Cheap and pure; knows no algebra, evaluates nothing.

What is the same here votes together: `1/2`, `0.5`, `50%`, `$\\frac12$` and `\\boxed{.5}` are one answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable
from fractions import Fraction

from system2.core import Node

LONGEST = 200  # characters of a number; what is longer is none
DRESSED = 10_000  # characters of an answer that is undressed
LAYERS = 30  # of dress that are taken off

_ENDS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"))
_LEAD = re.compile(r"(?:(?:so|thus|hence),? )?(?:the )?(?:final )?answer(?: is ?:?| ?:) ?(?=\S)|答案[是为]?[:：]? ?(?=\S)", re.IGNORECASE)  # fmt: skip
_WRAPS = re.compile(r"\\(?:f?box(?:ed)?|text(?:bf|it|rm)?|math(?:bf|rm|it)|displaystyle)\s*\{")
_LETTER = re.compile(r"\(([A-Za-z])\)")
_SPACES = re.compile(r"(?:\\[,;:! ]|~|\s)+")
_SIZES = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])")
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width forms
_SIGNS = _WIDE | str.maketrans({"−": "-", "–": "-", "⁄": "/"})
_RAISED = re.compile("[⁰¹²³⁴-⁹⁺⁻ⁿⁱ]+")
_LOWERED = re.compile("[₀-₉₊₋]+")
_DEGREE = re.compile(r"\^ ?(?:\\circ|\{ ?\\circ ?\})(?![A-Za-z])|\\degree(?![A-Za-z])")
_VULGAR = {c: f" {unicodedata.normalize('NFKC', c)}" for c in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}

_WHOLE = r"(?:[0-9]{1,3}(?:(?:,|\{,\}| )[0-9]{3})+|[0-9]+)"
_DECIMAL = rf"(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+)"
_PART = rf"[+-]? ?{_DECIMAL}"
_CYCLE = r"\\overline ?\{ ?(?P<cycle>[0-9]+) ?\}"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?) ?(?P<body>{_DECIMAL})(?:{_CYCLE})?"
    r"(?:[eE](?P<e>[+-]?[0-9]{1,3})| ?(?:\*|[xX]|×|·|\\times|\\cdot) ?10 ?\^ ?(?P<ten>[+-]?[0-9]{1,3}|\{ ?[+-]?[0-9]{1,3} ?\}))?"
)
_POWER = re.compile(r"([+-]?) ?(?=10 ?\^)")
_PERCENT = re.compile(r" ?(?:\\?%|(?:\\text ?\{ ?)?(?:percent|pct) ?\}?)$", re.IGNORECASE)
_RATIO = re.compile(
    rf"(?P<sign>[+-]?) ?(?:(?P<whole>[0-9]+) (?=[0-9]+ ?/ ?[0-9]+$))?(?P<top>{_PART}) ?/ ?(?P<bottom>{_PART})"
)
_FRACTION = re.compile(
    rf"(?P<sign>[+-]?) ?(?P<whole>[0-9]+)? ?\\[dt]?frac ?"
    rf"(?:\{{ ?(?P<top>{_PART}) ?\}}|(?P<t>[0-9])) ?(?:\{{ ?(?P<bottom>{_PART}) ?\}}|(?P<b>[0-9]))"
)
_NAMED = re.compile(r"[A-Za-z] ?= ?")
_CURRENCY = re.compile(r"([+-]?) ?(\\?[$€£¥₹]) ?")

_TOKEN = r"(?:\\(?:text|mathrm|mbox) ?\{[^{}0-9]*(?:\^?[0-9])?\}|°[CF]?|[^\W\d_]+)(?:\^ ?(?:[0-9]|\{ ?-?[0-9] ?\}))?"
_MEASURED = re.compile(
    rf"(?P<head>.*?(?:[\d.)}}\]!$]|\\pi))(?P<gap> ?)(?P<unit>{_TOKEN}(?:(?: ?(?:/|\*|\\cdot) ?| ){_TOKEN}){{0,3}})"
)
_WORD = re.compile(r"[^\W\d_]+")
_LETTERS = {*"msghlLNJWVAKFC"}  # units of one letter; `5 x` is a product
_ALIKE = {"meter": "m", "metre": "m", "centimeter": "cm", "centimetre": "cm", "millimeter": "mm", "kilometer": "km", "kilometre": "km", "gram": "g", "kilogram": "kg", "second": "s", "sec": "s", "minute": "min", "hour": "h", "hr": "h", "liter": "l", "litre": "l", "inch": "in", "inche": "in", "foot": "ft", "feet": "ft", "degree": "°", "dollar": "$", "euro": "€", "pound": "£", "yuan": "¥", "元": "¥", "rupee": "₹"}  # fmt: skip
_KNOWN = {*_ALIKE.values(), "ml", "mg", "unit", "mile", "day", "year", "rad", "radian", "Hz", "Pa", "kPa", "kN", "kJ", "kW", "mW", "MW", "eV", "mA", "mV", "kV", "ms", "dm", "nm", "lb", "oz", "yd", "mi"}  # fmt: skip
_NO_UNIT = re.compile(r"(?:\b(?:(?:hundred|thousand|million|billion|trillion|dozen|half|halve|quarter|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|hundredth|thousandth|percent|pct|percentage|time)s?|squared|cubed|factorial|plus|minus|over|pi|sin|cos|tan|cot|log|ln|exp|sqrt|mod|choose|and|or|not?|if|is|to|more|less|fewer|least|most|than)\b|[十百千万萬亿億兆半倍成折和或])")  # fmt: skip


def value(node: Node) -> Hashable | None:
    """What a vote counts: the number an answer is, else its text without its dress; None: no answer.

    Calls of tools are what they read, and never the same as a text.
    """
    if node.answer is None or node.step is None:
        return None
    return ("call", node.answer) if node.step.kind == "call" else canonical(node.answer)


def canonical(answer: str) -> Fraction | str:
    """The number an answer is, else its text without its dress."""
    text = undressed(answer)
    number = plain(text)
    return text if number is None else number


def undressed(answer: str) -> str:
    """The answer without boxes, dollar signs, emphasis, the full stop and needless blanks."""
    text = answer.strip()
    if len(text) > DRESSED:
        return text
    text = " ".join(text.split())
    for _ in range(LAYERS):
        if (bare := _layer(text)) == text:
            break
        text = bare
    return text


def percent(answer: str) -> bool:
    """Is it given in hundredths?"""
    return bool(_PERCENT.search(undressed(answer).translate(_SIGNS)))


def plain(answer: str) -> Fraction | None:
    """The value of a plain number, fraction, mixed number or percentage; None: it is none of these."""
    if len(answer) > LONGEST:
        return None
    text = _SPACES.sub(" ", latin(undressed(answer))).strip()
    if match := _NAMED.match(text):
        text = text[match.end() :]
    if match := _CURRENCY.match(text):
        text = match[1] + text[match.end() :]
    if match := _PERCENT.search(text):
        found = plain(text[: match.start()])
        return None if found is None else found / 100
    text = _POWER.sub(r"\g<1>1*", text, count=1) if _POWER.match(text) else text
    if match := _NUMBER.fullmatch(text):
        power = (match["e"] or (match["ten"] or "0").strip("{} ")) or "0"
        size, point = _decimal(match["body"]), match["body"].partition(".")
        if cycle := match["cycle"]:
            if not point[1]:
                return None
            size += Fraction(int(cycle), (10 ** len(cycle) - 1) * 10 ** len(point[2]))
        return _signed(match["sign"], size * Fraction(10) ** int(power))
    if match := _RATIO.fullmatch(text) or _FRACTION.fullmatch(text):
        found = match.groupdict()
        top = _decimal(found["top"] or found["t"])
        bottom = _decimal(found["bottom"] or found["b"])
        whole = found["whole"]
        if not bottom or (whole and not 0 < top < bottom):
            return None
        return _signed(match["sign"], int(whole or 0) + top / bottom)
    return None


def measured(text: str) -> tuple[str, str]:
    """What is measured and its unit: `5` and `m/s^2`. Any word may follow a number, known units what is none."""
    if match := _CURRENCY.match(text):
        head = match[1] + text[match.end() :]
        return (head, match[2][-1]) if plain(head) is not None and not percent(head) else (text, "")
    match = _MEASURED.fullmatch(text) if len(text) <= LONGEST else None
    if not match:
        return text, ""
    head, unit, wrapped = match["head"], unit_of(match["unit"]), "\\" in match["unit"]
    if not unit or _NO_UNIT.search(match["unit"].lower()):
        return text, ""
    first, *_ = words = _WORD.findall(unit) or [unit]
    known = first in _KNOWN and (len(first) > 1 or not first.isalpha())
    if plain(head) is None:
        sure = wrapped or (known and _KNOWN.issuperset(words))
        return (head, unit) if sure and "°" not in unit else (text, "")
    free = wrapped or known or "°" in unit or not first.isascii()  # 5xy and 5 x are products
    sure = free or (bool(match["gap"]) and (len(first) > 2 or first in _LETTERS))
    return (head, unit) if sure else (text, "")


def unit_of(text: str) -> str:
    """A unit in one spelling: `meters per second` is `m/s`."""
    text = re.sub(r"\\(?:text|mathrm|mbox|cdot)|\\.|[{}~*]", " ", text)
    text = _WORD.sub(lambda match: _singular(match[0]), text)
    text = re.sub(r"\b(?:square|sq) (\w+)", r"\1^2", re.sub(r"\bcubic (\w+)", r"\1^3", text))
    text = re.sub(r"(?<=[A-Za-z])(?=[0-9])", "^", re.sub(r"\bper\b", "/", text))
    return re.sub(r" ?([/^]) ?", r"\1", " ".join(text.split()))


def _singular(word: str) -> str:
    word = word.lower() if len(word) > 2 else word
    one = word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
    return _ALIKE.get(one, one)


def _layer(text: str) -> str:
    """The text without its outermost dress, if it wears any."""
    for start, end in _ENDS:
        inner = text[len(start) : -len(end)]
        if text.startswith(start) and text.endswith(end) and inner and start not in inner:
            return inner.strip()
    if (match := _WRAPS.match(text)) and closes(text, match.end() - 1) == len(text) - 1:
        return text[match.end() : -1].strip()
    if match := _LEAD.match(text) or _LETTER.fullmatch(text):
        return match[1] if match.re is _LETTER else text[match.end() :]
    if len(text) > 1 and text[-1] in ".。" and text[-2] not in ".。":
        return text[:-1].rstrip()
    return text


def closes(text: str, start: int, opens: str = "{", shuts: str = "}") -> int:
    """Where the bracket that opens at `start` is closed; -1: nowhere."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] in opens) - (text[at] in shuts)
        if not depth:
            return at
    return -1


def latin(text: str) -> str:
    """Digits of any script as 0 to 9, signs as there is one of each, raised digits as powers."""
    text = _RAISED.sub(lambda match: f"^{{{unicodedata.normalize('NFKC', match[0])}}}", text)
    text = _LOWERED.sub(lambda match: f"_{{{unicodedata.normalize('NFKC', match[0])}}}", text)
    text = "".join(
        _VULGAR.get(c) or (str(unicodedata.decimal(c)) if c.isdecimal() else c) for c in text
    )
    return _DEGREE.sub("°", _SIZES.sub("", text.translate(_SIGNS)))


def _decimal(text: str) -> Fraction:
    sign = "-" if text.startswith("-") else ""
    return _signed(sign, Fraction("0" + re.sub(r"[^0-9.]", "", text) + "0" * text.endswith(".")))


def _signed(sign: str, size: Fraction) -> Fraction:
    return -size if sign == "-" else size
