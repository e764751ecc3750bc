"""Written arithmetic worked out again, for the tests alone."""

from __future__ import annotations

import re
from fractions import Fraction


def equal(text: str) -> bool:
    """Is a chain of written arithmetic true? Every part with an equals sign is computed again."""
    pieces = re.split(r",|:| so ", text)
    for piece in pieces:
        values = {value(form) for form in piece.split("=")}
        if len(values) > 1:
            return False
    head = value(pieces[0].split("=")[0])
    return head == value(pieces[-1].split("=")[-1])


def value(form: str) -> Fraction:
    form = form.strip()
    negated = re.fullmatch(r"-\((.+)\)", form)
    if negated and re.search(r"\d[-+*/]", negated[1]):
        return -value(negated[1])
    numbers = [Fraction(n.strip("()")) for n in re.findall(r"\(-\d+\)|(?<![\d)])-\d+|\d+", form)]
    signs = re.findall(r"(?<=[\d)])[-+*/]", form)
    total, rest = numbers[0], list(zip(signs, numbers[1:], strict=True))
    terms = [total]
    for sign, number in rest:
        if sign == "*":
            terms[-1] *= number
        elif sign == "/":
            terms[-1] /= number
        else:
            terms.append(number if sign == "+" else -number)
    return sum(terms, Fraction(0))
