"""Replies that have to be JSON: what is wrong with them, in words; and plain answers put into their place."""

from __future__ import annotations

import asyncio
import json

import pytest

from system2.core import Fit, Format
from system2.verifiers import json_form
from system2.verifiers.blank import place

PATIENT = 120.0  # seconds: the machine may be busy
SUM = '{"type":"object","properties":{"sum":{"type":"integer"}},"required":["sum"],"additionalProperties":false}'


def fit(text: str, schema: str = SUM, seconds: float = PATIENT) -> Fit:
    return asyncio.run(json_form(Format(schema), seconds=seconds).fit(text))


def test_what_fits_is_shown_bare() -> None:
    assert fit('{"sum": 2}') == fit(' {"sum": 2}\n') == fit('```json\n{"sum": 2}\n```')
    assert fit('{"sum": 2}') == Fit('{"sum": 2}')
    assert fit("{}", "").text == "{}" and fit("[]", "").text is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("2", "is not of type 'object' (at $)"),
        ('{"sum": "2"}', "is not of type 'integer' (at $.sum)"),
        ('{"sum": 2, "a": 1}', "Additional properties"),
        ('{"sum": NaN}', "NaN is not JSON"),
        ('{"sum": 2', "it is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("x" * 1_000_001, "characters"),
    ],
)
def test_what_is_wrong_is_said(text: str, word: str) -> None:
    found = fit(text)
    assert found.text is None and word in found.complaint and len(found.complaint) <= 600


def test_a_schema_that_takes_for_ever_costs_its_deadline() -> None:
    hostile = json.dumps({"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}})
    fit("{}", hostile)  # the child is up
    with pytest.raises(TimeoutError, match="could not be told in"):
        fit(json.dumps({"a": "a" * 64 + "!"}), hostile, 0.2)


@pytest.mark.parametrize("schema", ["[]", '{"type": 7}', '{"$ref": "http://example.org/a"}'])
def test_what_is_no_schema_is_refused(schema: str) -> None:
    with pytest.raises(ValueError):
        json_form(Format(schema))


STRING, NUMBER = {"type": "string"}, {"type": "number"}


def one(name: str, inner: object, **more: object) -> dict[str, object]:
    return {
        "type": "object",
        "properties": {name: inner, "note": STRING},
        "required": [name],
    } | more


@pytest.mark.parametrize(
    ("schema", "answer", "told"),
    [
        (one("a", STRING), 'say "hi"\n', {"a": 'say "hi"\n'}),
        (one("a", {"type": "integer"}), "42", {"a": 42}),
        (one("a", {"type": "integer"}), " −42 ", {"a": -42}),
        (one("a", NUMBER), "4.5", {"a": 4.5}),
        (one("out", one("in", STRING)), "4", {"out": {"in": "4"}}),
        (one("a", {"type": "integer"}), "4.5", None),
        (one("a", NUMBER), "four", None),
        (one("a", NUMBER), "007", None),
        (one("a", {"type": "array"}), "4", None),
        (one("a", one("b", one("c", STRING))), "4", None),
        (one("a", STRING, required=["a", "note"]), "4", None),
        (one("a", STRING, required=[]), "4", None),
        ({"type": "string"}, "4", None),
        ({}, "4", None),
        (True, "4", None),
    ],
)
def test_one_place_is_filled(schema: object, answer: str, told: object) -> None:
    found = place(json.dumps(schema))
    text = found and found.filled(answer)
    assert (text and json.loads(text)) == told
