"""What a server sent, as it is: JSON objects whose entries are read like attributes. Checks nothing.

The SDK's own models cost ten times as much a chunk, and a search reads thousands of chunks a second.
"""

from __future__ import annotations

from typing import Any, cast


class Plain:
    """An object; an entry that is not there is None, as one that is null."""

    __slots__ = ("_body",)

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body

    def __getattr__(self, name: str) -> Any:
        return plain(self._body.get(name))

    def __repr__(self) -> str:
        return repr(self._body)


def plain(value: Any) -> Any:
    """A value of JSON, objects as `Plain` however deep."""
    if isinstance(value, dict):
        return Plain(cast(dict[str, Any], value))
    if isinstance(value, list):
        return [plain(one) for one in cast(list[Any], value)]
    return value


def chunk(value: Any) -> Any:
    """A chunk of a stream of chat completions. Raises ValueError where it cannot be one."""
    if not isinstance(value, dict):
        raise ValueError(f"a chunk must be an object, {type(value).__name__} came")
    made = Plain(cast(dict[str, Any], value))
    choices = made.choices
    if not isinstance(choices, list | None) or not all(isinstance(one, Plain) for one in cast(list[Any], choices or [])):  # fmt: skip
        raise ValueError("the choices of a chunk must be a list of objects")
    return made
