"""The control for Countdown and 24: how far legal moves at random get. Knows no models."""

from __future__ import annotations

from collections.abc import Sequence

from system2.tasks.moves import State, legal


def chance(numbers: Sequence[int], target: int) -> float:
    """Exact chance that one `tasks.moves.random_path` ends at the target: no tries are needed."""
    known: dict[State, float] = {}

    def of(state: State) -> float:
        if len(state) == 1:
            return float(state[0] == target)
        key = tuple(sorted(state))
        if key not in known:
            moves = legal(state)
            known[key] = sum(of(move.rest) for move in moves) / len(moves)
        return known[key]

    return of(tuple(numbers))


def pass_at(share: float, k: int) -> float:
    """Chance that one of k independent tries succeeds."""
    return 1 - (1 - share) ** k
