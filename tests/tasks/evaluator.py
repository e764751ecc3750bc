"""Draws facts and works expressions out, for the tests alone: shares no code with what it checks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fractions import Fraction
from random import Random
from typing import Any

from system2.tasks.task import Task

SEEDS = range(300)
ABUSE = (
    "",
    " ",
    "=",
    "nan",
    "1e3",
    "٣",
    "１３",
    "1_3",
    "()",
    "(" * 10**5,
    "(" * 10**5 + "1" + ")" * 10**5,
    "9" * 10**6,
    "__import__('os')",
    "\x00",
    "\n",
    "-",
    "0x",
    ",",
    ".",
    "𝟙",
)
SIGNS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def drawn(task: Task) -> Iterator[tuple[Any, Random]]:
    """Facts of 300 seeds, each with a generator to go on with."""
    for seed in SEEDS:
        rng = Random(f"{task.name} {seed}")
        yield task.draw(rng), rng


def value(text: str) -> Fraction | None:
    """An independent evaluator of + - * / over whole numbers, for the test only."""
    try:
        return _of(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, ValueError):
        return None


def _of(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    names = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
    if isinstance(node, ast.BinOp) and type(node.op) in names:
        left, right = _of(node.left), _of(node.right)
        return Fraction(SIGNS[names[type(node.op)]](left, right))
    raise ValueError(ast.dump(node))


def true_line(line: str) -> bool:
    """Is an equation or division with remainder true?"""
    if match := re.fullmatch(r"(\d+)/(\d+)=(\d+) r (\d+)( [0-9a-f])?", line):
        a, b, quotient, rest = map(int, match.groups()[:4])
        digit = match[5]
        return divmod(a, b) == (quotient, rest) and (not digit or int(digit, 16) == rest)
    left, _, right = line.partition("=")
    return value(left) is not None and value(left) == value(right)
