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

from system2.tasks.moves import Move, State, hits, legal, results, solution, solvable
from system2.tasks.sorting import listed
from system2.tasks.task import Language, Task, ranges
from system2.tasks.wording import worded
from system2.verifiers import reaches

LONGEST = 420  # tokens of a trace: a mark like <step> is one, any other character is one
MOST_WRONG = {"low": 1, "high": 14}
CUT = 0.08  # share of the high traces (of four numbers) that find nothing before they are cut
MOST_SECOND = 4  # second moves under one first move

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
            return Facts(numbers, target, solution(numbers, target, rng))


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
        astray = _tokens("".join([_start(facts), *_detours(facts, LONGEST, rng)]))
        if len(astray) > LONGEST:
            return "".join(astray[:LONGEST])
    while True:
        # redrawn if too long: uniform among the counts of wrong tries that fit
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
    """The trace with this many wrong tries, or as many as there are."""
    pieces = [_start(facts)]
    if len(facts.numbers) == 3:
        state = facts.numbers
        misses = _misses(state, facts.target, rng)
        tries = misses[: wrong if wrong <= len(misses) else rng.randint(0, len(misses))]
    else:
        state = facts.path[0].rest
        tries = _misses(state, facts.target, rng)[: rng.randint(0, min(wrong, MOST_SECOND - 1))]
        pieces += _detours(facts, wrong - len(tries), rng)
        pieces.append("<step>" + _line(facts.path[0]))
    pieces += _wrong(tries, facts.target, state, state)
    pieces.append("<step>" + _pair(facts.path[-2], facts.target))
    pieces += ["<step>" + expression for expression in _substituted(facts.path)]
    return "".join(pieces)


def _detours(facts: Facts, wrong: int, rng: Random) -> list[str]:
    """Other first moves, a few wrong second moves under each, and back to the start."""
    pieces: list[str] = []
    size = 0
    for move in _distinct(legal(facts.numbers), rng):
        if wrong <= 0 or size > LONGEST:
            break
        if sorted(move.rest) == sorted(facts.path[0].rest):
            continue
        tries = _misses(move.rest, facts.target, rng)[: min(wrong, rng.randint(1, MOST_SECOND))]
        if tries:
            wrong -= len(tries)
            group = ["<step>" + _line(move)]
            group += _wrong(tries, facts.target, move.rest, facts.numbers)
            size += len(_tokens("".join(group)))
            pieces += group
    return pieces


def _wrong(tries: Sequence[Move], target: int, state: State, home: State) -> list[str]:
    """Wrong moves of a state; after each back to the state, after the last one home."""
    pieces: list[str] = []
    for number, move in enumerate(tries, 1):
        back = home if number == len(tries) else state
        pieces += ["<step>" + _pair(move, target), "<back>" + _joined(back)]
    return pieces


def _distinct(moves: list[Move], rng: Random) -> list[Move]:
    """The moves in random order, one for each set of numbers they leave."""
    rng.shuffle(moves)
    kept: dict[State, Move] = {}
    for move in moves:
        kept.setdefault(tuple(sorted(move.rest)), move)
    return list(kept.values())


def _misses(state: State, target: int, rng: Random) -> list[Move]:
    """Moves from three numbers to two that do not make the target, in random order."""
    return [move for move in _distinct(legal(state), rng) if not hits(move.rest, target)]


def _start(facts: Facts) -> str:
    return f"{_joined(facts.numbers)}:{facts.target}"


def _line(move: Move) -> str:
    return f"{move.left}{move.sign}{move.right}={move.result}:{_joined(move.rest)}"


def _pair(move: Move, target: int) -> str:
    """A move that leaves two numbers, with their results: all of them, or up to the target."""
    shown: list[str] = []
    for _, result in results(*move.rest):
        shown.append(str(result))
        if result == target:
            return f"{_line(move)}:{','.join(shown)} yes"
    return f"{_line(move)}:{','.join(shown)} no"


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
