"""Bytes to a checked body: JSON that cannot hang or crash us, and what is wrong with it in OpenAI's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import orjson
from pydantic import BaseModel, ValidationError

from system2.server.errors import ApiError, invalid

Body = TypeVar("Body", bound=BaseModel)
DEEPEST = 200  # brackets within brackets: no client needs more, and encoders recurse
MOST = 500_000  # values of one body
MARKS = 3 * MOST  # commas and brackets of one, those within its texts included: prose has far fewer

_MISSING = frozenset({"missing"})
_TYPES = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a decimal",
    "bool_type": "a boolean",
    "list_type": "an array",
    "tuple_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "decimal_type": "a decimal",
}
_MEMBERS = frozenset({"str", "int", "float", "bool", "dict", "list", "decimal"})
"""How pydantic names the members of a union."""


def parsed(data: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises ApiError 400 for anything else, NaN and half characters included."""
    if not data.strip():
        raise invalid("The body is empty; send a JSON object.", None, "missing_required_parameter")
    if (
        sum(map(data.count, (b",", b"[", b"{"))) > MARKS
    ):  # read, they would be a hundred times as much
        raise invalid(f"The body holds more than {MOST:,} values.", None, "invalid_json")
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise invalid(
            f"We could not parse the JSON body of your request ({error}).", None, "invalid_json"
        ) from error
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.", None, "invalid_type")
    weigh(cast(dict[str, Any], body))
    return cast(dict[str, Any], body)


def weigh(body: Mapping[str, Any], most: int = MOST, what: str = "The body") -> None:
    """Raises ApiError 400 for what is too deep or too much to be looked at; no recursion."""
    level: list[Any] = [body]
    values = 0
    for depth in range(DEEPEST + 1):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(cast(dict[str, Any], value).values())
            elif isinstance(value, list):
                below.extend(cast(list[Any], value))
        values += len(below)
        if values > most:
            raise invalid(f"{what} holds more than {most:,} values.", None, "invalid_json")
        if not below:
            return
        level = [value for value in below if isinstance(value, dict | list)]
        if level and depth == DEEPEST:
            break
    raise invalid(
        f"{what} is nested too deeply; at most {DEEPEST} levels are read.", None, "invalid_json"
    )


def checked(kind: type[Body], body: Mapping[str, Any]) -> Body:
    """The body as this kind of request. Raises ApiError 400, naming the first field that is wrong."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise told(error) from error
    except RecursionError as error:
        raise invalid("The body is nested too deeply.", None, "invalid_json") from error


def told(error: ValidationError) -> ApiError:
    """The first fault that pydantic found, as OpenAI would say it."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    first = min(faults, key=lambda fault: fault["type"] not in _MISSING)
    param = path(first["loc"])
    if first["type"] in _MISSING:
        return invalid(
            f"Missing required parameter: '{param}'.", param, "missing_required_parameter"
        )
    if first["type"] == "extra_forbidden":
        return invalid(f"Unknown parameter: '{param}'.", param, "unknown_parameter")
    if expected := _TYPES.get(first["type"]):
        return invalid(f"Invalid type for '{param}': expected {expected}.", param, "invalid_type")
    said = first["msg"].removeprefix("Value error, ")
    return invalid(f"Invalid value for '{param}': {said}.", param)


def path(places: tuple[int | str, ...]) -> str:
    """`messages[0].role`; what pydantic adds to name a member of a union is left out."""
    out = ""
    for place in places:
        if isinstance(place, int):
            out += f"[{place}]"
        elif place.isidentifier() and place not in _MEMBERS:
            out += f".{place}" if out else place
    return out
