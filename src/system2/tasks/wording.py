"""How people type questions: arithmetic in its many spellings, and the habits and slips around it.

Only templates get typos, before their slots are filled: numbers, expressions and quoted words
stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from system2.tasks.task import Language, phrasings

Pool = tuple[str, str]  # section and list of the phrasings

_BARE = 0.1
_COMMAS = 0.03
_TYPO = 0.04
_PREFIX = 0.12
_SUFFIX = 0.12
_CAPITAL = 0.3
_ALL_CAPS = 0.015
_DROPPED_MARK = 0.2
_DOUBLED_MARK = 0.05
_EXTRA_SPACE = 0.06
_OTHER_WIDTH = 0.1

_TIMES = (("*", 50), ("x", 22), ("×", 20), ("·", 4), ("X", 2), (" x ", 2))
_OVER = (("/", 60), ("÷", 38), (":", 2))
_MINUS = (("-", 88), ("−", 8), ("–", 4))
_SPACING = ((" ", 55), ("", 40), ("odd", 5))
_ENDINGS = (("", 60), ("=", 14), (" =", 14), ("=?", 6), (" = ?", 6))
_FULL_WIDTH = str.maketrans({"+": "＋", "(": "（", ")": "）", "=": "＝", "-": "－"})
_BINARY = re.compile(r"(?<=[\w)）])\s*([-+*/=])\s*")
_WORD = re.compile(r"(?<![\w{'\"“‘])[a-z]{4,}(?![\w}'\"”’])")
_END_MARKS = "?!.,;:？！。，；："


def weighted(table: Sequence[tuple[str, int]], rng: Random) -> str:
    """One entry of a table of (text, weight)."""
    return rng.choices([text for text, _ in table], [weight for _, weight in table])[0]


def number(n: int, rng: Random) -> str:
    """A whole number as typed: a few long ones with thousands commas."""
    return f"{n:,}" if abs(n) >= 1000 and rng.random() < _COMMAS else str(n)


def expression(canonical: str, language: Language, rng: Random) -> str:
    """The canonical expression (`(13-5)*4+7`) in one of its spellings."""
    text = re.sub(r"\d+", lambda match: number(int(match[0]), rng), canonical)
    return respelled(text, language, rng, weighted(_TIMES, rng))


def respelled(text: str, language: Language, rng: Random, times: str) -> str:
    """Spaces around the operators or none, one sign per operator; a unary minus stays close."""
    spacing = weighted(_SPACING, rng)

    def spaced(match: re.Match[str]) -> str:
        if spacing != "odd":
            return f"{spacing}{match[1]}{spacing}"
        return rng.choice(("", " ")) + match[1] + rng.choice(("", " "))

    text = _BINARY.sub(spaced, text)
    if language == "zh" and rng.random() < 0.05:
        text = text.translate(_FULL_WIDTH)
    text = text.replace("/", weighted(_OVER, rng)).replace("-", weighted(_MINUS, rng))
    return re.sub(" {2,}", " ", text.replace("*", times))


def bare(typed: str, language: Language, rng: Random) -> str:
    """A typed expression and nothing else, or with an equals sign after it."""
    ending = weighted(_ENDINGS, rng)
    if language == "zh" and rng.random() < 0.3:
        ending = ending.replace("=", "＝").replace("?", "？")
    return typed + ending


def ask_arithmetic(
    pools: Sequence[Pool], canonical: str, language: Language, rng: Random, **numbers: int
) -> str:
    """A question about an expression: bare, or a filled template of a random pool."""
    typed = expression(canonical, language, rng)
    if rng.random() < _BARE:
        return bare(typed, language, rng)
    section, kind = rng.choice(pools)
    return worded(language, section, kind, rng, e=typed, **numbers)


def worded(language: Language, section: str, kind: str, rng: Random, **slots: str | int) -> str:
    """A random template, with a slip now and then, its slots filled, dressed."""
    template: str = rng.choice(phrasings(language)[section][kind])
    if language == "en" and rng.random() < _TYPO:
        template = slip(template, rng)
    listed = "," in template  # there a thousands comma could be read as the comma of the list
    for name, filling in slots.items():
        if isinstance(filling, int):
            filling = str(filling) if listed else number(filling, rng)
        template = template.replace("{" + name + "}", filling)
    return dress(template, language, rng)


def slip(template: str, rng: Random) -> str:
    """One typing mistake in one ordinary word: two letters swapped, one lost or one doubled."""
    words = list(_WORD.finditer(template))
    if not words:
        return template
    match = rng.choice(words)
    word, at = match[0], rng.randrange(1, len(match[0]) - 1)
    swapped = word[at + 1] + word[at] + word[at + 2 :]
    end = rng.choice((swapped, word[at + 1 :], word[at] + word[at:]))
    return template[: match.start()] + word[:at] + end + template[match.end() :]


def dress(question: str, language: Language, rng: Random) -> str:
    """The question as sent: greetings, thanks, capitals, question marks, stray spaces."""
    shared = phrasings(language)["shared"]
    if rng.random() < _DROPPED_MARK:
        question = question.rstrip(" ?？")
    elif question.endswith(("?", "？")) and rng.random() < _DOUBLED_MARK:
        question += question[-1]
    if rng.random() < _PREFIX:
        question = rng.choice(shared["prefix"]) + question
    if rng.random() < _SUFFIX:
        suffix: str = rng.choice(shared["suffix"])
        stem = question.rstrip(" ?？.。") if suffix.startswith(tuple(_END_MARKS)) else question
        question = stem + suffix
    if language == "zh" and rng.random() < _OTHER_WIDTH:
        question = _other_width(question)
    if language == "en":
        question = _capitals(question, rng)
    if rng.random() < _EXTRA_SPACE:
        question = _stray_space(question, rng)
    return question


def _capitals(question: str, rng: Random) -> str:
    draw = rng.random()
    if draw < _ALL_CAPS:
        return question.upper()
    # never a lone letter: it may be an unknown
    if draw < _CAPITAL and re.match(r"[a-z]{2}|i'", question):
        return question[0].upper() + question[1:]
    return question


def _other_width(question: str) -> str:
    """Full-width punctuation half-width, and the other way round next to a Chinese character."""
    if re.search("[，？！：]", question):
        return question.translate(str.maketrans("，？！：", ",?!:"))
    wide = {",": "，", "?": "？", "!": "！"}
    return re.sub(r"(?<=[一-鿿])[,?!]", lambda match: wide[match[0]], question)


def _stray_space(question: str, rng: Random) -> str:
    gaps = [match.start() for match in re.finditer(" ", question)]
    if gaps and rng.random() < 0.5:
        at = rng.choice(gaps)
        return question[:at] + " " + question[at:]
    return rng.choice((" " + question, question + " "))
