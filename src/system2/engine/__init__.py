"""The engine: drives a strategy over a policy under a meter."""

from system2.engine.aside import Aside
from system2.engine.engine import Engine
from system2.engine.lone import lone
from system2.engine.recall import Recall
from system2.engine.replay import regrow

__all__ = ["Aside", "Engine", "Recall", "lone", "regrow"]
