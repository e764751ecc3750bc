"""Expressions of whole numbers: read, valued, checked. Never evaluates text as code; never raises.

As a verifier it sees no gold, only the question and the chain: an answer that is an expression is right
if it uses the question's numbers and makes the one that is left. That is easier to check than to find.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from system2.core import Chain, Problem, Write

LONGEST = 200  # characters of an expression that is looked at

_TOKEN = re.compile(r"[0-9]+|[-+*/()]")
_ALLOWED = re.compile(r"[0-9+\-*/() ]+")
_SYNONYMS = str.maketrans("×÷−", "*/-")
_RANK = {")": 0, "+": 1, "-": 1, "*": 2, "/": 2}


@dataclass(frozen=True, slots=True)
class Expressions:
    """Checks Countdown and 24: 1.0 right; None for whatever may answer another question.

    refutes   0.0 for every other expression: for a model that writes expressions for nothing else.
              From others `3/7` is a right answer to many a question, and must keep its vote. Also for
              what is no expression where the chain begins with numbers and a target, as that model's
              do where an expression is asked for.
    """

    refutes: bool = False

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """One score a chain, from the question's text, the chain's answer and how it begins."""
        numbers = re.findall(r"[0-9]+", problem.question[:2000])
        answers = [chain[-1].answer if chain else None for chain in chains]
        right = [None if a is None else judged(a, numbers) for a in answers]
        for n, chain in enumerate(chains):
            if answers[n] is not None and right[n] is None and _ASKED.match(chain[0].text):
                right[n] = False
        return [None if r is None or not (r or self.refutes) else float(r) for r in right]


_ASKED = re.compile(r"[0-9]++(?:,[0-9]++)++:[0-9]++(?:<step>|$)")  # 13,8,5:57


def judged(answer: str, given: Sequence[str]) -> bool | None:
    """Does the answer use all given numbers but one, and make that one? None: not an expression."""
    text = answer[: LONGEST + 1].translate(_SYNONYMS).partition("=")[0]
    if len(text) > LONGEST or not _ALLOWED.fullmatch(text):
        return None
    used = re.findall(r"[0-9]+", text)
    if len(used) < 2 or re.fullmatch(r"\s*-?[0-9]+\s*", text):
        return None
    left = [int(number) for number in given if len(number) < 9]
    for number in used:
        if len(number) > 8 or int(number) not in left:
            return False
        left.remove(int(number))
    return len(left) == 1 and reaches(answer, [int(n) for n in used], left[0])


def reaches(text: str, numbers: Sequence[int], target: int) -> bool:
    """Is the text an expression of exactly the given numbers with the target as its value?"""
    if len(text) > LONGEST:
        return False
    left, equals, right = text.translate(_SYNONYMS).partition("=")
    if equals and right.strip(" ") != str(target):
        return False
    if not _ALLOWED.fullmatch(left):
        return False
    tokens = _TOKEN.findall(left)
    # compared as text, so that 013 is not 13; and before any arithmetic, so that values stay small
    used = sorted(token for token in tokens if token[0].isdigit())
    return used == sorted(str(number) for number in numbers) and _value(tokens) == target


def _value(tokens: Sequence[str]) -> Fraction | None:
    """Value of an infix expression, None if it is malformed or divides by zero."""
    # two stacks instead of recursion: no depth of brackets can raise
    values: list[Fraction] = []
    signs: list[str] = []
    operand_next = True
    for token in ["(", *tokens, ")"]:
        if values and not signs:
            return None  # the bracket around the whole was closed by one of the text
        if (token[0].isdigit() or token == "(") is not operand_next:
            return None
        if token == "(":
            signs.append(token)
        elif token[0].isdigit():
            values.append(Fraction(int(token)))
            operand_next = False
        else:
            while signs[-1] != "(" and _RANK[signs[-1]] >= _RANK[token]:
                if not _apply(values, signs.pop()):
                    return None
            if token == ")":
                signs.pop()
            else:
                signs.append(token)
                operand_next = True
    return values[0] if not signs else None


def _apply(values: list[Fraction], sign: str) -> bool:
    """Replaces the two last values by their result; False for a division by zero."""
    right, left = values.pop(), values.pop()
    if sign == "/" and not right:
        return False
    if sign == "+":
        values.append(left + right)
    elif sign == "-":
        values.append(left - right)
    elif sign == "*":
        values.append(left * right)
    else:
        values.append(left / right)
    return True
