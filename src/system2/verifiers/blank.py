"""The one place in a JSON schema where an answer could stand, for models that cannot write JSON. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, cast

PLAIN = ("string", "number", "integer")
FILLABLE = (
    "an object with one required property of type string, number or integer, or with one required "
    "object that has one"
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """The names that lead to it, from the outside, and the type of what belongs there."""

    path: tuple[str, ...]
    type: str

    def filled(self, answer: str) -> str | None:
        """The JSON with this answer in its place; None: it is not of that type."""
        value: Any = answer
        if self.type != "string":
            text = answer.strip().replace("−", "-")
            if not _NUMBER.fullmatch(text) or (self.type == "integer" and "." in text):
                return None
            return self._around(text)
        return self._around(json.dumps(value, ensure_ascii=False))

    def _around(self, text: str) -> str:
        for name in reversed(self.path):
            text = f"{{{json.dumps(name, ensure_ascii=False)}: {text}}}"
        return text


def place(schema: str) -> Place | None:
    """Where a plain answer belongs; None: there is no place, or it is not plain which."""
    found = _within(json.loads(schema or '{"type": "object"}'), 2)
    return found if found and found.path else None


def _within(schema: Any, depth: int) -> Place | None:
    if not isinstance(schema, dict):
        return None
    told = cast(dict[str, Any], schema)
    kind = told.get("type")
    if kind in PLAIN:
        return Place((), kind)
    properties, required = told.get("properties"), told.get("required")
    if kind != "object" or not depth or not isinstance(properties, dict):
        return None
    if not isinstance(required, list) or len(cast(list[Any], required)) != 1:
        return None
    name = str(cast(list[Any], required)[0])
    below = _within(cast(dict[str, Any], properties).get(name), depth - 1)
    return below and Place((name, *below.path), below.type)
