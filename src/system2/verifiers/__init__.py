"""Who scores a line of thought. Each sees the question, never a gold answer it was not handed."""

from system2.verifiers.exact import Exact, exact
from system2.verifiers.expression import Expressions, reaches
from system2.verifiers.mathematics import Mathematical, mathematical, same
from system2.verifiers.number import canonical, value
from system2.verifiers.schema import Schema, json_schema

__all__ = [
    "Exact",
    "Expressions",
    "Mathematical",
    "Schema",
    "canonical",
    "exact",
    "json_schema",
    "mathematical",
    "reaches",
    "same",
    "value",
]
