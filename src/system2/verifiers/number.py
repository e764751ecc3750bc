"""The plain number that an answer is, if it is one. Cheap and pure; knows no algebra, evaluates nothing.

What is the same here votes together: `1/2`, `0.5`, `50%`, `$\\frac12$` and `\\boxed{.5}` are one answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable
from fractions import Fraction

from system2.core import Node

LONGEST = 200  # characters of an answer that is looked at; a longer one is its own text

_ENDS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"))
_WRAPS = re.compile(r"\\(?:f?box(?:ed)?|text(?:bf|it|rm)?|math(?:bf|rm|it)|displaystyle)\s*\{")
_SPACES = re.compile(r"(?:\\[,;:! ]|~|\s)+")
_SIZES = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])")
_SIGNS = str.maketrans({"−": "-", "–": "-", "＋": "+", "－": "-", "／": "/", "％": "%", "．": ".", "，": ",", "⁄": "/"})  # fmt: skip
_VULGAR = {c: f" {unicodedata.normalize('NFKC', c)}" for c in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"}

_WHOLE = r"(?:[0-9]{1,3}(?:(?:,|\{,\}| )[0-9]{3})+|[0-9]+)"
_DECIMAL = rf"(?:{_WHOLE}(?:\.[0-9]*)?|\.[0-9]+)"
_PART = rf"[+-]? ?{_DECIMAL}"
_NUMBER = re.compile(
    rf"(?P<sign>[+-]?) ?(?P<body>{_DECIMAL})"
    r"(?:[eE](?P<e>[+-]?[0-9]{1,3})| ?(?:\*|×|·|\\times|\\cdot) ?10 ?\^ ?(?P<ten>[+-]?[0-9]{1,3}|\{ ?[+-]?[0-9]{1,3} ?\}))?"
    r" ?(?P<percent>%)?"
)
_RATIO = re.compile(
    rf"(?P<sign>[+-]?) ?(?:(?P<whole>[0-9]+) (?=[0-9]+ ?/ ?[0-9]+$))?(?P<top>{_PART}) ?/ ?(?P<bottom>{_PART})"
)
_FRACTION = re.compile(
    rf"(?P<sign>[+-]?) ?(?P<whole>[0-9]+)? ?\\[dt]?frac ?"
    rf"(?:\{{ ?(?P<top>{_PART}) ?\}}|(?P<t>[0-9])) ?(?:\{{ ?(?P<bottom>{_PART}) ?\}}|(?P<b>[0-9]))"
)
_NAMED = re.compile(r"[A-Za-z] ?= ?")
_CURRENCY = re.compile(r"([+-]?) ?(?:\\\$|[$€£¥₹]) ?")


def value(node: Node) -> Hashable | None:
    """What a vote counts: the number an answer is, else its text without its dress; None: no answer."""
    return None if node.answer is None else canonical(node.answer)


def canonical(answer: str) -> Fraction | str:
    """The number an answer is, else its text without its dress."""
    text = undressed(answer)
    number = plain(text)
    return text if number is None else number


def undressed(answer: str) -> str:
    """The answer without boxes, dollar signs, emphasis, the full stop and needless blanks."""
    text = answer.strip()
    if len(text) > LONGEST:
        return text
    text = " ".join(text.split())
    while (bare := _layer(text)) != text:
        text = bare
    return text


def percent(answer: str) -> bool:
    """Is it given in hundredths?"""
    return undressed(answer).translate(_SIGNS).endswith("%")


def plain(answer: str) -> Fraction | None:
    """The value of a plain number, fraction, mixed number or percentage; None: it is none of these."""
    if len(answer) > LONGEST:
        return None
    text = _latin(undressed(answer))
    if match := _NAMED.match(text):
        text = text[match.end() :]
    if match := _CURRENCY.match(text):
        text = match[1] + text[match.end() :]
    if match := _NUMBER.fullmatch(text):
        power = (match["e"] or (match["ten"] or "0").strip("{} ")) or "0"
        size = _decimal(match["body"]) * Fraction(10) ** int(power)
        return _signed(match["sign"], size / 100 if match["percent"] else size)
    if match := _RATIO.fullmatch(text) or _FRACTION.fullmatch(text):
        found = match.groupdict()
        top = _decimal(found["top"] or found["t"])
        bottom = _decimal(found["bottom"] or found["b"])
        whole = found["whole"]
        if not bottom or (whole and not 0 < top < bottom):
            return None
        return _signed(match["sign"], int(whole or 0) + top / bottom)
    return None


def _layer(text: str) -> str:
    """The text without its outermost dress, if it wears any."""
    for start, end in _ENDS:
        inner = text[len(start) : -len(end)]
        if text.startswith(start) and text.endswith(end) and inner and start not in inner:
            return inner.strip()
    if (match := _WRAPS.match(text)) and _closes(text, match.end() - 1) == len(text) - 1:
        return text[match.end() : -1].strip()
    if len(text) > 1 and text[-1] in ".。" and text[-2] not in ".。":
        return text[:-1].rstrip()
    return text


def _closes(text: str, start: int) -> int:
    """Where the brace that opens at `start` is closed; -1: nowhere."""
    depth = 0
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if not depth:
            return at
    return -1


def _latin(text: str) -> str:
    """Digits of any script as 0 to 9, signs and blanks as there is one of each."""
    text = "".join(
        _VULGAR.get(c) or (str(unicodedata.decimal(c)) if c.isdecimal() else c) for c in text
    )
    text = _SIZES.sub("", text.translate(_SIGNS).replace("\\%", "%"))
    return _SPACES.sub(" ", text).strip()


def _decimal(text: str) -> Fraction:
    sign = "-" if text.startswith("-") else ""
    return _signed(sign, Fraction("0" + re.sub(r"[^0-9.]", "", text) + "0" * text.endswith(".")))


def _signed(sign: str, size: Fraction) -> Fraction:
    return -size if sign == "-" else size
