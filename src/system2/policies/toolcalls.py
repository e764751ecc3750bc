"""Calls of tools as a server streams them, put together, and as canonical JSON. Pure; knows no tool."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn


@dataclass(slots=True)
class Forming:
    """One call, so far."""

    index: int
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])

    def take(self, piece: Any) -> None:
        """More of it. A name may come whole each time, or in pieces."""
        self.id = getattr(piece, "id", None) or self.id
        function = getattr(piece, "function", None)
        name, arguments = (getattr(function, part, None) for part in ("name", "arguments"))
        if isinstance(name, str) and name != self.name:
            self.name += name
        if isinstance(arguments, str):
            self.arguments.append(arguments)
        elif arguments is not None:  # an object where text belongs
            self.arguments.append(json.dumps(arguments))


class Calls:
    """The calls of one continuation. one: the first alone counts; none: it may make none."""

    def __init__(self, *, one: bool = False, none: bool = False) -> None:
        self.one, self.none = one, none
        self.all: list[Forming] = []

    def take(self, pieces: Sequence[Any]) -> None:
        """Pieces of one chunk."""
        for piece in pieces:
            self._of(piece).take(piece)

    @property
    def named(self) -> list[Forming]:
        """Those whose function is known, in the server's order."""
        calls = [call for call in sorted(self.all, key=lambda call: call.index) if call.name]
        return calls[:1] if self.one else calls

    def text(self) -> str:
        """A list of {"arguments", "name"}: equal calls read the same."""
        return canonical([(call.name, "".join(call.arguments)) for call in self.named])

    def _of(self, piece: Any) -> Forming:
        """The call that a piece belongs to: some servers give no index, some the same to all."""
        index, id = getattr(piece, "index", None), getattr(piece, "id", None)
        name = getattr(getattr(piece, "function", None), "name", None)
        for call in reversed(self.all):
            if id and id == call.id:
                return call
            if isinstance(index, int) and index != call.index:
                continue
            if (id and call.id) or (index is None and name and call.name):
                continue  # another one
            return call
        place = index if isinstance(index, int) else len(self.all)
        self.all.append(Forming(place))
        return self.all[-1]


def canonical(calls: Sequence[tuple[str, str]]) -> str:
    """(name, arguments) pairs as JSON; arguments stay text, written anew in one way if they are JSON."""
    told = [{"arguments": compact(arguments), "name": name} for name, arguments in calls]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def compact(text: str) -> str:
    """JSON with sorted keys and no blanks; the text itself where that would lose anything."""
    if not text.strip():
        return "{}"  # a function without arguments
    try:
        value = json.loads(
            text, parse_float=lossless, parse_constant=refused, object_pairs_hook=unique
        )
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    except (ValueError, RecursionError):
        return text


def lossless(text: str) -> float:
    """A number, if it is the same written anew. Raises ValueError."""
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise ValueError(f"{text} is no float")
    return number


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose keys comes twice. Raises ValueError."""
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("a key comes twice")
    return told


def refused(name: str) -> NoReturn:
    """NaN and infinities are no JSON."""
    raise ValueError(f"{name} is not JSON")
