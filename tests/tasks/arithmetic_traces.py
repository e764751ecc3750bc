"""Works every claim of an arithmetic trace out again; shares no code with the writers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from system2.tasks.task import Task

OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: lambda x, y: x + y,
    ast.Sub: lambda x, y: x - y,
    ast.Mult: lambda x, y: x * y,
    ast.Div: lambda x, y: x / y,
}


def worth(text: str) -> Fraction:
    """The value of an expression of digits, + - * / and brackets."""
    assert re.fullmatch(r"[0-9+\-*/()]+", text), text
    return node_worth(ast.parse(text, mode="eval").body)


def node_worth(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant):
        return Fraction(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -node_worth(node.operand)
    assert isinstance(node, ast.BinOp), ast.dump(node)
    return OPERATIONS[type(node.op)](node_worth(node.left), node_worth(node.right))


def equal(text: str) -> Fraction:
    """All sides of `a=b=c` are worth the same; that value."""
    sides = [worth(side) for side in text.split("=")]
    assert len(set(sides)) == 1, text
    return sides[0]


def groups(pattern: str, text: str) -> tuple[Any, ...]:
    match = re.fullmatch(pattern, text)
    assert match, text
    return match.groups()


def pieces(text: str) -> list[str]:
    """The comma list of facts and written forms: the commas inside a written form do not divide."""
    found: list[str] = []
    inside = False
    for part in text.split(","):
        if inside:
            found[-1] += "," + part
        else:
            found.append(part)
        last_colon, last_so = part.rfind(":"), part.rfind("so ")
        if max(last_colon, last_so) >= 0:
            inside = last_colon > last_so
    return found


def columns_hold(core: str, columns: list[str], result: str) -> None:
    """Digits, carries, borrows and remainders of one written form, read off the operands again."""
    left, op, right = groups(r"(\d+)([-+*/])(\d+)", core)
    if op == "/":
        divisor, rest, seen, quotient = int(right), 0, 0, ""
        for column in columns:
            head, by, digit, left_over = groups(r"(\d+)/(\d+)=(\d) r (\d+)", column)
            taken = len(head) if not seen else 1
            assert int(head) == int(f"{rest}{left[seen : seen + taken]}") and by == right
            assert divmod(int(head), divisor) == (int(digit), int(left_over))
            rest, seen, quotient = int(left_over), seen + taken, quotient + digit
        assert not columns or seen == len(left)
        amount, _, remainder = result.partition(" r ")
        assert divmod(int(left), divisor) == (int(amount), int(remainder or 0))
        assert not columns or quotient == amount
        assert remainder != "0"
        return
    carry, digits = 0, ""
    for place, column in enumerate(columns):
        asked, _, found = column.partition("=")
        signs = (re.escape(op), "-" if op == "-" else r"\+")
        x, y, moved, borrowed = groups(rf"(\d){signs[0]}(\d){signs[1]}(\d)(\+10)?", asked)
        assert int(x) == int(left) // 10**place % 10
        below = int(right.rstrip("0") or "0") if op == "*" else int(right) // 10**place % 10
        assert int(y) == below
        assert int(moved) == carry and worth(asked) == int(found)
        assert (op == "-") or not borrowed
        carry = int(bool(borrowed)) if op == "-" else int(found) // 10
        assert op != "-" or 0 <= int(found) <= 9
        digits = (found if place == len(columns) - 1 else found[-1]) + digits
    assert len(columns) == max(len(left), len(right) if op != "*" else 0)
    assert int(digits) == int(result)


def piece_holds(piece: str) -> Fraction:
    """A fact or a written form is true; its value."""
    head, mark, body = piece.partition(":")
    value = equal(head)
    if not mark:
        *_, last, result = head.split("=")
        sign, a, op, b = groups(r"(-?)\(?(\d+)([-+*])(\d+)\)?", last) if value else ("", 0, "", 0)
        if value < 0 and b == "0":
            return value  # -5+0
        # a negative sign was outside before there was a result
        assert (sign == "-") == (value < 0) == result.startswith("-"), piece
        assert (last == f"{sign}({a}{op}{b})") == (value < 0) and worth(f"{a}{op}{b}") == abs(value)
        return value
    core = re.sub(r"^-\((.*)\)$", r"\1", head.split("=")[-1])
    listed, *results = re.split(r"(?:^| )so ", body)
    columns = listed.split(",") if listed else []
    if results and re.match(r"\d+\+\d+", results[0]):  # parts of a product, then their sum
        assert columns and sum(equal(column) for column in columns) == worth(core)
        return_value = piece_holds(body.split(" so ", 1)[1])
        assert abs(value) == abs(return_value) and results[-1] == str(value)
        return value
    columns_hold(core, columns, results[0])
    first = worth(results[0].split(" r ")[0])
    if "*" in core and len(results) > 1 and not results[1].startswith("-"):
        assert re.fullmatch(rf"{results[0]}0+", results[1])
        first = worth(results[1])
    if value < 0:
        assert results[-1] == f"-{first}"
        first = -first
    assert value == first if "r" not in results[0] else int(value) == first
    return value


def split(trace: str) -> list[str]:
    return re.split(r"<step>|<check>|<back>", trace)


def trace_holds(task: Task, facts: Any, trace: str) -> None:
    """Every claim of the trace is true and it leads to the answer."""
    gold = task.answer(facts)
    main, mark, proof = trace.partition("<check>")
    steps = split(main)
    if task.name == "addition":
        assert len(steps) == 1 and gold == str(piece_holds(steps[0]))
        assert steps[0].startswith(f"{facts[0]}+{facts[1]}:")
    elif task.name == "subtraction":
        subtraction_holds(facts, steps, gold)
    elif task.name == "multiplication":
        a, b = map(str, facts)
        assert steps[0] in (f"{a}*{b}", f"{b}*{a}")
        assert len(steps[0].split("*")[1]) <= min(len(a), len(b))
        assert product_holds(steps) == int(gold)
    elif task.name == "division":
        division_holds(facts, steps, gold)
        assert not mark or proof_of_division(facts, split(proof))
    elif task.name == "chain":
        rest = steps[0]
        for step in steps[1:]:
            before = rest
            done, _, rest = step.rpartition(":")
            piece_holds(done)
            assert worth(rest) == worth(before) == int(gold)
            assert len(re.findall(r"\d+", rest)) == len(re.findall(r"\d+", before)) - 1
        assert steps[-1].endswith(f":{gold}")
    else:
        linear_holds(facts, steps, gold)
        if mark:
            assert proof.endswith(" ok")
            results = [piece_holds(piece) for piece in pieces(proof.removesuffix(" ok"))]
            sides = steps[0].replace(facts.letter, f"({gold})").split("=")
            assert results[-1] == worth(sides[0]) == worth(sides[1])


def comparison_holds(a: str, b: str, text: str) -> str:
    """`99=,18<` of two padded numbers: the right pairs, and no pair too many; the last sign."""
    assert len(a) == len(b)
    pairs = text.split(",")
    for x, y, pair in zip(a, b, pairs, strict=False):
        assert pair == x + y + ("=" if x == y else "<" if int(x) < int(y) else ">")
    assert all(pair.endswith("=") for pair in pairs[:-1])
    assert pairs[-1][-1] != "=" or len(pairs) == len(a)
    return pairs[-1][-1]


def subtraction_holds(facts: tuple[int, int], steps: list[str], gold: str) -> None:
    a, b = facts
    assert steps[0] == f"{a}-{b}"
    first, second, text, verdict = groups(r"(\d+)\|(\d+):(\S+) so (\S+)", steps[1])
    width = max(len(str(a)), len(str(b)))
    assert (first, second) == (str(a).zfill(width), str(b).zfill(width))
    sign = comparison_holds(first, second, text)
    assert verdict == {"=": "0", ">": f"{a}-{b}", "<": f"-({b}-{a})"}[sign]
    if sign == "=":
        assert len(steps) == 2 and gold == "0"
        return
    columns, outside, result = steps[2].partition(" so -")
    assert len(steps) == 3 and columns.startswith(verdict.strip("-()") + ":")
    shown = piece_holds(columns)
    assert bool(outside) == (sign == "<")
    assert gold == (f"-{result}" if outside else f"{shown}") and abs(int(gold)) == shown


def product_holds(steps: list[str]) -> Fraction:
    """Partial products and sums after the restated product: true, and all of them added up."""
    partials: list[Fraction] = []
    total: Fraction | None = None
    for step in steps[1:]:
        value = piece_holds(step)
        assert "*" not in step or step.startswith(steps[0].split("*")[0] + "*")
        if "+" in step.split(":")[0]:
            before = partials.pop(0) if total is None else total
            assert step.startswith(f"{before}+{partials.pop(0)}:")
            total = value
        elif value or "*0=0" not in step:
            partials.append(value)
    assert len(partials) <= (total is None)
    return total if total is not None else partials[0] if partials else Fraction(0)


def division_holds(facts: tuple[int, int], steps: list[str], gold: str) -> None:
    a, b = facts
    quotient, remainder = divmod(a, b)
    if a < b:
        assert steps == [f"{a}<{b}"] and quotient == 0
    elif b <= 16:
        piece_holds(steps[0])
        assert len(steps) == 1 and steps[0].endswith(f"so {gold}")
    else:
        assert steps[0] == f"{a}/{b}"
        assert steps[1] == f"{b}:" + ",".join(f"{n} {n * b}" for n in range(1, 10))
        rest, seen, found = 0, 0, ""
        for i, step in enumerate(steps[2:]):
            row = r"(\d+):(\d)(?: (\d+))?(?:,(\d+) (\d+)>)? left (?:(\d+)-(\d+)=)?(\d+)"
            head, digit, product, after, beyond, whole_, minus, left = groups(row, step)
            taken = 1 if i else len(head)
            assert int(head) == int(f"{rest}{str(a)[seen : seen + taken]}")
            assert int(product or 0) == int(digit) * b and (product is None) == (digit == "0")
            assert (whole_, minus) == ((head, product) if product else (None, None))
            if digit == "9":
                assert after is None
            else:
                assert (int(after), int(beyond)) == (int(digit) + 1, (int(digit) + 1) * b)
                assert int(beyond) > int(head)
            assert int(head) - int(product or 0) == int(left) < b
            rest, seen, found = int(left), seen + taken, found + digit
        assert (found, rest, seen) == (str(quotient), remainder, len(str(a)))


def proof_of_division(facts: tuple[int, int], steps: list[str]) -> bool:
    a, b = facts
    assert steps[-1].endswith(" ok") and re.match(rf"{a // b}\*{b}(=|$)", steps[0])
    steps[-1] = steps[-1].removesuffix(" ok")
    for step in steps:
        piece_holds(step) if re.search("[=:]", step) else worth(step)
    return steps[-1].endswith((f"={a}", f"so {a}")) or (a % b == 0 and f"so {a}" in steps[-1])


def linear_holds(facts: Any, steps: list[str], gold: str) -> None:
    for step in steps:
        if ":" in step:
            piece_holds(step)
        else:
            equal(step.replace(facts.letter, f"({gold})"))
    assert steps[-1] == f"{facts.letter}={gold}"
    assert steps[0].count(facts.letter) == (2 if facts.form == "a*x+b=c*x+d" else 1)
