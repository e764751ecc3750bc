"""Who scores a line of thought. Each sees the question, never a gold answer it was not handed."""

from system2.verifiers.exact import Exact, exact
from system2.verifiers.expression import Expressions, reaches

__all__ = ["Exact", "Expressions", "exact", "reaches"]
