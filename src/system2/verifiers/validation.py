"""Run by a worker: does a text hold JSON that satisfies a schema? Imports nothing of ours, keeps no clock.

What a schema refers to is looked up in the schema itself and among the drafts of JSON Schema, never fetched.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any, NoReturn

LONGEST = 500  # characters of a complaint
FAULTS = 3  # that it names
_SCHEMAS: Any = importlib.import_module("jsonschema")
_DRAFTS: Any = importlib.import_module("jsonschema_specifications")
sys.set_int_max_str_digits(
    0
)  # a number of 5,000 digits is JSON; one that takes too long has its deadline


def answer(question: dict[str, Any]) -> bool | str | None:
    """True or False; None where the text is nested too deeply to be read.

    With "why" in the question, what is wrong in a sentence, empty where nothing is.
    """
    why = question.get("why")
    try:
        value = json.loads(question["text"], parse_constant=refused)
    except RecursionError:
        return "it is nested too deeply" if why else None
    except ValueError as error:
        return f"it is not JSON ({error})"[:LONGEST] if why else False
    check = checker(question["schema"])
    return complaint(check, value) if why else bool(check.is_valid(value))


def complaint(check: Any, value: Any) -> str:
    """What a value's first faults are, and where; empty: it has none."""
    faults: list[str] = []
    for error in check.iter_errors(value):
        faults.append(f"{' '.join(str(error.message)[:LONGEST].split())} (at {error.json_path})")
        if len(faults) == FAULTS:
            break
    return "; ".join(faults)[:LONGEST]


def checker(schema: Any) -> Any:
    """A validator of the draft that the schema names, by default the latest."""
    latest = _SCHEMAS.Draft202012Validator
    draft = _SCHEMAS.validators.validator_for(schema, default=latest)
    return draft(schema, registry=_DRAFTS.REGISTRY, format_checker=draft.FORMAT_CHECKER)


def refused(name: str) -> NoReturn:
    """NaN and infinities are no JSON."""
    raise ValueError(f"{name} is not JSON")
