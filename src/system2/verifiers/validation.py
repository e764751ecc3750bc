"""Run by a worker: does a text hold JSON that satisfies a schema? Imports nothing of ours, keeps no clock.

What a schema refers to is looked up in the schema itself and among the drafts of JSON Schema, never fetched.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any, NoReturn

_SCHEMAS: Any = importlib.import_module("jsonschema")
_DRAFTS: Any = importlib.import_module("jsonschema_specifications")
sys.set_int_max_str_digits(
    0
)  # a number of 5,000 digits is JSON; one that takes too long has its deadline


def answer(question: dict[str, Any]) -> bool | None:
    """True or False; None where the text is nested too deeply to be read."""
    try:
        value = json.loads(question["text"], parse_constant=refused)
    except RecursionError:
        return None
    except ValueError:
        return False
    return bool(checker(question["schema"]).is_valid(value))


def checker(schema: Any) -> Any:
    """A validator of the draft that the schema names, by default the latest."""
    latest = _SCHEMAS.Draft202012Validator
    draft = _SCHEMAS.validators.validator_for(schema, default=latest)
    return draft(schema, registry=_DRAFTS.REGISTRY, format_checker=draft.FORMAT_CHECKER)


def refused(name: str) -> NoReturn:
    """NaN and infinities are no JSON."""
    raise ValueError(f"{name} is not JSON")
