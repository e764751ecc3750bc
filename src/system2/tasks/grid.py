"""Rows of coloured cells that all change by one rule, found from two or three examples."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from system2.tasks.task import Language, Task, phrase, ranges
from system2.tasks.wording import dress

Row = tuple[int, ...]

_COLOURS = range(1, 10)
_SHIFTS = range(1, 4)
_WRONG = 0.2  # share of the high traces that try a wrong rule first
_LONGEST = 80
_ROW = re.compile(r"[\[(]?[0-9](?:[, ]{0,2}[0-9])*[\])]?")


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` with its numbers, as the trace writes it: `right 1`, `paint 3 5`, `mirror`."""

    name: str
    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        return " ".join([self.name, *map(str, self.numbers)])


@dataclass(frozen=True, slots=True)
class Puzzle:
    """Examples as (before, after), the row asked about, and the rule that explains them."""

    examples: tuple[tuple[Row, Row], ...]
    row: Row
    rule: Rule


def apply(rule: Rule, row: Row) -> Row:
    """The row after the rule.

    right n, left n    every cell moves n places; what is pushed out is lost, background enters
    mirror             the row backwards
    paint a b          cells of colour a become b
    swap a b           cells of colour a become b and cells of colour b become a
    fill               a row with exactly two coloured cells, of one colour: the cells between
                       take that colour; any other row stays
    gather left, right coloured cells slide to that end, keeping their order
    longest            only the longest run of one colour stays (the first on a tie)
    """
    return _RULES[rule.name](row, *rule.numbers)


def _right(row: Row, n: int) -> Row:
    return (0,) * n + row[:-n]


def _left(row: Row, n: int) -> Row:
    return row[n:] + (0,) * n


def _mirror(row: Row) -> Row:
    return row[::-1]


def _paint(row: Row, a: int, b: int) -> Row:
    return tuple(b if cell == a else cell for cell in row)


def _swap(row: Row, a: int, b: int) -> Row:
    return tuple(b if cell == a else a if cell == b else cell for cell in row)


def _fill(row: Row) -> Row:
    ends = [place for place, cell in enumerate(row) if cell]
    if len(ends) != 2 or row[ends[0]] != row[ends[1]]:
        return row
    first, last = ends
    return row[:first] + (row[first],) * (last + 1 - first) + row[last + 1 :]


def _gather_left(row: Row) -> Row:
    kept = tuple(cell for cell in row if cell)
    return kept + (0,) * (len(row) - len(kept))


def _gather_right(row: Row) -> Row:
    return _gather_left(row[::-1])[::-1]


def _runs(row: Row) -> list[tuple[int, int]]:
    """Start and end of every run of one colour."""
    edges = [i for i in range(len(row) + 1) if i in (0, len(row)) or row[i] != row[i - 1]]
    return [(a, b) for a, b in pairwise(edges) if row[a]]


def _longest(row: Row) -> Row:
    a, b = max(_runs(row), key=lambda run: run[1] - run[0], default=(0, 0))
    return (0,) * a + row[a:b] + (0,) * (len(row) - b)


_RULES: Mapping[str, Callable[..., Row]] = {
    "right": _right,
    "left": _left,
    "mirror": _mirror,
    "paint": _paint,
    "swap": _swap,
    "fill": _fill,
    "gather left": _gather_left,
    "gather right": _gather_right,
    "longest": _longest,
}


def _rules(colours: set[int]) -> list[Rule]:
    """Every rule with every number that makes a difference on rows and results of these colours."""
    rules = [Rule(side, (n,)) for side in ("right", "left") for n in _SHIFTS]
    rules += [Rule(name) for name in ("mirror", "fill", "gather left", "gather right", "longest")]
    for a in sorted(colours):
        rules += [Rule("paint", (a, b)) for b in sorted(colours) if a != b]
        rules += [Rule("swap", (a, b)) for b in sorted(colours) if a < b]
    return rules


def _explains(rule: Rule, examples: tuple[tuple[Row, Row], ...]) -> bool:
    return all(apply(rule, before) == after for before, after in examples)


def draw(rng: Random) -> Puzzle:
    """Rows at random until every row changes and one rule explains the examples."""
    table = ranges()["grid"]
    rule = _draw_rule(rng)
    cells = rng.randint(*table["cells"])
    count = rng.randint(*table["examples"])
    while True:
        rows = [_row(rule, cells, rng) for _ in range(count + 1)]
        if len(set(rows)) <= count or not all(_suits(rule, row) for row in rows):
            continue
        examples = tuple((row, apply(rule, row)) for row in rows[:-1])
        colours = {cell for pair in examples for row in pair for cell in row if cell}
        others = [r for r in _rules(colours) if r != rule and _explains(r, examples)]
        # "3 becomes 5" where no 5 stands before explains as much as the swap of 3 and 5, and
        # people ask it; told apart by name: it is painting as long as nothing goes back to 3
        if all(
            (rule.name, other.name) == ("paint", "swap")
            and apply(other, rows[-1]) == apply(rule, rows[-1])
            for other in others
        ):
            return Puzzle(examples, rows[-1], rule)


def _draw_rule(rng: Random) -> Rule:
    """The nine rules of the table equally often."""
    name = rng.choice(list(_RULES))
    if name in ("right", "left"):
        return Rule(name, (rng.choice(_SHIFTS),))
    if name in ("paint", "swap"):
        numbers = rng.sample(_COLOURS, 2)
        return Rule(name, tuple(sorted(numbers) if name == "swap" else numbers))
    return Rule(name)


def _row(rule: Rule, cells: int, rng: Random) -> Row:
    """Blocks of colour on background; for `fill` two cells, for colour rules with their colours."""
    row = [0] * cells
    if rule.name == "fill":
        first = rng.randrange(cells - 2)
        row[first] = row[rng.randrange(first + 2, cells)] = rng.choice(_COLOURS)
        return tuple(row)
    wanted = list(rule.numbers) if rule.name in ("paint", "swap") else []
    if rule.name == "paint" and rng.random() < 0.5:
        del wanted[1]
    palette = wanted + rng.sample(_COLOURS, rng.randint(0 if wanted else 1, 2))
    place = rng.randint(0, cells // 3)
    while place < cells:
        length = min(rng.choice((1, 1, 1, 2, 2, 3, 4)), cells - place)
        row[place : place + length] = [rng.choice(palette)] * length
        place += length + rng.choice((0, 1, 1, 2, 3, 4))
        if rng.random() < 0.25:
            break
    if rule.name in ("right", "left"):
        # nothing is pushed out
        n = rule.numbers[0]
        row[cells - n :] = [0] * n if rule.name == "right" else row[cells - n :]
        row[:n] = [0] * n if rule.name == "left" else row[:n]
    return tuple(row)


def _suits(rule: Rule, row: Row) -> bool:
    """Does the row change, with nothing lost or tied?"""
    if apply(rule, row) == row:
        return False
    if rule.name == "longest":
        lengths = sorted(b - a for a, b in _runs(row))
        return lengths[-1] != lengths[-2]
    return True


def ask(facts: Puzzle, language: Language, rng: Random) -> str:
    """The question as a person would type it: one style of rows, arrows and separators."""
    space = " " if rng.random() < 0.3 else ""
    word = "变成" if language == "zh" else " becomes "
    arrow = rng.choice(["->", " -> ", "->", "→", " → ", "=>", " => ", word])
    if space and " " not in arrow:
        arrow = f" {arrow} "
    comma = "，" if language == "zh" else ", "
    between = rng.choice(["; ", ";", ", ", comma, "\n", " | "])
    examples = between.join(
        f"{_written(before, space)}{arrow}{_written(after, space)}"
        for before, after in facts.examples
    )
    row = _written(facts.row, space)
    return dress(phrase(language, "grid", "puzzle", rng, e=examples, q=row), language, rng)


def _written(row: Row, space: str = "") -> str:
    return space.join(map(str, row))


def think(facts: Puzzle, effort: str, rng: Random) -> str:
    """The puzzle, its coloured cells alone, the rule, in high tried on every example, then applied."""
    pairs = [f"{_written(before)}>{_written(after)};" for before, after in facts.examples]
    # in their order the coloured cells show what moves, what turns and what changes colour
    cells = [f"{_coloured(before)}>{_coloured(after)}" for before, after in facts.examples]
    trace = f"{''.join(pairs)}{_written(facts.row)}><step>{';'.join(cells)}<step>"
    if effort == "high":
        if rng.random() < _WRONG:
            trace += _tried(_wrong(facts, rng), facts) + "<back>"
        trace += _tried(facts.rule, facts)
    else:
        trace += str(facts.rule)
    return f"{trace}<step>{_halfway(facts)}{answer(facts)}"


def _coloured(row: Row) -> str:
    return _written(tuple(cell for cell in row if cell))


def _halfway(facts: Puzzle) -> str:
    """What a rule that counts cells needs before the result: `44|0000<step>`, `33,444 so 444<step>`."""
    if facts.rule.name in ("gather left", "gather right"):
        return f"{_coloured(facts.row)}|{'0' * facts.row.count(0)}<step>"
    if facts.rule.name == "longest":
        runs = [_written(facts.row[a:b]) for a, b in _runs(facts.row)]
        return f"{','.join(runs)} so {max(runs, key=len)}<step>"
    return ""


def _tried(rule: Rule, facts: Puzzle) -> str:
    """The rule on one example after the other, up to the first that it does not explain."""
    trace = str(rule)
    for before, after in facts.examples:
        result = apply(rule, before)
        trace += f"<check>{_written(result)} {'ok' if result == after else 'no'}"
        if result != after:
            break
    return trace


def _wrong(facts: Puzzle, rng: Random) -> Rule:
    """A rule that changes the first example but does not explain them all; plausible ones first."""
    before, after = facts.examples[0]
    others = [rule for rule in _rules(set(before + after) - {0}) if rule != facts.rule]
    # a rule that gets the first example right, or is the right one with another number
    near = [r for r in others if apply(r, before) == after or r.name == facts.rule.name]
    changing = [rule for rule in others if apply(rule, before) != before]
    return rng.choice(near if near and rng.random() < 0.5 else changing)


def answer(facts: Puzzle) -> str:
    """The row after the rule, without spaces."""
    return _written(apply(facts.rule, facts.row))


def check(facts: Puzzle, text: str) -> bool:
    """The right cells, with or without spaces, commas and brackets."""
    if len(text) > _LONGEST or not _ROW.fullmatch(text.strip()):
        return False
    return re.sub(r"[^0-9]", "", text) == answer(facts)


grid = Task("grid", draw, ask, think, answer, check)
