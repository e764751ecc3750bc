"""GET /openapi.json tells of what is served, and schemathesis finds nothing in it that the server does not keep."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.asking import ask
from clients.serving import Serving

from system2.server.spots import SPOTS

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of the embedded model; at the end its log must tell of no fault."""
    config = '[[model]]\nname = "system2-mini"\neffort = "none"\n'
    with Serving(tmp_path_factory.mktemp("schema"), config) as serving:
        yield serving
    assert not serving.faults()


@pytest.fixture(scope="module")
def schema(serving: Serving) -> Any:
    """The schema as it is served."""
    answer = ask(serving, "GET", "/openapi.json")
    assert answer.status == 200
    return answer.json


def test_every_endpoint_is_told_of_once(schema: Any):
    told = {f"{method.upper()} {path}" for path, one in schema["paths"].items() for method in one}
    assert told == {f"{spot.method} {spot.path.replace(':path', '')}" for spot in SPOTS}
    assert len(SPOTS) == len({(spot.method, spot.path) for spot in SPOTS})
    names = [one["operationId"] for path in schema["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))


def references(part: Any) -> Iterator[str]:
    """Everything that is referred to."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for one in part.values():
            yield from references(one)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def test_whatever_is_referred_to_is_there(schema: Any):
    found = set(references(schema))
    for reference in found:
        part = schema
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
    assert len(found) > 30


def test_bodies_need_what_the_server_needs(schema: Any):
    parts = schema["components"]["schemas"]
    assert parts["ChatRequest"]["required"] == ["model", "messages"]
    assert parts["ResponseRequest"]["anyOf"][0] == {"required": ["input"]}
    assert parts["Trouble"]["required"] == ["message", "type", "param", "code"]
    chat = schema["paths"]["/v1/chat/completions"]["post"]
    example = chat["requestBody"]["content"]["application/json"]["examples"]["question"]["value"]
    assert example["model"] == "system2-mini"  # one that is served


def test_the_example_of_every_body_is_answered(serving: Serving, schema: Any):
    for path, operations in schema["paths"].items():
        body = operations.get("post", {}).get("requestBody", {"content": {}})["content"]
        for one in body.get("application/json", {}).get("examples", {}).values():
            answer = ask(serving, "POST", path, json.dumps(one["value"]).encode())
            if {"id", "input_file_id"} & one["value"].keys():  # of what is not there
                assert answer.status in (200, 400, 404), answer
            else:
                assert answer.status == 200, answer


def conforms(serving: Serving, folder: Path, phases: str, count: int) -> None:
    """Have schemathesis try the whole schema."""
    pytest.importorskip(
        "schemathesis", reason="schemathesis is not installed: pip install system2[dev]"
    )
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{serving.root}/openapi.json", "--no-color",
        "--phases", phases, "--max-examples", str(count), "--checks", CHECKS, "--request-timeout", "60",
        "--suppress-health-check=all",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested, done.stdout[-3000:]
    assert int(tested[1]) == len(SPOTS) - 1  # all but the schema itself


def test_examples_and_a_little_fuzzing(serving: Serving, tmp_path: Path):
    conforms(serving, tmp_path, "examples,fuzzing", 2)


@pytest.mark.slow
def test_coverage_and_much_fuzzing(serving: Serving, tmp_path: Path):
    conforms(serving, tmp_path, "examples,coverage,fuzzing,stateful", 50)
