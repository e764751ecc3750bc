"""Traces on disk: what was written is read back, a torn end is left out, what is no trace is named."""

from __future__ import annotations

import time
import types
import typing
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system2.core import Event, Finished, Handed, Message, Piece, Problem, Started, Usage
from system2.store import KINDS, Trace, decode, encode, new_run, read

TEXT = st.text(st.characters(exclude_categories=()))  # half characters too: a server may send them
STARTED = Started("r", Problem((Message("user", "一加一？"),)), 7, True, {"effort": "low"})
FINISHED = Finished(None, None, "time", 0, Usage(), {}, None, 1.5)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that an annotation allows and JSON can hold."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return st.builds(kind, **{field.name: values(hints[field.name]) for field in fields(kind)})
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(values, inner))
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is tuple and inner[-1] is Ellipsis:
        return st.lists(values(inner[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    if origin is dict:
        return st.dictionaries(TEXT, values(inner[1]), max_size=3)
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(),
        float: st.floats(allow_nan=False),
        bool: st.booleans(),
        str: TEXT,
        Decimal: st.decimals(allow_nan=False, allow_infinity=False),
        types.NoneType: st.none(),
        Any: st.none() | st.booleans() | st.integers() | TEXT | st.lists(st.integers(), max_size=3),
    }
    return plain[kind]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_round_trip(name: str):
    @given(values(KINDS[name]))
    def holds(event: Event) -> None:
        line = encode(event)
        assert line.encode() and not {"\n", "\r"} & set(line)
        back = decode(line)
        assert back == event
        assert encode(back) == line

    holds()


def write(place: Path, *events: Event) -> Path:
    trace = Trace(new_run(), place)
    for event in events:
        trace(event)
    return trace.path


def test_a_file_is_its_events(tmp_path: Path):
    path = write(tmp_path / "new", STARTED, Handed((1,)), Piece(1, 0, "x", False), FINISHED)
    assert list(read(path)) == [STARTED, Handed((1,)), FINISHED]


def test_handed_is_on_disk_before_the_call_returns(tmp_path: Path):
    trace = Trace(new_run(), tmp_path)
    for event in (STARTED, Handed((1,))):
        trace(event)
    assert list(read(trace.path)) == [STARTED, Handed((1,))]
    trace(FINISHED)


def test_wherever_the_end_is_torn_the_rest_is_read(tmp_path: Path):
    path = write(tmp_path, STARTED, Handed((1,)), FINISHED)
    data, events = path.read_bytes(), list(read(path))
    for size in range(len(data)):
        path.write_bytes(data[:size])
        assert list(read(path)) == events[: data[:size].count(b"\n")]


def test_a_name_is_never_taken_twice(tmp_path: Path):
    run = new_run()
    Trace(run, tmp_path)(FINISHED)
    with pytest.raises(FileExistsError):
        Trace(run, tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (encode(STARTED).replace('"version":"2"', '"version":"3"'), "trace format 3.*reads 2"),
        ('{"event":"Dreamt"}', "unknown event 'Dreamt'"),
        ("{}", "unknown event None"),
        ("5", "not an event"),
        ("[]", "not an event"),
        ("not JSON", "not an event"),
        ('{"event":"Handed"', "not an event"),
        ('{"event":"Billed","ask":1,"role":"policy","usage":3}', "not an event"),
        ('{"event":"Billed","role":"policy","usage":{}}', "not an event"),
        ('{"event":"Handed","asks":[1],"wings":2}', "not an event"),
        (encode(FINISHED)[:-1] + ',"cost":"much"}', "not an event"),
        ("\ufffd".encode().decode() + "\x00", "not an event"),
    ],
)
def test_what_is_no_trace_is_named(line: str, said: str, tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text(f"{encode(STARTED)}\n{line}\n{encode(FINISHED)}\n", "utf-8")
    with pytest.raises(ValueError, match=f"a.jsonl, line 2: .*{said}"):
        list(read(path))


def test_bytes_that_are_no_text(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"event":"\xff"}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl, line 1"):
        list(read(path))


def test_names_sort_by_time():
    names = [new_run() for _ in range(50)]
    assert len(set(names)) == 50
    assert len({name[:8] for name in names}) <= 2


def test_a_trace_is_its_owners_alone(tmp_path: Path) -> None:
    trace = Trace("one", tmp_path / "new")
    trace(FINISHED)
    assert trace.path.stat().st_mode & 0o077 == 0
    assert trace.path.parent.stat().st_mode & 0o077 == 0
    with pytest.raises(FileExistsError):
        Trace("one", tmp_path / "new")


def test_names_sort_by_time_within_a_second() -> None:
    names = []
    for _ in range(20):
        names.append(new_run())
        time.sleep(0.002)
    assert names == sorted(names) and len({*names}) == 20


NO_EVENTS = [
    "[]", "1", "null", '"a"', "{}", '{"event":[]}', '{"event":{}}', '{"event":"Started"}', "[" * 100_000,
    '{"event":"Started","run":1,"problem":[],"seed":0,"ordered":true,"settings":{}}',
    '{"event":"Started","problem":"a"}', '{"event":"Started","problem":{"question":1}}',
    '{"event":"Started","settings":["a"]}', '{"event":"Started","settings":{"effort":[]}}',
    '{"event":"Finished","usage":"a"}', '{"event":"Finished","dollars":"many"}', '{"event":"Finished","node":"n"}',
    '{"event":"Born","id":"a","parent":0,"step":{"text":1}}', '{"event":"Born","step":[]}', '{"event":"Scored","scores":[1]}',
]  # fmt: skip


@pytest.mark.parametrize("line", NO_EVENTS, ids=lambda line: line[:40])
def test_whatever_is_no_event_is_a_value_error(line: str):
    with pytest.raises(ValueError, match=r"."):
        decode(line)


def test_a_file_that_is_no_trace_spoils_no_list(tmp_path: Path):
    from system2.records import summaries

    write(tmp_path, STARTED, FINISHED)
    for n, line in enumerate(NO_EVENTS):
        (tmp_path / f"{n}.jsonl").write_text(line + "\n")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\x00\n")
    assert len([*summaries(tmp_path)]) == 1
