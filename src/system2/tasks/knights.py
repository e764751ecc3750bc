"""Knights and knaves: who is what, from one statement a person. Exactly one assignment fits.

A claim names a person alone ("2 is a knight") or two people ("1 and 3 are of the same kind").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from random import Random

from system2.tasks.task import Language, Task, phrase, ranges
from system2.tasks.wording import dress

KNIGHT, KNAVE, SAME, DIFFERENT = "+", "-", "~", "/"
_WORDS = {KNIGHT: "knight", KNAVE: "knave", SAME: "same", DIFFERENT: "different"}

_PAIRS = 0.4  # share of puzzles with two people
_SILENT = 0.12  # share of puzzles in which one person says nothing
_MARKS = "\ue000\ue001\ue002"  # stand for the people until the order of appearance is known
_LETTERS = "BCDEFGHJKLMNOPQRSTUVWXYZ"
_ENGLISH = (
    "Alice", "Bob", "Carol", "Dave", "Eve", "Frank", "Grace", "Henry", "Ivy", "Jack", "Kate",
    "Leo", "Mia", "Nick", "Olga", "Paul", "Quinn", "Rose", "Sam", "Tom", "Uma", "Vera", "Will",
    "Xena", "Yuri", "Zoe", "Anna", "Ben", "Clara", "David", "Emma", "Felix", "George", "Hannah",
    "Ian", "Julia", "Kevin", "Laura", "Max", "Nora", "Oscar", "Peter", "Ruth", "Steve", "Tina",
    "Victor", "Wendy", "Amy", "Ted", "Sue", "Joe", "Liz", "Ann", "Mark", "Lucy", "Mike", "Jane",
    "John", "Mary", "Ken",
)  # fmt: skip
_CHINESE = (
    "小明", "小红", "小刚", "小丽", "小华", "小芳", "小李", "小王", "小张", "小强", "小美",
    "小兰", "小军", "老王", "老李", "老张", "阿强", "阿珍", "李明", "王芳", "张伟", "刘洋",
    "陈静", "赵磊", "大壮",
)  # fmt: skip
_STEMS = "甲乙丙"
_SAID = re.compile(r"(\S+?)(?: is an? | ?[:=是] ?| )(knight|knave|骑士|无赖|骗子)")
_SPLIT = re.compile(r"\s*(?:[,;，；、。\n]|\band\b)\s*")
_ENDED = re.compile(r"[.。!！][”」\"']?$")
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Statement:
    """`speaker` claims that `about` is + or -, or that the two of it are alike (~) or not (/)."""

    speaker: int
    claim: str
    about: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Names as typed in order of appearance, and what is said, in the order it is said."""

    names: tuple[str, ...]
    statements: tuple[Statement, ...]
    solution: tuple[bool, ...]


def holds(statement: Statement, kinds: Sequence[bool]) -> bool:
    """Does the statement fit the assignment: true from a knight, false from a knave?"""
    claimed = {
        KNIGHT: kinds[statement.about[0]],
        KNAVE: not kinds[statement.about[0]],
        SAME: kinds[statement.about[0]] == kinds[statement.about[-1]],
        DIFFERENT: kinds[statement.about[0]] != kinds[statement.about[-1]],
    }[statement.claim]
    return claimed == kinds[statement.speaker]


def assignments(people: int) -> list[tuple[bool, ...]]:
    """All of them, +++ first, the last person changing fastest."""
    return list(product((True, False), repeat=people))


def draw(rng: Random) -> Puzzle:
    """Statements at random until exactly one assignment fits."""
    low, high = ranges()["knights"]["people"]
    people = low if rng.random() < _PAIRS else high
    while True:
        speakers = list(range(people))
        if rng.random() < _SILENT:
            speakers.remove(rng.randrange(people))
        if rng.random() < 0.25:
            rng.shuffle(speakers)
        statements = tuple(_statement(speaker, people, rng) for speaker in speakers)
        fitting = [
            kinds for kinds in assignments(people) if all(holds(s, kinds) for s in statements)
        ]
        if len(fitting) == 1:
            return Puzzle(_names(people, rng), statements, fitting[0])


def _statement(speaker: int, people: int, rng: Random) -> Statement:
    """About others, or about oneself and another; nobody talks of oneself alone."""
    claim = rng.choice((KNIGHT, KNAVE, SAME, DIFFERENT))
    others = [person for person in range(people) if person != speaker]
    rng.shuffle(others)
    if claim in (KNIGHT, KNAVE):
        return Statement(speaker, claim, (others[0],))
    pair = others if len(others) == 2 and rng.random() < 0.5 else [speaker, others[0]]
    return Statement(speaker, claim, tuple(sorted(pair)))


def _names(people: int, rng: Random) -> tuple[str, ...]:
    kind = rng.random()
    if kind < 0.25:
        start = rng.choice("AAAPXKE")
        return tuple(chr(ord(start) + place) for place in range(people))
    if kind < 0.35:
        return tuple(rng.sample(_LETTERS, people))
    if kind < 0.8:
        return tuple(rng.sample(_ENGLISH, people))
    if kind < 0.87:
        return tuple(_STEMS[:people])
    if kind < 0.95:
        return tuple(rng.sample(_CHINESE, people))
    while True:
        made = tuple(
            "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(3, 6)))
            for _ in range(people)
        )
        if len(set(made)) == people:
            return made


def ask(facts: Puzzle, language: Language, rng: Random) -> str:
    """Intro, statements and question; people appear in the order in which they are numbered."""
    marks = _MARKS[: len(facts.names)]
    while True:
        # many intros name nobody and some statements name the speaker last: redrawn until it fits
        text = _text(facts, marks, language, rng)
        seen = [mark for mark in dict.fromkeys(text) if mark in marks]
        if "".join(seen) == marks:
            break
    for mark, name in zip(marks, facts.names, strict=True):
        text = text.replace(mark, name)
    return dress(text, language, rng)


def _text(facts: Puzzle, marks: str, language: Language, rng: Random) -> str:
    if language == "zh":
        between, last = rng.choice([("、", "、"), ("、", "和"), ("，", "和")])
        ends, space = rng.choice(["。", "。", "，", "；", "\n"]), ""
    else:
        between, last = rng.choice([(", ", " and "), (", ", ", and "), (", ", ", ")])
        ends, space = rng.choice([". ", ". ", "; ", ", ", "\n"]), " "
    if len(marks) == 2 and last == ", and ":
        last = " and "
    names = between.join(marks[:-1]) + last + marks[-1]
    said = [_say(statement, marks, language, rng) for statement in facts.statements]
    if any(mark in sentence for mark in ",，、:：" for sentence in said):
        # after "ann says ben lies, according to cal …" nobody knows what cal said
        ends = {", ": "; ", "，": "；"}.get(ends, ends)
    joined = ""
    for place, sentence in enumerate(said):
        final = place == len(said) - 1
        joined += sentence
        if _ENDED.search(sentence) and ends != "\n":
            joined += space
        elif final and ends != "\n":
            joined += "。" if language == "zh" else ". "
        else:
            joined += ends
    intro = phrase(language, "knights", "intro", rng, names=names)
    return intro + space + joined + phrase(language, "knights", "ask", rng, names=names)


def _say(statement: Statement, marks: str, language: Language, rng: Random) -> str:
    kind = _WORDS[statement.claim]
    speaker = marks[statement.speaker]
    about = [marks[person] for person in statement.about]
    if speaker in about:
        about.remove(speaker)
        return phrase(language, "knights", f"self_{kind}", rng, a=speaker, b=about[0])
    if len(about) == 1:
        return phrase(language, "knights", kind, rng, a=speaker, b=about[0])
    rng.shuffle(about)
    return phrase(language, "knights", kind, rng, a=speaker, b=about[0], c=about[1])


def think(facts: Puzzle, effort: str, rng: Random) -> str:
    """Tests one assignment after the other, up to the one that fits."""
    people = [f"{place + 1} {name.lower()}" for place, name in enumerate(facts.names)]
    steps = [",".join(people), *(_restated(said, facts.names) for said in facts.statements)]
    for kinds in assignments(len(facts.names)):
        verdicts: list[str] = []
        for statement in facts.statements:
            verdicts.append(_tested(statement, kinds))
            if not holds(statement, kinds):
                break
        steps.append(f"{_signs(kinds)}:{','.join(verdicts)}")
        if kinds == facts.solution:
            break
    return "<step>".join(steps)


def _signs(kinds: Sequence[bool]) -> str:
    return "".join(KNIGHT if kind else KNAVE for kind in kinds)


def _claim(statement: Statement) -> str:
    return statement.claim.join(str(person + 1) for person in statement.about) + (
        statement.claim if len(statement.about) == 1 else ""
    )


def _restated(statement: Statement, names: Sequence[str]) -> str:
    """`joe on peter mia same:2>1~3`: who says what about whom, then the same in numbers."""
    about = " ".join(names[person] for person in statement.about)
    said = f"{names[statement.speaker]} on {about} {_WORDS[statement.claim]}".lower()
    return f"{said}:{statement.speaker + 1}>{_claim(statement)}"


def _tested(statement: Statement, kinds: Sequence[bool]) -> str:
    """`1+>2~3:-+ false no`: the speaker's kind, the claim, the kinds it is about; is it true, does that fit?"""
    own, fits = kinds[statement.speaker], holds(statement, kinds)
    about = _signs([kinds[person] for person in statement.about])
    truth = str(own == fits).lower()
    claim = f"{statement.speaker + 1}{_signs([own])}>{_claim(statement)}"
    return f"{claim}:{about} {truth} {'ok' if fits else 'no'}"


def answer(facts: Puzzle) -> str:
    """`alice knight, bob knave`, in the order of appearance."""
    return ", ".join(
        f"{name.lower()} {'knight' if kind else 'knave'}"
        for name, kind in zip(facts.names, facts.solution, strict=True)
    )


def check(facts: Puzzle, text: str) -> bool:
    """Everybody exactly once, in any order, with the right kind."""
    if len(text) > _LONGEST:
        return False
    said: list[tuple[str, bool]] = []
    for part in _SPLIT.split(text.strip().rstrip(".。").lower()):
        found = _SAID.fullmatch(part)
        if not found:
            return False
        said.append((found[1], found[2] in ("knight", "骑士")))
    right = zip((name.lower() for name in facts.names), facts.solution, strict=True)
    return sorted(said) == sorted(right)


knights = Task("knights", draw, ask, think, answer, check)
