"""JSON that satisfies a schema, JSON that does not, and texts and schemas that mean harm."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from verifiers.chains import scored

from system2.verifiers import json_schema

PATIENT = 120.0  # seconds: the machine may be busy
PERSON = {
    "type": "object",
    "properties": {"name": {"$ref": "#/$defs/name"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"name": {"type": "string", "minLength": 1}},
}


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"name": "Ada", "age": 36}', 1.0),
        (' {"name": "五"}\n', 1.0),
        ('```json\n{"name": "Ada"}\n```', 1.0),
        ('{"age": 36}', 0.0),
        ('{"name": "Ada", "age": -1}', 0.0),
        ('{"name": "Ada", "age": NaN}', 0.0),
        ('{"name": "Ada", "born": 1815}', 0.0),
        ('{"name": "Ada"', 0.0),
        ("{'name': 'Ada'}", 0.0),
        ("Ada", 0.0),
        ("", 0.0),
        ("\x00", 0.0),
        ('{"name": "\ud800"}', 1.0),
        ('{"name": "Ada", "age": ' + "9" * 5000 + "}", 1.0),
        ('{"name": "Ada", "age": 1e999}', 0.0),
        (None, None),
    ],
)
def test_answers_are_checked(answer: str | None, score: float | None) -> None:
    assert scored(json_schema(PERSON, seconds=PATIENT), answer) == [score]


def test_answers_beyond_measure_are_left_open() -> None:
    verifier = json_schema(True, seconds=PATIENT)
    assert scored(verifier, "[" * 100_000, '"' + "x" * 5_000_000 + '"', "[]") == [None, None, 1.0]


def test_what_was_late_is_asked_again() -> None:
    verifier = json_schema({"type": "object"}, seconds=PATIENT)
    assert scored(verifier, "[]") == [0.0]  # the child is up
    verifier.seconds = 1e-6
    assert scored(verifier, "{}", "[]") == [None, 0.0]
    verifier.seconds = PATIENT
    assert scored(verifier, "{}") == [1.0]


def test_answers_that_hang_take_no_verdict_from_others() -> None:
    assert scored(json_schema(True, seconds=PATIENT), "1") == [1.0]  # the child is up
    verifier = json_schema({"type": "string", "pattern": "^(a+)+$"}, seconds=0.3)
    verifier.known['"b"'] = False
    slow = [json.dumps("a" * (50 + n) + "!") for n in range(20)]
    began = time.monotonic()
    assert scored(verifier, *slow, '"b"') == [*[None] * 20, 0.0]
    assert time.monotonic() - began < 8 * 0.3 + 5.0


def test_a_pattern_that_takes_for_ever_costs_its_deadline() -> None:
    assert scored(json_schema(True, seconds=PATIENT), "1") == [1.0]  # the child is up
    verifier = json_schema({"type": "string", "pattern": "^(a+)+$"}, seconds=0.5)
    began = time.monotonic()
    assert scored(verifier, json.dumps("a" * 60 + "!")) == [None]
    assert time.monotonic() - began < 0.5 + 5.0


@settings(max_examples=25)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=9,
    )
)
def test_every_value_satisfies_its_own_constant(value: Any) -> None:
    assert scored(json_schema({"const": value}, seconds=PATIENT), json.dumps(value)) == [1.0]


@pytest.mark.parametrize(
    ("schema", "match"),
    [
        ({"type": "strin"}, "is not a JSON schema"),
        ({"minimum": "five"}, "is not a JSON schema"),
        ({"pattern": "("}, "is not a JSON schema"),
        ("string", "is an object, true or false"),
        (None, "is an object, true or false"),
        ({"const": {1, 2}}, "cannot be written as JSON"),
        ({"const": float("nan")}, "not JSON compliant"),
        ({"$schema": "http://example.org/mine"}, "names no draft"),
        ({"$schema": 5}, "names no draft|is not a JSON schema"),
        ({"$ref": "http://example.org/schema.json"}, "not fetched"),
        ({"$ref": "file:///etc/passwd"}, "not fetched"),
        ({"$ref": "#/$defs/nobody"}, "not in it"),
        ({"properties": {"a": {"items": {"$ref": "other.json"}}}}, "not fetched"),
        ({"$id": "http://example.org/a", "$ref": "b"}, "not fetched"),
    ],
)
def test_bad_schemas_are_refused_in_a_sentence(schema: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        json_schema(schema)


def test_a_schema_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"not": deep}
    with pytest.raises(ValueError, match="nested too deeply"):
        json_schema(deep)
    round_: dict[str, Any] = {}
    round_["not"] = round_
    with pytest.raises(ValueError, match="Circular"):
        json_schema(round_)


def test_references_inside_and_to_the_drafts_are_followed() -> None:
    inside = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "http://example.org/list",
        "definitions": {"list": {"$id": "node", "type": "array", "items": {"$ref": "node"}}},
        "allOf": [{"$ref": "node"}],
    }
    assert scored(json_schema(inside, seconds=PATIENT), "[[], [[]]]", "[1]") == [1.0, 0.0]
    draft = {"$ref": "https://json-schema.org/draft/2020-12/schema"}
    assert scored(json_schema(draft, seconds=PATIENT), '{"type": "array"}', '{"type": 5}') == [1, 0]


def test_a_schema_cannot_be_changed_later() -> None:
    schema = {"type": "integer"}
    verifier = json_schema(schema, seconds=PATIENT)
    schema["type"] = "string"
    assert scored(verifier, "5") == [1.0]


def test_without_the_extra_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("system2.verifiers.verdicts.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'system2\[json\]'"):
        json_schema(True)
    with pytest.raises(ImportError, match=r"system2\[json\]"):
        json_schema({})
