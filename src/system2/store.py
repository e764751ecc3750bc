"""Traces on disk: one file a run, one event a line, only ever appended to. Knows nothing about search."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
import types
import typing
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, cast

from platformdirs import user_data_path

from system2.core import (
    Born,
    Called,
    Event,
    Finished,
    Handed,
    Merged,
    Piece,
    Recalled,
    Replied,
    Resumed,
    Started,
    Step,
)

VERSION = 2
FLUSHED = Started | Resumed | Called | Replied | Handed | Finished
BLOCK = 65_536  # bytes read at once from the end of a trace
KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in typing.get_args(Event)}


def folder() -> Path:
    """Where this user's traces lie."""
    return _folder(os.environ.get("XDG_DATA_HOME"), os.environ.get("HOME"))


@cache
def _folder(
    *home: str | None,
) -> Path:  # what it hangs on: to ask for it anew takes a tenth of a millisecond
    return user_data_path("system2") / "runs"


def new_run() -> str:
    """A name for a run: sorts by time, to a quarter of a millisecond, and is never the same twice."""
    now = time.time()
    begun = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    return f"{begun}-{int(now % 1 * 4096):03x}{secrets.token_hex(3)}"


class Trace:
    """Writes a run's events as they happen; a watcher. Raises OSError where it cannot begin.

    A line is whole or was never finished: what was written before a crash or a full disk stays
    readable. What money hangs on is given to the system before the call returns. A disk that fills
    up later is no reason to lose an answer: the trace ends there, and `fault` says why.

    again  go on with the trace of a run that was stopped. Raises BlockingIOError while another
           process writes it
    """

    def __init__(self, run: str, place: Path | None = None, *, again: bool = False) -> None:
        place = place or folder()
        self.path = place / f"{run}.jsonl"
        self.fault: OSError | None = None
        self._kept: set[tuple[int, int]] = set()  # continuations whose steps stand in a reply
        self._lines: list[str] = []  # not yet given to the system
        how = os.O_WRONLY | os.O_APPEND | (0 if again else os.O_CREAT | os.O_EXCL)
        try:
            self._file = os.open(self.path, how, 0o600)  # questions are their owner's alone
        except FileNotFoundError:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.path, how, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if again:
                os.truncate(self.path, whole(self.path))
        except OSError:
            os.close(self._file)
            raise

    def __call__(self, event: Event) -> None:
        if isinstance(event, Piece) or self.fault or self._file < 0:
            return
        try:
            self._lines.append(self._line(event))
            if isinstance(event, FLUSHED):
                self._flush()
            if isinstance(event, Finished):
                self.close()
        except OSError as error:
            self.fault = error
            self._lines.clear()
            self.close()
            if isinstance(event, Resumed):
                raise  # unwritten, all that follows would be paid for again the next time

    def close(self) -> None:
        """Write no more, and let others."""
        if self._file < 0:
            return
        try:
            self._flush()
        finally:
            file, self._file = self._file, -1
            os.close(file)

    def _flush(self) -> None:
        """Give to the system what was told since."""
        left = memoryview("".join(f"{line}\n" for line in self._lines).encode())
        self._lines.clear()
        while left:
            left = left[os.write(self._file, left) :]

    def _line(self, event: Event) -> str:
        """The event as it is kept: a node's step stands in the reply that brought it, and only there."""
        match event:
            case Replied(role="policy"):
                self._kept.update((event.ask, child) for child in event.children)
            case Recalled():
                self._kept.add((event.ask, event.child))
            case Resumed():
                self._kept.clear()
            case Born() if (event.ask, event.child) in self._kept:
                return encode(event, "step")
            case _:
                pass
        return encode(event)


def whole(path: Path) -> int:
    """Bytes up to the end of the last line that was finished."""
    with path.open("rb") as file:
        at = file.seek(0, 2)
        while at > 0:
            start = max(0, at - BLOCK)
            file.seek(start)
            if (last := file.read(at - start).rfind(b"\n")) >= 0:
                return start + last + 1
            at = start
    return 0


def read(path: Path) -> Iterator[Event]:
    """The events of a trace; a last line that was never finished is left out.

    Raises ValueError, naming the line, where a line cannot be understood.
    """
    replies: dict[int, dict[int, tuple[Step, ...]]] = {}  # of calls, by child
    steps: dict[tuple[int, int], deque[Step]] = {}  # of continuations, not yet in the tree
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                event = decode(line.decode(), lambda body: steps[body["ask"], body["child"]][0])
                match event:
                    case Replied(role="policy"):
                        replies[event.call] = dict(event.chains)
                        steps.update(((event.ask, n), deque(chain)) for n, chain in event.chains)
                    case Recalled():
                        steps[event.ask, event.child] = deque(
                            replies[event.call].get(event.was, ())
                        )
                    case Resumed():
                        steps.clear()
                    case Born() | Merged():
                        if left := steps.get((event.ask, event.child)):
                            left.popleft()
                    case _:
                        pass
            except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
                raise ValueError(
                    f"{path}, line {number}: not an event of a trace ({error})"
                ) from error
            yield event


def encode(event: Event, without: str = "") -> str:
    """One event as a line of JSON, its kind first. Fields that are empty, and `without`, are left out."""
    body = {"event": type(event).__name__}
    if isinstance(event, Started):
        body["version"] = str(VERSION)
    body |= _plain(event)
    body.pop(without, None)
    line = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    if line.isascii() or not any("\ud800" <= c <= "\udfff" for c in line):
        return line
    return json.dumps(json.loads(line), separators=(",", ":"))  # half a character: no UTF-8 has it


def decode(line: str, step: Callable[[dict[str, Any]], Step] | None = None) -> Event:
    """The event of a line; `step` finds a node's, where the line leaves it out.

    Raises ValueError for whatever is no event of a trace.
    """
    try:
        return _decoded(json.loads(line), step)
    except ValueError:
        raise
    except (LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"a value of the wrong kind ({error!r})") from error


def _decoded(body: dict[str, Any], step: Callable[[dict[str, Any]], Step] | None) -> Event:
    version = body.pop("version", None)
    if version is not None and version != str(VERSION):
        raise ValueError(f"trace format {version}; this system2 reads {VERSION}")
    if (kind := body.pop("event", None)) not in KINDS:
        raise ValueError(f"unknown event {kind!r}")
    if kind == "Born" and step and "step" not in body:
        return replace(_value(Born, body | {"step": {"text": "", "tokens": 0}}), step=step(body))
    return _value(KINDS[kind], body)


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    kind = cast(type[Any], type(value))
    if kind in _AS_IT_IS:  # by far most are
        return value
    if is_dataclass(kind):
        body: dict[str, Any] = {}
        for name, rest in _named(kind):
            entry = getattr(value, name)
            if not (rest is not MISSING and _is_empty(entry) and entry == rest):
                body[name] = entry if type(entry) in _AS_IT_IS else _plain(entry)
        return body
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in cast(list[Any], value)]
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in cast(dict[str, Any], value).items()}
    if isinstance(value, Decimal):
        return str(value)
    return value


@cache
def _named(kind: type[Any]) -> tuple[tuple[str, Any], ...]:
    """The fields of a class, and what each is that may be left out; MISSING: it may not."""
    rests = _rests(kind)
    names = [field.name for field in fields(kind)]
    return tuple((name, rests[name] if _is_empty(rests[name]) else MISSING) for name in names)


def _is_empty(entry: Any) -> bool:
    return entry is None or entry is False or entry == () or entry == ""


@cache
def _rests(kind: type[Any]) -> dict[str, Any]:
    """What each field is when its line leaves it out; MISSING: it may not."""
    rests = {field.name: field.default for field in fields(kind)}
    for name, hint in _hints(kind).items():
        if rests[name] is MISSING:
            origin = typing.get_origin(hint) or hint
            if origin in (typing.Union, types.UnionType):
                rests[name] = None
            elif origin in (tuple, str, bool):
                rests[name] = origin()
    return rests


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _value(kind: Any, value: Any) -> Any:
    """A JSON value as the type that a field's annotation names."""
    if is_dataclass(kind):
        kind = cast(type[Any], kind)
        hints = _hints(kind)
        given = {name: _value(hints[name], entry) for name, entry in value.items()}
        rests = {name: rest for name, rest in _rests(kind).items() if rest is not MISSING}
        return kind(**(rests | given))
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        some = [one for one in inner if one is not types.NoneType]
        return None if value is None else _value(some[0], value)
    if origin is tuple:
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        return tuple(_value(one, entry) for one, entry in zip(kinds, value, strict=True))
    if origin is dict:
        return {name: _value(inner[1], entry) for name, entry in value.items()}
    if kind is Decimal:
        return Decimal(value)
    if kind in _PLAIN and not isinstance(value, _PLAIN[kind]):
        raise ValueError(f"{str(value)[:40]!r} is no {kind.__name__}")
    return value


_AS_IT_IS = frozenset({type(None), str, int, float, bool})
_PLAIN: dict[Any, Any] = {str: str, int: int, float: int | float, bool: bool}
