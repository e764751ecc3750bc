"""Strategies: where to look, what to answer, when to stop. Knows no model, clock or money."""

from system2.search.asking import all_of
from system2.search.beam import beam
from system2.search.best_of import best_of, direct, single
from system2.search.choose import best, confidence, majority, weighted
from system2.search.mcts import mcts
from system2.search.stop import agreed, enough, solved

__all__ = [
    "agreed",
    "all_of",
    "beam",
    "best",
    "best_of",
    "confidence",
    "direct",
    "enough",
    "majority",
    "mcts",
    "single",
    "solved",
    "weighted",
]
