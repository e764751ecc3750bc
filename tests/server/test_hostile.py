"""What nobody in his right mind would send, at every endpoint: answered at once, in four keys, and never as our fault."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from clients.asking import ask, raw, refused
from clients.serving import Serving
from server.hostile import (
    ASKED,
    CHAT,
    GIVEN,
    POSTS,
    RESPONSES,
    WRONG,
    guarded,
    posted,
)

from system2.server.spots import SPOTS


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with guarded(tmp_path_factory.mktemp("hostile")) as serving:
        yield serving


# -------------------------------------------------------------------- bodies that are no request


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b'{"model": NaN}',
        b'{"model": -Infinity}',
        b'{"model": "\xff\xfe"}',
        b'{"model": "\xed\xa0\x80"}',
        b'{"model": "\\ud800"}',
        b'{"model": "\\udc00\\ud800"}',
        b'{"\\ud800": 1}',
        '{"model": "system2-mini"}'.encode("utf-16"),
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
        b'{"model": "a" /* a comment */}',
        b"{'model': 'a'}",
    ],
    ids=lambda body: repr(body)[:30],
)
def test_a_body_that_is_no_json(serving: Serving, path: str, body: bytes):
    assert posted(serving, path, body)["code"] != ""


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
@pytest.mark.parametrize("closed", [True, False])
def test_nesting_a_hundred_thousand_deep(
    serving: Serving, path: str, brackets: tuple[bytes, bytes], closed: bool
):
    left, right = brackets
    deep = left * 100_000 + b"1" + (right * 100_000 if closed else b"")
    posted(serving, path, b'{"model": "system2-mini", "messages": ' + deep + b"}")


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize("depth", [150, 199, 201, 900])
def test_nesting_about_as_deep_as_is_read(serving: Serving, path: str, depth: int):
    deep = (
        json.loads('{"type": "object", "properties": {"a": ' * depth + "{}" + "}}" * depth)
        if depth < 300
        else None
    )
    text = '{"a":' * depth + "1" + "}" * depth
    given = dict(ASKED if path == CHAT else GIVEN) | {"metadata": json.loads(text)}
    posted(serving, path, given)
    function = {"name": "f", "parameters": deep or json.loads(text)}
    tool = (
        {"type": "function", "function": function}
        if path == CHAT
        else {"type": "function", **function}
    )
    given = dict(ASKED if path == CHAT else GIVEN) | {"tools": [tool]}
    posted(serving, path, given)  # the embedded model takes no tools, however deep


@pytest.mark.parametrize("path", POSTS)
def test_an_integer_of_a_hundred_thousand_digits(serving: Serving, path: str):
    posted(serving, path, b'{"model": "system2-mini", "n": ' + b"9" * 100_000 + b"}")


@pytest.mark.parametrize("digits", [19, 20, 21, 40, 308, 309, 5_000])
@pytest.mark.parametrize(
    "field", ["seed", "n", "max_completion_tokens", "temperature", "top_logprobs"]
)
def test_numbers_too_great_for_their_field(serving: Serving, field: str, digits: int):
    body = json.dumps(ASKED)[:-1].encode() + b', "%s": %s}' % (field.encode(), b"9" * digits)
    posted(serving, CHAT, body)


@pytest.mark.parametrize("path", POSTS)
def test_fifty_megabytes(serving: Serving, path: str):
    body = b'{"model": "' + b"a" * (50 * 2**20) + b'"}'
    refused(ask(serving, "POST", path, body), 413)


def test_fifty_megabytes_whose_length_nobody_told(serving: Serving):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    data = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 800 + b"0\r\n\r\n"
    refused(raw(serving, data), 413)


@pytest.mark.parametrize(("path", "field"), [(CHAT, "messages"), (RESPONSES, "input")])
@pytest.mark.parametrize("count", [10_001, 1_000_000])
def test_a_million_messages(serving: Serving, path: str, field: str, count: int):
    one = b'{"role":"user","content":"a"}' if count < 10**5 else b'{"role":"user"}'
    body = b'{"model":"system2-mini","%s":[%s]}' % (field.encode(), b",".join([one] * count))
    posted(serving, path, body)


def test_a_key_that_comes_a_million_times(serving: Serving):
    body = b"{" + b",".join([b'"a":1'] * 1_000_000) + b"}"
    assert posted(serving, CHAT, body)["param"] == "model"


def test_a_million_keys(serving: Serving):
    body = b"{" + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}"
    posted(serving, CHAT, body)


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ("", "invalid_value"),
        (" \n", "invalid_value"),
        ("why? " * 3_000, "context_length_exceeded"),
        ("a" * 900_000, "context_length_exceeded"),
    ],
)
def test_a_question_that_the_model_cannot_read_is_no_fault_of_the_server(
    serving: Serving, question: str, code: str
):
    asked = ASKED | {"messages": [{"role": "user", "content": question}]}
    error = posted(serving, CHAT, asked)
    assert (error["code"], error["param"]) == (code, "messages")
    error = posted(serving, RESPONSES, GIVEN | {"input": question})
    assert (error["code"], error["param"]) == (code, "input")


# -------------------------------------------------------------------- wrong fields


@pytest.mark.parametrize("n", [0, -1, 129, 10**9, 2**63, 10**30])
def test_too_many_answers(serving: Serving, n: int):
    assert posted(serving, CHAT, ASKED | {"n": n})["param"] == "n"


def fields(kind: Any) -> list[str]:
    """What a body of this kind may hold."""
    return [field.alias or name for name, field in kind.model_fields.items()]


@pytest.mark.parametrize(
    "path", [CHAT, RESPONSES, f"{RESPONSES}/input_tokens", f"{RESPONSES}/compact"]
)
def test_every_field_with_every_wrong_value(serving: Serving, path: str):
    kind = next(spot.body for spot in SPOTS if spot.path == path and spot.body)
    base = ASKED if path == CHAT else GIVEN
    for field in fields(kind):
        for value in WRONG:
            body = base | {field: value}
            if field != "system2":  # what is right is not to be thought about for long
                body |= {"system2": {"budget": {"tokens": 1}}}
            answer = ask(serving, "POST", path, json.dumps(body).encode())
            assert answer.status < 500, (field, value, answer)
            if answer.status != 200:
                refused(answer)


@pytest.mark.parametrize("role", ["", "USER", "robot", None, 1, [], {}])
@pytest.mark.parametrize(
    "content", ["a", None, 1, {}, [1], [{}], [{"type": "text"}], [{"type": "file"}]]
)
def test_odd_messages(serving: Serving, role: Any, content: Any):
    message = {"role": role, "content": content}
    posted(serving, CHAT, {"model": "system2-mini", "messages": [message]})
    refused(
        ask(
            serving,
            "POST",
            RESPONSES,
            json.dumps(
                {"model": "system2-mini", "input": [message | {"type": "message"}]}
            ).encode(),
        )
    )


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"type": ""},
        {"type": "nonsense"},
        {"type": "function_call"},
        {"type": "function_call_output", "call_id": "x", "output": "y"},
        {"type": "function_call_output"},
        {"type": "reasoning"},
        {"type": "compaction", "encrypted_content": "gAAAAforged"},
        {"type": "item_reference", "id": "msg_none"},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": 1}]},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "http://127.0.0.1:1/"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_file", "file_url": "http://[::1"}]},
    ],
)  # fmt: skip
def test_odd_items(serving: Serving, item: dict[str, Any]):
    posted(serving, RESPONSES, {"model": "system2-mini", "input": [item]})


@pytest.mark.parametrize(
    "name", ["", "nobody", "a" * 10_000, "../../etc/passwd", "system2-mini-", "\x00", "🙂"]
)
def test_models_that_are_not_there(serving: Serving, name: str):
    error = refused(ask(serving, "POST", CHAT, json.dumps(ASKED | {"model": name}).encode()), 404)
    assert error["code"] == "model_not_found"
    assert len(error["message"]) < 300
