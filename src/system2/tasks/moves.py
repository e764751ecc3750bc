"""Countdown's rules in one place: legal moves, solving and the random control.

A state is a tuple of whole numbers; a move takes two of them away and puts their result first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

HIGHEST = 99  # every number on the way is a whole number 0…99

State = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """One operation on two numbers of a state, and the state it leaves."""

    left: int
    sign: str
    right: int
    result: int
    rest: State


def results(a: int, b: int) -> list[tuple[str, int]]:
    """All legal results of two numbers, in the order + - * / (the larger before the smaller)."""
    high, low = (a, b) if a >= b else (b, a)
    found: list[tuple[str, int]] = []
    if high + low <= HIGHEST:
        found.append(("+", high + low))
    found.append(("-", high - low))
    if high * low <= HIGHEST:
        found.append(("*", high * low))
    if low and high % low == 0:
        found.append(("/", high // low))
    return found


def legal(state: State) -> list[Move]:
    """Every legal move: all pairs of places, all operations."""
    found: list[Move] = []
    for i in range(len(state)):
        for j in range(i + 1, len(state)):
            others = state[:i] + state[i + 1 : j] + state[j + 1 :]
            for sign, result in results(state[i], state[j]):
                # + and * keep the order in which the numbers stand
                swap = sign in "-/" and state[i] < state[j]
                left, right = (state[j], state[i]) if swap else (state[i], state[j])
                found.append(Move(left, sign, right, result, (result, *others)))
    return found


def _key(state: State) -> State:
    return tuple(sorted(state))


@lru_cache(maxsize=1 << 17)
def _ways(state: State) -> Mapping[int, int]:
    """Number that can be made → in how many ways (of a sorted state)."""
    if len(state) == 1:
        return {state[0]: 1}
    if len(state) == 2:
        # of two operations with the same result only the first is a way: the search stops there
        return {result: 1 for _, result in results(*state)}
    total: dict[int, int] = {}
    for move in legal(state):
        for number, ways in _ways(_key(move.rest)).items():
            total[number] = total.get(number, 0) + ways
    return total


def ways(state: State, target: int) -> int:
    """How many ways lead from the state to the target."""
    return _ways(_key(state)).get(target, 0)


def solvable(numbers: Sequence[int], target: int) -> bool:
    """Can the target be made of all the numbers, by legal moves?"""
    return ways(tuple(numbers), target) > 0


def hits(state: State, target: int) -> bool:
    """Do two numbers make the target in one operation?"""
    return any(result == target for _, result in results(*state))


def solution(numbers: Sequence[int], target: int, rng: Random) -> tuple[Move, ...]:
    """A path to the target, uniform among all of them. The target must be solvable."""
    state, path = tuple(numbers), list[Move]()
    while len(state) > 1:
        moves = legal(state)
        if len(state) == 2:
            move = next(move for move in moves if move.result == target)
        else:
            move = rng.choices(moves, [ways(move.rest, target) for move in moves])[0]
        path.append(move)
        state = move.rest
    return tuple(path)


def random_path(numbers: Sequence[int], target: int, rng: Random) -> bool:
    """The control: uniformly random legal moves until one number is left; is it the target?"""
    state = tuple(numbers)
    while len(state) > 1:
        state = rng.choice(legal(state)).rest
    return state == (target,)
