"""Countdown (make the target of all the numbers) and the 24 game, with searches written out.

The solution is drawn with the problem, so that trace and answer agree; the search around it,
wrong tries that are legal moves drawn at random, is drawn with the trace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

from system2.tasks.moves import Move, State, apart, ending, legal, needed, results, solvable, ways
from system2.tasks.sorting import listed
from system2.tasks.task import Language, Task, ranges
from system2.tasks.wording import worded
from system2.verifiers import reaches

LONGEST = 500  # tokens of a trace: a mark like <step> is one, any other character is one
MOST_WRONG = {"low": 1, "high": 6}  # first moves that lead nowhere
CUT = 0.08  # share of the high traces (of four numbers) that find nothing before they are cut

_THREE = 0.25  # share of problems with three numbers
_TOKEN = re.compile(r"<[a-z]+>|.")


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbers as typed, the target, and the solution that trace and answer show."""

    numbers: State
    target: int
    path: tuple[Move, ...]


def _draw(rng: Random, count: int, bounds: Sequence[int], targets: Sequence[int]) -> Facts:
    """Numbers and target uniform, kept if solvable."""
    while True:
        numbers = tuple(rng.randint(*bounds) for _ in range(count))
        target = rng.randint(targets[0], targets[-1])
        if solvable(numbers, target):
            return Facts(numbers, target, _path(numbers, target, rng))


def _path(numbers: State, target: int, rng: Random) -> tuple[Move, ...]:
    """A first move drawn at random, likelier the more ways lead on from it; then the first hit."""
    path: list[Move] = []
    state = numbers
    if len(numbers) == 4:
        moves = legal(numbers)
        path = rng.choices(moves, [ways(move.rest, target) for move in moves])
        state = path[0].rest
    found = ending(state, target)
    assert found
    return (*path, *found)


def draw(rng: Random) -> Facts:
    """A Countdown problem of three or four numbers."""
    table = ranges()["countdown"]
    fewest, most = table["count"]
    count = fewest if rng.random() < _THREE else most
    return _draw(rng, count, table["numbers"], table["target"])


def draw_four(rng: Random) -> Facts:
    """Countdown-4, the one that is evaluated."""
    table = ranges()["countdown"]
    return _draw(rng, 4, table["numbers"], table["target"])


def draw_game24(rng: Random) -> Facts:
    """A 24 game."""
    table = ranges()["game24"]
    return _draw(rng, 4, table["numbers"], [table["target"]])


def _ask(section: str, facts: Facts, language: Language, rng: Random) -> str:
    """The question as a person would type it; the 24 game has its target in the words."""
    numbers = listed(facts.numbers, language, rng)
    return worded(language, section, "make", rng, n=numbers, t=str(facts.target))


def think(facts: Facts, effort: str, rng: Random) -> str:
    """A search that ends in the solution; some high ones are cut before (see `finished`)."""
    if effort == "high" and len(facts.numbers) == 4 and rng.random() < CUT:
        astray = _tokens("".join([_start(facts), *_detours(facts, rng)]))
        if len(astray) > LONGEST:
            return "".join(astray[:LONGEST])
    while True:
        # redrawn if too long: uniform among the counts of wrong first moves that fit
        trace = _search(facts, rng.randint(0, MOST_WRONG[effort]), rng)
        if len(_tokens(trace)) <= LONGEST:
            return trace


def finished(trace: str) -> bool:
    """Does the trace end in a solution? Of a cut one, neither its end nor an answer may follow."""
    return " yes" in trace


def answer(facts: Facts) -> str:
    """The expression in which the solution's trace ends."""
    return _substituted(facts.path)[-1]


def check(facts: Facts, text: str) -> bool:
    """Any expression of exactly the given numbers with the target as its value."""
    return reaches(text, facts.numbers, facts.target)


def _search(facts: Facts, wrong: int, rng: Random) -> str:
    """The trace with this many wrong first moves, or as many as there are."""
    pieces = [_start(facts)]
    state = facts.numbers
    if len(facts.numbers) == 4:
        pieces += _detours(facts, rng)[:wrong]
        pieces.append("<step>" + _line(facts.path[0]))
        state = facts.path[0].rest
    pieces += ["<step>" + look for look in _looks(state, facts.target)]
    pieces.append("<step>" + _made(facts.path[-2]))
    pieces += ["<step>" + expression for expression in _substituted(facts.path)]
    return "".join(pieces)


def _detours(facts: Facts, rng: Random) -> list[str]:
    """First moves from which no way leads to the target, each looked through, and back to the start.

    In random order, no two of them leaving the same numbers.
    """
    moves = legal(facts.numbers)
    rng.shuffle(moves)
    kept: dict[State, Move] = {}
    for move in moves:
        if not ways(move.rest, facts.target):
            kept.setdefault(tuple(sorted(move.rest)), move)
    back = "<back>" + _joined(facts.numbers)
    return [
        "".join(f"<step>{text}" for text in (_line(move), *_looks(move.rest, facts.target))) + back
        for move in kept.values()
    ]


def _looks(state: State, target: int) -> list[str]:
    """Three numbers looked through, up to the first hit: each number in turn, with the target, what
    must stand beside it; then the other two and all they make; is it among these?"""
    looks: list[str] = []
    for number, pair in apart(state):
        wanted, made = needed(number, target), [result for _, result in results(*pair)]
        hit = next((result for result in made if result in wanted), None)
        verdict = "no" if hit is None else f"yes {hit}"
        looks.append(
            f"{number},{target}>{_joined(wanted)}|{_joined(pair)}:{_joined(made)} {verdict}"
        )
        if hit is not None:
            break
    return looks


def _start(facts: Facts) -> str:
    return f"{_joined(facts.numbers)}:{facts.target}"


def _made(move: Move) -> str:
    return f"{move.left}{move.sign}{move.right}={move.result}"


def _line(move: Move) -> str:
    """A move that leaves three numbers."""
    return f"{_made(move)}:{_joined(move.rest)}"


def _substituted(path: Sequence[Move]) -> list[str]:
    """The last operation, then the number of each earlier one replaced by that operation."""
    *earlier, last = path
    texts = [f"{last.left}{last.sign}{last.right}"]
    for move in reversed(earlier):
        # the leftmost number of this value: where there are two, either is right, as only the
        # numbers that are left over count
        number = re.compile(rf"(?<![0-9]){move.result}(?![0-9])")
        made = f"({move.left}{move.sign}{move.right})"
        texts.append(number.sub(made, texts[-1], count=1))
    return texts


def _joined(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _tokens(trace: str) -> list[str]:
    return _TOKEN.findall(trace)


def identity(facts: Facts) -> str:
    """The numbers in any order, and the target."""
    return f"{sorted(facts.numbers)} {facts.target}"


countdown = Task("countdown", draw, partial(_ask, "countdown"), think, answer, check, identity)
game24 = Task("game24", draw_game24, partial(_ask, "game24"), think, answer, check, identity)
