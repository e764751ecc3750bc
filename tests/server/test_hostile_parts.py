"""Parts of a request that cost more to look at than to send, or lead where nobody may go: refused with 400."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from system2.core import Format
from system2.server.errors import ApiError
from system2.server.wire.chat_request import ChatRequest, Part
from system2.server.wire.check import MARKS, checked, parsed
from system2.server.wire.conversation import SCHEMA, VALUES, chat_part, schema
from system2.server.wire.items import part
from system2.verifiers import json_form
from system2.verifiers.form import sound


def refused(call: Any, *given: Any, **more: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        call(*given, **more)
    assert caught.value.status == 400
    return caught.value


# -------------------------------------------------------------------- bodies


@pytest.mark.parametrize("value", [b"[]", b"{}", b"0", b'""'])
def test_a_bomb_of_small_values_is_refused_unread(value: bytes, monkeypatch: pytest.MonkeyPatch):
    """Read, 30 MB of these are more than a gigabyte."""
    from system2.server.wire import check

    monkeypatch.setattr(check.orjson, "loads", lambda data: pytest.fail("it was read"))  # pyright: ignore
    refused(parsed, b'{"a":[' + (value + b",") * MARKS + b"0]}")


@pytest.mark.parametrize("text", ["Well, so it is, he said. " * 40, "aGVsbG8+/", "[1, 2] "])
def test_bodies_as_large_as_may_be_are_read(text: str):
    count = min(30 * 2**20 // len(text), 450_000 if "[" in text else 2**30)
    if text.startswith("W"):
        count = 10 * 2**20 // len(text)
    assert parsed(json.dumps({"a": text * count}).encode())["a"] == text * count


# -------------------------------------------------------------------- schemas


def test_a_schema_is_small():
    many = {f"p{n}": {"type": "string", "pattern": f"^a{n}$"} for n in range(VALUES // 3 + 1)}
    assert "values" in refused(schema, {"type": "object", "properties": many}).message
    assert "characters" in refused(schema, {"description": "a" * SCHEMA}).message
    assert schema({"type": "object"}) == '{"type":"object"}'


def test_a_schema_is_looked_at_once():
    sound.cache_clear()
    for _ in range(128):
        json_form(Format('{"type":"object","title":"one of many"}'))
    assert sound.cache_info().misses == 1


def test_a_schema_is_looked_at_beside_the_loop(monkeypatch: pytest.MonkeyPatch):
    from system2.server import begin
    from system2.server.wire.chat_wanted import chat_wanted

    form = {"name": "f", "schema": {"type": "object", "title": "beside"}}
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}], "response_format": {"type": "json_schema", "json_schema": form}}  # fmt: skip
    seen: list[int] = []

    def look(text: str) -> None:
        seen.append(threading.get_ident())
        sound(text)

    monkeypatch.setattr(begin, "sound", look)
    wanted = chat_wanted(checked(ChatRequest, body), lambda url: False)
    asyncio.run(begin.form(wanted))
    assert seen and threading.get_ident() not in seen
    form["schema"] = {"type": "nonsense"}
    wanted = chat_wanted(checked(ChatRequest, body), lambda url: False)
    with pytest.raises(ApiError) as caught:
        asyncio.run(begin.form(wanted))
    assert caught.value.status == 400


# -------------------------------------------------------------------- what points elsewhere


@pytest.mark.parametrize(
    "data",
    ["http://169.254.169.254/", "https://example.org/a.pdf", "file:///etc/passwd", "//example.org", "ftp://a", " http://a", "\nhttp://a", "a\\b"],
)  # fmt: skip
def test_a_file_is_never_fetched(data: str):
    refused(chat_part, Part(type="file", file={"file_data": data}), "here", lambda url: True)
    refused(part, {"type": "input_file", "file_data": data}, "here", lambda url: True)


def test_a_file_of_the_backend_is_not_asked_for():
    refused(chat_part, Part(type="file", file={"file_id": "file-1"}), "here", lambda url: True)
    refused(part, {"type": "input_file", "file_id": "file-1"}, "here", lambda url: True)


@pytest.mark.parametrize("data", ["data:application/pdf;base64,aGVsbG8=", "aGVsbG8=", "aGVsbG8"])
def test_a_file_comes_by_its_data(data: str):
    made = part(
        {"type": "input_file", "file_data": data, "filename": "a.pdf"}, "here", lambda url: False
    )
    assert (made.url, made.name) == (data, "a.pdf")


@pytest.mark.parametrize(
    "url",
    ["https://good.org\\@evil.org/a", "https://good.org@evil.org/a", "https://good.org/\t/a", "https://good.org/\n", "https://good.org/\x00", "https://good.org/a b"],
)  # fmt: skip
def test_an_image_whose_host_is_read_two_ways_is_refused(url: str):
    refused(part, {"type": "input_image", "image_url": url}, "here", lambda url: True)
    fine = part(
        {"type": "input_image", "image_url": "https://good.org/a.png?b=1"}, "", lambda url: True
    )
    assert fine.url == "https://good.org/a.png?b=1"
