"""What a model cannot do is said before anything is spent: which field, and OpenAI's word for it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.asking import ask, refused
from clients.serving import Serving
from policies.speaking_server import Refusal, Speaking, Turn
from server.live import ASKED, CHAT, RESPONSES, chat, live, response

CONFIG = """
[[model]]
name = "mini"
effort = "low"
[[model]]
name = "o1"
profile = "o1"
[[model]]
name = "o1-preview"
profile = "o1-preview"
"""
SUM = "What is 17 * 23?"
SIGHT = "data:image/png;base64,iVBORw0KGgo="
TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
FLAT: Any = {"type": "function", "name": "f", "parameters": {"type": "object"}}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The embedded model, as it is and in the profiles of old."""
    with Serving(tmp_path_factory.mktemp("misfits"), CONFIG) as serving:
        yield serving
    assert not serving.faults()


def posted(serving: Serving, path: str, body: dict[str, Any]) -> Any:
    return ask(serving, "POST", path, json.dumps(body).encode())


def of_chat(**fields: Any) -> dict[str, Any]:
    return {"model": "mini", "messages": [{"role": "user", "content": SUM}], **fields}


def of_response(**fields: Any) -> dict[str, Any]:
    return {"model": "mini", "input": SUM, **fields}


def formed(schema: Any) -> dict[str, Any]:
    """The chat field."""
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}


def texted(schema: Any) -> dict[str, Any]:
    """The same field of a response."""
    return {"format": {"type": "json_schema", "name": "x", "schema": schema}}


def logged(serving: Serving, request: str) -> str:
    """The line of a request, which is written once it is answered."""
    for _ in range(2_000):
        for line in serving.said().splitlines():
            if f"request={request} " in line and "event=run" not in line:
                return line
        time.sleep(0.005)
    raise AssertionError(f"nothing was logged of {request}")


BAD = {"type": "object", "properties": {"a": {"type": "nonsense"}}}
WIDE = {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a", "b"]}
SEEN = [{"type": "text", "text": SUM}, {"type": "image_url", "image_url": {"url": SIGHT}}]
LOOKED = [{"type": "input_text", "text": SUM}, {"type": "input_image", "image_url": SIGHT}]


@pytest.mark.parametrize(
    ("path", "fields", "code", "param"),
    [
        (CHAT, {"messages": [{"role": "user", "content": ""}]}, "invalid_value", "messages"),
        (RESPONSES, {"input": " "}, "invalid_value", "input"),
        (CHAT, {"messages": [{"role": "user", "content": "why? " * 900}]}, "context_length_exceeded", "messages"),
        (RESPONSES, {"input": "why? " * 900}, "context_length_exceeded", "input"),
        (CHAT, {"messages": [{"role": "user", "content": SEEN}]}, "unsupported_value", "messages"),
        (RESPONSES, {"input": [{"role": "user", "content": LOOKED}]}, "unsupported_value", "input"),
        (CHAT, {"tools": [TOOL], "tool_choice": "required"}, "unsupported_value", "tool_choice"),
        (RESPONSES, {"tools": [FLAT], "tool_choice": "required"}, "unsupported_value", "tool_choice"),
        (CHAT, {"response_format": formed(BAD)}, "invalid_json_schema", "response_format"),
        (RESPONSES, {"text": texted(BAD)}, "invalid_json_schema", "text.format.schema"),
        (CHAT, {"response_format": formed(WIDE)}, "unsupported_value", "response_format"),
        (RESPONSES, {"text": texted(WIDE)}, "unsupported_value", "text.format.schema"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_names_the_field(
    serving: Serving, path: str, fields: dict[str, Any], code: str, param: str
):
    body = (of_chat if path == CHAT else of_response)(**fields)
    answer = posted(serving, path, body)
    error = refused(answer, 400, code=code)
    assert error["param"] == param
    line = logged(serving, answer.headers["x-request-id"])
    assert "status=400" in line and f"error={code}" in line


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"temperature": 0.2}, "unsupported_value", "temperature"),
        ({"top_p": 0.5}, "unsupported_value", "top_p"),
        ({"presence_penalty": 1}, "unsupported_value", "presence_penalty"),
        ({"top_logprobs": 2}, "unsupported_parameter", "top_logprobs"),
        ({"nonsense": 1}, "unknown_parameter", "nonsense"),
        ({"reasoning": {"mode": "pro"}}, "unsupported_value", "reasoning.mode"),
    ],
)
@pytest.mark.parametrize("model", ["o1", "o1-preview"])
def test_the_profiles_hold_for_responses_too(
    serving: Serving, model: str, fields: dict[str, Any], code: str, param: str
):
    error = refused(posted(serving, RESPONSES, of_response(model=model, **fields)), 400, code=code)
    assert error["param"] == param
    if param != "reasoning.mode":  # dear
        assert posted(serving, RESPONSES, of_response(**fields)).status == 200


@pytest.mark.parametrize(
    ("model", "fields", "code", "param"),
    [
        ("o1", {"reasoning": {"effort": "xhigh"}}, "unsupported_value", "reasoning.effort"),
        ("o1-preview", {"reasoning": {"effort": "low"}}, "unsupported_parameter", "reasoning.effort"),
        ("o1-preview", {"instructions": "Be brief."}, "unsupported_parameter", "instructions"),
        ("o1-preview", {"input": [{"role": "developer", "content": "Be brief."}]}, "unsupported_value", "input[0].role"),
        ("o1-preview", {"input": [{"role": "user", "content": LOOKED}]}, "unsupported_value", "input[0].content"),
        ("o1-preview", {"tools": [FLAT]}, "unsupported_parameter", "tools"),
        ("o1-preview", {"text": {"format": {"type": "json_object"}}}, "unsupported_value", "text.format"),
    ],
)  # fmt: skip
def test_what_only_one_profile_refuses_of_a_response(
    serving: Serving, model: str, fields: dict[str, Any], code: str, param: str
):
    error = refused(posted(serving, RESPONSES, of_response(model=model, **fields)), 400, code=code)
    assert error["param"] == param


def test_the_profiles_answer_what_they_take(serving: Serving):
    for model in ("o1", "o1-preview"):
        one = posted(serving, RESPONSES, of_response(model=model, temperature=1)).json
        assert one["status"] == "completed"
        (thought,) = [item for item in one["output"] if item["type"] == "reasoning"]
        assert thought["summary"] == []
        message = posted(serving, CHAT, of_chat(model=model)).json["choices"][0]["message"]
        assert message["content"] == "391"
        assert not {"reasoning", "reasoning_content"} & message.keys()


# -------------------------------------------------------------------- a backend that turns out to take none


def looked_at(path: str) -> dict[str, Any]:
    """A request with a picture."""
    if path == CHAT:
        return chat(False, messages=[{"role": "user", "content": SEEN}])
    return response(False, input=[{"role": "user", "content": LOOKED}])


@pytest.mark.parametrize("path", [path for path, _ in ASKED])
def test_pictures_for_a_backend_that_takes_none(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    def speak(body: dict[str, Any]) -> Turn | Refusal:
        seen = any(isinstance(message["content"], list) for message in body["messages"])
        return Refusal("this model does not support image input") if seen else Turn(["Answer: 4"])

    async def main(backend: Speaking) -> None:
        async with live(tmp_path, backend) as one:
            told = (await one.ask("/v1/models/pretend")).json()["system2"]
            assert "image" in told["modalities"]
            for _ in range(2):  # first it is found out, then it is known
                reply = await one.ask(path, looked_at(path))
                error = reply.json()["error"]
                assert (reply.status, error["code"]) == (400, "unsupported_value"), error
                assert error["param"] == ("messages" if path == CHAT else "input")
            assert len(backend.bodies) == 1
            told = (await one.ask("/v1/models/pretend")).json()["system2"]
            assert "image" not in told["modalities"]
            assert (await one.ask(path, dict(ASKED)[path](False))).status == 200

    with Speaking(speak) as backend:
        asyncio.run(main(backend))
