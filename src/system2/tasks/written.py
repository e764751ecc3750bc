"""Written arithmetic of docs/traces.md: facts, columns, long division; `work` picks the form.

Every function returns the text of a step and knows nothing of questions. `whole` reads an answer.
"""

from __future__ import annotations

import re

_WHOLE = re.compile(r"([+\-−]?)(0|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]*)")
_LONGEST_ANSWER = 40
_LARGEST_FACT = 99
_SMALL_FACTOR = 12
_LARGEST_PRODUCT = 999


def whole(text: str) -> int | None:
    """The integer that `text` is, or None: ASCII digits, a sign, thousands commas, spaces."""
    if len(text) > _LONGEST_ANSWER:
        return None
    match = _WHOLE.fullmatch(text.strip(" "))
    if match is None:
        return None
    size = int(match[2].replace(",", ""))
    return size if match[1] in ("", "+") else -size


def value(a: int, op: str, b: int) -> int:
    """a op b for + - * and exact division."""
    if op == "+":
        return a + b
    if op == "-":
        return a - b
    return a * b if op == "*" else a // b


def bracketed(number: int) -> str:
    """The number as it stands after an operator: a negative one in brackets."""
    return f"({number})" if number < 0 else str(number)


def is_fact(a: int, op: str, b: int) -> bool:
    """Does `a op b` need no columns? With no sign to bring outside its result stands at once."""
    small, large = sorted((abs(a), abs(b)))
    if op in "+-":
        return large <= _LARGEST_FACT
    if op != "*":
        return False
    if small == 0:
        return True
    # 45*20 is 45*2 and a zero; with it the parts of 45*21 are facts
    round_factor = a % 10 == 0 or b % 10 == 0
    easy = small <= _SMALL_FACTOR or round_factor
    return easy and large <= _LARGEST_FACT and abs(a * b) <= _LARGEST_PRODUCT


def compared(a: str, b: str) -> str:
    """`99=,18<`: digit pairs of two numbers padded alike, each with its sign, until they differ."""
    parts: list[str] = []
    for x, y in zip(a, b, strict=True):
        if x == ".":
            continue
        parts.append(f"{x}{y}{'=' if x == y else '<' if x < y else '>'}")
        if x != y:
            break
    return ",".join(parts)


def _columns(a: int, b: int) -> list[tuple[int, int]]:
    """Pairs of digits from the right, the shorter number filled up with zeros."""
    width = max(len(str(a)), len(str(b)))
    pairs = zip(f"{a:0{width}}"[::-1], f"{b:0{width}}"[::-1], strict=True)
    return [(int(x), int(y)) for x, y in pairs]


def add(a: int, b: int) -> str:
    """`347+86:7+6+0=13,4+8+1=13,3+0+1=4 so 433`: a column ends with the carry it gets."""
    carry = 0
    parts: list[str] = []
    for x, y in _columns(a, b):
        parts.append(f"{x}+{y}+{carry}={x + y + carry}")
        carry = (x + y + carry) // 10
    return f"{a}+{b}:{','.join(parts)} so {a + b}"


def subtract(a: int, b: int) -> str:
    """`347-86:7-6-0=1,4-8-0+10=6,3-0-1=2 so 261`, for a >= b >= 0."""
    borrow = 0
    parts: list[str] = []
    for x, y in _columns(a, b):
        left = x - y - borrow
        parts.append(f"{x}-{y}-{borrow}{'+10' if left < 0 else ''}={left % 10}")
        borrow = int(left < 0)
    return f"{a}-{b}:{','.join(parts)} so {a - b}"


def times_digit(a: int, digit: int) -> str:
    """`347*6:7*6+0=42,4*6+4=28,3*6+2=20 so 2082`."""
    return f"{a}*{digit}:{_digit_columns(a, digit)} so {a * digit}"


def _digit_columns(a: int, digit: int) -> str:
    carry = 0
    parts: list[str] = []
    for x in map(int, reversed(str(a))):
        parts.append(f"{x}*{digit}+{carry}={x * digit + carry}")
        carry = (x * digit + carry) // 10
    return ",".join(parts)


def long_division(number: int, divisor: int) -> str:
    """`145/5:14/5=2 r 4,45/5=9 r 0 so 29`, a remainder at the end as `so 29 r 3`."""
    rows = quotient_digits(number, divisor)
    parts = [f"{head}/{divisor}={digit} r {left}" for head, digit, left in rows]
    remainder = f" r {number % divisor}" if number % divisor else ""
    steps = ",".join(parts) + " " if parts else ""
    return f"{number}/{divisor}:{steps}so {number // divisor}{remainder}"


def quotient_digits(number: int, divisor: int) -> list[tuple[int, int, int]]:
    """(what is divided, digit of the quotient, what is left), from the first prefix >= divisor."""
    rows: list[tuple[int, int, int]] = []
    head = 0
    for digit in map(int, str(number)):
        head = head * 10 + digit
        if rows or head >= divisor:
            rows.append((head, head // divisor, head % divisor))
            head %= divisor
    return rows


def long_product(a: int, b: int) -> list[str]:
    """The steps of a*b: one per digit of b from the right, then one sum after the other."""
    steps: list[str] = []
    partials: list[int] = []
    for place, digit in enumerate(map(int, reversed(str(b)))):
        if digit == 0:
            steps.append(f"{a}*0=0")
            continue
        zeros = "0" * place
        shifted = f" so {a * digit}{zeros}" if place else ""
        steps.append(f"{a}*{digit}{zeros}:{_digit_columns(a, digit)} so {a * digit}{shifted}")
        partials.append(a * digit * 10**place)
    total = partials[0] if partials else 0
    for partial in partials[1:]:
        steps.append(add(total, partial))
        total += partial
    return steps


def work(a: int, op: str, b: int) -> str:
    """One operation: its signs are brought outside first, then a fact or the written form.

    `5-12=-(12-5)=-7`, `36+(-12)=36-12=24`, `-345+78=78-345=-(345-78):… so 267 so -267`.
    """
    asked = f"{a}{op}{bracketed(b)}"
    fact = is_fact(a, op, b)
    if fact and (b == 0 or (op == "*" and a == 0)):
        return f"{asked}={value(a, op, b)}"
    if op in "+-":
        between, x, op, y, negative = _signed_sum(a, b if op == "+" else -b)
    else:
        between, x, y, negative = [], abs(a), abs(b), (a < 0) != (b < 0)
        if op == "*" and not fact and len(str(x)) < len(str(y)):
            x, y = y, x
    sign = "-" if negative else ""
    # `-(12-5)` says in words what the sign is; a form that repeats the one before is left out
    forms = [asked, *between, f"-({x}{op}{y})" if negative else f"{x}{op}{y}"]
    chain = "=".join(form for i, form in enumerate(forms) if i == 0 or form != forms[i - 1])
    if fact:
        return f"{chain}={sign}{value(x, op, y)}"
    forms_of = {"+": add, "-": subtract, "*": _product, "/": long_division}
    body = forms_of[op](x, y).partition(":")[2]
    return f"{chain}:{body}" + (f" so -{body.rpartition('so ')[2]}" if negative else "")


def _signed_sum(a: int, b: int) -> tuple[list[str], int, str, int, bool]:
    """a+b: a difference to write first, then the sum or difference >= 0 and if it is negated."""
    if (a < 0) == (b < 0):
        return [], abs(a), "+", abs(b), a < 0
    positive, taken = max(a, b), -min(a, b)
    larger, smaller = max(positive, taken), min(positive, taken)
    return [f"{positive}-{taken}"], larger, "-", smaller, taken > positive


def _product(a: int, b: int) -> str:
    """a*b, b the shorter one, both >= 0 and no fact: by a digit, or by the parts of b."""
    if b <= 9:
        return times_digit(a, b)
    places = [10**i for i in range(len(str(b)) - 1, -1, -1)]
    parts = [b // place % 10 * place for place in places if b // place % 10]
    if len(parts) == 1:
        lead = int(str(b)[0])
        return f"{a}*{b}:{_digit_columns(a, lead)} so {a * lead} so {a * b}"
    text = f"{a}*{b}:" + ",".join(f"{a}*{part}={a * part}" for part in parts)
    total = a * parts[0]
    for part in parts[1:]:
        text += f" so {work(total, '+', a * part)}"
        total += a * part
    return text
