"""What models of other times refuse, in OpenAI's own words, and what the tolerant profile takes from old clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from clients.asking import ask, refused
from clients.serving import Serving

CONFIG = """
[[model]]
name = "o1"
profile = "o1"
effort = "none"
[[model]]
name = "o1-preview"
profile = "o1-preview"
effort = "none"
[[model]]
name = "tolerant"
effort = "low"
"""
CHAT = "/v1/chat/completions"
TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """The embedded model in three profiles."""
    with Serving(tmp_path_factory.mktemp("profiles"), CONFIG) as serving:
        yield serving
    assert not serving.faults()


def asked(serving: Serving, model: str, **more: Any) -> Any:
    """The reply to a sum, asked for with these fields."""
    messages = more.pop("messages", [{"role": "user", "content": "What is 17 * 23?"}])
    body = {"model": model, "messages": messages, **more}
    return ask(serving, "POST", CHAT, json.dumps(body).encode())


@pytest.mark.parametrize(
    ("fields", "code", "param", "message"),
    [
        (
            {"max_tokens": 9},
            "unsupported_parameter",
            "max_tokens",
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
        ),
        (
            {"temperature": 0.2},
            "unsupported_value",
            "temperature",
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default "
            "(1) value is supported.",
        ),
        ({"top_p": 0.5}, "unsupported_value", "top_p", None),
        ({"presence_penalty": 1}, "unsupported_value", "presence_penalty", None),
        ({"logprobs": True}, "unsupported_parameter", "logprobs", None),
        ({"nonsense": 1}, "unknown_parameter", "nonsense", None),
    ],
)
def test_o1_refuses(
    serving: Serving, fields: dict[str, Any], code: str, param: str, message: str | None
):
    for model in ("o1", "o1-preview"):
        error = refused(asked(serving, model, **fields), 400)
        assert (error["code"], error["param"]) == (code, param)
        assert message is None or error["message"] == message
    assert asked(serving, "tolerant", **fields).status == 200


def test_o1_preview_knows_no_system_message(serving: Serving):
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "1 + 1?"}]
    error = refused(asked(serving, "o1-preview", messages=messages), 400, code="unsupported_value")
    assert error["param"] == "messages[0].role"
    assert error["message"] == (
        "Unsupported value: 'messages[0].role' does not support 'system' with this model."
    )
    assert asked(serving, "tolerant", messages=messages).status == 200


@pytest.mark.parametrize(
    "fields",
    [{"tools": [TOOL]}, {"response_format": {"type": "json_object"}}, {"reasoning_effort": "low"}],
)
def test_o1_preview_lacked_what_o1_added(serving: Serving, fields: dict[str, Any]):
    refused(asked(serving, "o1-preview", **fields), 400)


def test_what_old_clients_send_is_taken(serving: Serving):
    answer = asked(
        serving, "tolerant", max_tokens=256, temperature=0, stop=["\n\n"], seed=1234, user="me",
        top_k=40, min_p=0.1, repetition_penalty=1.1, separate_reasoning=True, nonsense={"a": 1},
    )  # fmt: skip
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "391"


def test_max_tokens_bounds_the_visible_answer_alone(serving: Serving):
    answer = asked(serving, "tolerant", max_tokens=16).json
    assert answer["choices"][0]["message"]["content"] == "391"
    assert answer["usage"]["completion_tokens"] > 16


@pytest.mark.parametrize("dialect", [{"reasoning_effort": "none"}, {"reasoning": {"effort": "none"}},
                                     {"reasoning": {"enabled": False}},
                                     {"chat_template_kwargs": {"enable_thinking": False}}])  # fmt: skip
def test_every_dialect_for_no_thoughts(serving: Serving, dialect: dict[str, Any]):
    usage = asked(serving, "tolerant", **dialect).json["usage"]
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0


# -------------------------------------------------------------------- who sees how much of the thoughts


def test_a_summary_is_in_one_field_raw_thoughts_in_both(serving: Serving):
    told: dict[str, dict[str, Any]] = {}
    for show in ("none", "summary", "raw"):
        answer = asked(serving, "tolerant", system2={"reasoning_visibility": show})
        told[show] = answer.json["choices"][0]["message"]
    assert not {"reasoning", "reasoning_content"} & told["none"].keys()
    assert told["raw"]["reasoning"] == told["raw"]["reasoning_content"]
    assert "reasoning" not in told["summary"]
    assert told["summary"]["reasoning_content"] != told["raw"]["reasoning_content"]
    for off in ({"include_reasoning": False}, {"reasoning": {"exclude": True}}):
        message = asked(serving, "tolerant", **off).json["choices"][0]["message"]
        assert not {"reasoning", "reasoning_content"} & message.keys()


def test_raw_thoughts_of_a_response_come_as_openais_events(serving: Serving):
    body = {
        "model": "tolerant", "input": "What is 17 * 23?", "stream": True,
        "system2": {"reasoning_visibility": "raw"},
    }  # fmt: skip
    lines = ask(serving, "POST", "/v1/responses", json.dumps(body).encode()).body.decode()
    events = [json.loads(line[6:]) for line in lines.splitlines() if line.startswith("data: {")]
    names = [line[7:] for line in lines.splitlines() if line.startswith("event: ")]
    assert names == [event["type"] for event in events]
    assert lines.rstrip().endswith("data: [DONE]")
    raw = "".join(e["delta"] for e in events if e["type"] == "response.reasoning_text.delta")
    (done,) = [e["text"] for e in events if e["type"] == "response.reasoning_text.done"]
    assert raw == done != ""
    item = events[-1]["response"]["output"][0]
    assert item["content"] == [{"type": "reasoning_text", "text": raw}]
    hidden = json.dumps({**body, "system2": {}}).encode()
    assert b"reasoning_text" not in ask(serving, "POST", "/v1/responses", hidden).body


def test_unlisted_places_say_so_in_openais_words(serving: Serving):
    error = refused(ask(serving, "GET", "/v1/nowhere"), 404, code=None)
    assert error["message"] == "Invalid URL (GET /v1/nowhere)"
    assert error["type"] == "invalid_request_error"
