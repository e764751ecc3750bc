"""How many times a letter occurs in a word."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random

from system2.tasks.task import Language, Task, ranges
from system2.tasks.wording import worded

REPEATS = 0.5  # share of English words drawn for a letter twice in a row or three times
OCCURS = 0.7  # share of problems whose letter is one of the word's; otherwise any letter

_REPEATS = re.compile(r"(.)(?:\1|.*\1.*\1)")
_NUMBER = re.compile(r"[0-9]{1,2}")
_LONGEST = 20


@dataclass(frozen=True, slots=True)
class Facts:
    """A word and a letter, both in lower case."""

    word: str
    letter: str


@cache
def words() -> tuple[str, ...]:
    """The English words."""
    return tuple(files("system2.tasks").joinpath("words.txt").read_text("utf-8").split())


@cache
def repeating() -> tuple[str, ...]:
    """The English words with a letter twice in a row or three times."""
    return tuple(word for word in words() if _REPEATS.search(word))


def draw(rng: Random) -> Facts:
    """An English word or random letters, and a letter whose count is well spread."""
    table = ranges()["letters"]
    if rng.random() < table["random_share"]:
        # few different letters make high counts
        alphabet = rng.sample(string.ascii_lowercase, rng.choice([2, 3, 4, 6, 10, 26]))
        word = "".join(rng.choices(alphabet, k=rng.randint(*table["length"])))
    else:
        word = rng.choice(repeating() if rng.random() < REPEATS else words())
    if rng.random() >= OCCURS:
        return Facts(word, rng.choice(string.ascii_lowercase))
    # the count first, then a letter with this count: else nearly every answer would be 1
    count = rng.choice(sorted({word.count(letter) for letter in word}))
    return Facts(word, rng.choice(sorted({c for c in word if word.count(c) == count})))


def ask(facts: Facts, language: Language, rng: Random) -> str:
    """The question as a person would type it; the case of word and letter is free."""
    word, letter = facts.word, facts.letter
    kind = rng.random()
    if kind < 0.12:
        word = word.capitalize()
    elif kind < 0.2:
        word = word.upper()
    elif kind < 0.23:
        word = "".join(rng.choice([c, c.upper()]) for c in word)
    if rng.random() < 0.2:
        letter = letter.upper()
    return worded(language, "letters", "count", rng, c=letter, w=word)


def think(facts: Facts, effort: str, rng: Random) -> str:
    """The word cut into letters; every letter, whether it is the one, and the count so far."""
    counted: list[str] = []
    count = 0
    for letter in facts.word:
        count += letter == facts.letter
        counted.append(f"{letter}{'+' if letter == facts.letter else '-'}{count}")
    # after a point a letter is always a token; after a space the two may be one
    return f"{'.'.join(facts.word)},{facts.letter}<step>{''.join(counted)}"


def answer(facts: Facts) -> str:
    """The count."""
    return str(facts.word.count(facts.letter))


def check(facts: Facts, text: str) -> bool:
    """The count as a number."""
    given = text.strip(" ") if len(text) <= _LONGEST else ""
    return _NUMBER.fullmatch(given) is not None and given == answer(facts)


letters = Task("letters", draw, ask, think, answer, check)
