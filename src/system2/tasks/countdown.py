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

LONGEST = 500  # tokens of a trace: a mark like <step> is one, any other character is one
MOST_WRONG = {"low": 2, "high": 24}
CUT = 0.08  # share of the high traces (of four numbers) that find nothing before they are cut
SECOND = (2, 6)  # second moves under a wrong first move
MOST_MISSES = 5  # wrong second moves under the right first move

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


def taught(trace: str) -> list[tuple[str, bool]]:
    """The trace in pieces, and whether each is one to learn to write.

    A wrong move was drawn blindly where a right one could be made: what follows from it is learnt,
    to make it is not, else the model spends its tries as blindly. Below a wrong first move none is
    right; there the tries are learnt, since each is one that was not made before.
    """
    pieces: list[tuple[str, bool]] = []
    for group in re.split("(?=<back>)", trace):  # what was tried under one first move
        astray = " yes" not in group
        for place, step in enumerate(re.split("(?=<step>)", group)):
            mark, _, move = step.rpartition(">")
            chosen, made, rest = move.partition("=")
            searching = bool(place) and (made or not finished(trace))
            if searching and (place == 1 if astray else " no" in rest):
                pieces += [(mark + ">", True), (chosen, False), (made + rest, True)]
            else:
                pieces.append((step, True))
    return [piece for piece in pieces if piece[0]]


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
        misses = _misses(facts.numbers, facts.target, rng)
        tries = misses[: wrong if wrong <= len(misses) else rng.randint(0, len(misses))]
    else:
        misses = _misses(facts.path[0].rest, facts.target, rng)
        # one wrong try is too few for a first move of its own
        most = min(wrong, MOST_MISSES, len(misses))
        counts = [n for n in range(most + 1) if wrong - n != 1] or [most]
        tries = misses[: rng.choice(counts)]
        pieces += _detours(facts, wrong - len(tries), rng)
        pieces.append("<step>" + _line(facts.path[0]))
    pieces += ["<step>" + _pair(move, facts.target) for move in [*tries, facts.path[-2]]]
    pieces += ["<step>" + expression for expression in _substituted(facts.path)]
    return "".join(pieces)


def _detours(facts: Facts, wrong: int, rng: Random) -> list[str]:
    """Other first moves, a few wrong second moves under each, and back to the start."""
    fewest, most = SECOND
    pieces: list[str] = []
    size = 0
    for move in _distinct(legal(facts.numbers), rng):
        if wrong < fewest or size > LONGEST:
            break
        if sorted(move.rest) == sorted(facts.path[0].rest):
            continue
        misses = _misses(move.rest, facts.target, rng)
        if len(misses) < fewest:
            continue
        count = min(wrong, len(misses), rng.randint(fewest, most))
        if wrong - count == 1:  # too few for another first move
            count += -1 if count > fewest else 1
        tries = misses[:count]
        wrong -= len(tries)
        group = ["<step>" + _line(move)]
        group += ["<step>" + _pair(miss, facts.target) for miss in tries]
        group.append("<back>" + _joined(facts.numbers))
        size += len(_tokens("".join(group)))
        pieces += group
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


def _made(move: Move) -> str:
    return f"{move.left}{move.sign}{move.right}={move.result}"


def _line(move: Move) -> str:
    """A move that leaves three numbers."""
    return f"{_made(move)}:{_joined(move.rest)}"


def _pair(move: Move, target: int) -> str:
    """A move that leaves two numbers, all their results, and whether the target is among them."""
    made = [result for _, result in results(*move.rest)]
    verdict = "yes" if target in made else "no"
    # the result comes first in the rest, so that only the other number is added
    return f"{_made(move)},{move.rest[1]}:{_joined(made)}|{target} {verdict}"


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
