"""Run by a worker: are two expressions the same mathematics? Imports nothing of ours, keeps no clock.

math-verify's own deadlines are signals, which need the main thread and do not interrupt big numbers:
they are off, and the parent kills instead. Expressions are read by a grammar and never evaluated as
code: math-verify's other reader, which does that, is not used.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

_LIBRARY: Any = importlib.import_module("math_verify")
_SYMPY: Any = importlib.import_module("sympy")
_READ = _LIBRARY.LatexExtractionConfig(boxed_match_priority=-1)
_READS = [
    replace(
        _READ, normalization_config=replace(_READ.normalization_config, units=False, boxed="none")
    )
]
_EXACT = {"float_rounding": 12, "numeric_precision": 50}  # its own 6 digits take 0.333333 for 1/3


def answer(question: dict[str, Any]) -> list[bool | None]:
    """Are the two of each pair the same, whichever is taken for the gold? None: it cannot be said."""
    return [alike(*pair) for pair in question["pairs"]]


def alike(one: str, other: str) -> bool | None:
    """Are two expressions the same?"""
    try:
        a, b = read(one), read(other)
        if a is None or b is None:
            return False
        return bool(verified(a, b) or verified(b, a))
    except Exception:  # noqa: BLE001  the other pairs have their answers all the same
        return None


def read(text: str) -> Any:
    """The expression; None: it is none, or has no value."""
    found = _LIBRARY.parse(
        f"${text}$", _READS, fallback_mode="no_fallback", parsing_timeout=None, raise_on_error=True
    )
    if not found or (hasattr(found[0], "has") and found[0].has(_SYMPY.zoo, _SYMPY.nan)):
        return None
    return found[0]


def verified(gold: Any, other: Any) -> Any:
    """math-verify's verdict, without its clock."""
    return _LIBRARY.verify(gold, other, timeout_seconds=None, raise_on_error=True, **_EXACT)


verified(read("\\frac{x^2+1}{2}"), read("x+\\sin(1)"))  # loads what sympy loads late
