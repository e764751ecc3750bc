"""system2: a reasoning model is a search through lines of thought, paid for by the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from system2.core import Budget, Price, Problem
    from system2.resuming import resume
    from system2.search import beam, best_of, mcts
    from system2.solve import Result, stream, think

__version__ = "0.1.0"
__all__ = [
    "Budget",
    "Price",
    "Problem",
    "Result",
    "beam",
    "best_of",
    "mcts",
    "resume",
    "stream",
    "think",
]

_HOMES = {
    "Budget": "core", "Price": "core", "Problem": "core",
    "beam": "search", "best_of": "search", "mcts": "search",
    "resume": "resuming", "Result": "solve", "stream": "solve", "think": "solve",
}  # fmt: skip


def __getattr__(name: str) -> object:
    """Public names load when they are used, so that `system2 --help` answers at once (PEP 562)."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"system2.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'system2' has no attribute {name!r}")
