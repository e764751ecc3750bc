"""Strategies: where to look, what to answer, when to stop. Knows no model, clock or money."""

from system2.search.adaptive import adaptive
from system2.search.asking import all_of
from system2.search.beam import beam, token_beam
from system2.search.best_of import best_of, direct, single
from system2.search.cascade import cascade
from system2.search.choose import best, confidence, majority, relative, weighted
from system2.search.deepconf import deepconf
from system2.search.depth_first import depth_first
from system2.search.dvts import dvts
from system2.search.forking import forking
from system2.search.halving import halving
from system2.search.mcts import mcts
from system2.search.particles import particles
from system2.search.rebase import rebase
from system2.search.revise import aggregate, force, revise, select
from system2.search.routed import routed
from system2.search.stop import agreed, consensus, enough, solved, worthwhile
from system2.search.tally import Refuted

__all__ = [
    "Refuted",
    "adaptive",
    "aggregate",
    "agreed",
    "all_of",
    "beam",
    "best",
    "best_of",
    "cascade",
    "confidence",
    "consensus",
    "deepconf",
    "depth_first",
    "direct",
    "dvts",
    "enough",
    "force",
    "forking",
    "halving",
    "majority",
    "mcts",
    "particles",
    "rebase",
    "relative",
    "revise",
    "routed",
    "select",
    "single",
    "solved",
    "token_beam",
    "weighted",
    "worthwhile",
]
