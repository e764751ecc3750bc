"""Headers, media types, paths, methods and connections that no client would send: answered at once, and never as our fault."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator

import pytest
from clients.asking import JSON, ask, raw, refused
from clients.serving import Serving
from server.hostile import (
    ASKED,
    CHAT,
    PATHS,
    POSTS,
    RESPONSES,
    guarded,
)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with guarded(tmp_path_factory.mktemp("hostile")) as serving:
        yield serving


# -------------------------------------------------------------------- media types and headers


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=a",
        "application/xml",
        "application/json-seq",
        "json",
        "\xff",
        "a" * 5_000,
    ],
)
def test_other_media_types(serving: Serving, path: str, kind: str | None):
    headers = [] if kind is None else [("Content-Type", kind)]
    answer = ask(serving, "POST", path, json.dumps(ASKED).encode(), headers)
    refused(answer, 415, code="unsupported_media_type")


def test_a_form(serving: Serving):
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    refused(ask(serving, "POST", RESPONSES, b"model=system2-mini&input=hello", headers), 415)


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer \xff", "Bearer " + "a" * 20_000,
                                   "bearer  sk-s2-none", "Bearer sk-s2-" + "a" * 40])  # fmt: skip
def test_odd_keys(serving: Serving, value: str):
    answer = ask(serving, "GET", "/v1/models", b"", [("Authorization", value)])
    assert answer.status == 200 or refused(answer, 401)["code"] == "invalid_api_key"
    assert (answer.status == 401) == ("sk-s2-" in value)


def test_headers_that_come_twice(serving: Serving):
    twice = [("Authorization", "Bearer a"), ("Authorization", "Bearer sk-s2-b")]
    assert ask(serving, "GET", "/v1/models", b"", twice).status in (200, 401)
    kinds = [("Content-Type", "text/plain"), ("Content-Type", "application/json")]
    assert ask(serving, "POST", CHAT, b"{}", kinds).status in (400, 415)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-stainless-read-timeout", "nan"),
        ("x-stainless-read-timeout", "-1e999"),
        ("x-stainless-retry-count", "²"),
        ("x-stainless-retry-count", "9" * 5_000),
        ("Idempotency-Key", "\xff" * 1_000),
        ("Accept-Language", ";;q=,*;q=nan," + "a-" * 500),
        ("traceparent", "00-zz-zz-zz"),
        ("Expect", "200-nothing"),
        ("Accept", "text/html;q=nonsense"),
        ("Origin", "null"),
        ("Range", "bytes=0-"),
        ("Connection", "Upgrade"),
    ],
)
def test_odd_headers(serving: Serving, name: str, value: str):
    body = json.dumps(ASKED | {"max_completion_tokens": 64}).encode()
    answer = ask(serving, "POST", CHAT, body, [*JSON, (name, value.encode().decode("latin-1"))])
    assert answer.status == 200 or refused(answer)


@pytest.mark.parametrize(
    "host",
    ["[", "]", "[::1", "a b", "", "evil.example", "127.0.0.1:http", "x" * 5_000, "@", "\xff"],
)
@pytest.mark.parametrize("path", ["/v1/models", "/nowhere", "/health"])
def test_odd_hosts(serving: Serving, host: str, path: str):
    answer = raw(serving, f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
    assert answer.status < 500, answer
    if path == "/v1/models":
        assert answer.status in (400, 403)


@pytest.mark.parametrize(
    "headers",
    [[("X-Long", "a" * 2**20)], [(f"X-{n}", "a" * 20) for n in range(10_000)]],
    ids=["long", "many"],
)
def test_headers_of_a_megabyte(serving: Serving, headers: list[tuple[str, str]]):
    try:
        answer = ask(serving, "GET", "/v1/models", b"", headers)
    except ConnectionResetError:
        return  # refused while they were being sent, and the reply went down with the connection
    assert answer.status in (400, 431)


@pytest.mark.parametrize(
    "head",
    [
        "NONSENSE\r\n\r\n",
        "GET /health NONSENSE/1.1\r\n\r\n",
        f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {'9' * 30}\r\nContent-Type: application/json\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_http(serving: Serving, head: str):
    assert 400 <= raw(serving, head.encode()).status < 500


# -------------------------------------------------------------------- paths, methods, queries


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/v1",
        "/v1/nothing",
        "/v1/responses/",
        "/v1/../v1/models",
        "/v1/responses/%00",
        "/v1/responses/%ff%fe",
        "/v1/responses/resp_" + "a" * 5_000,
        "/v1/responses/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/v1/models/%00",
        "/v1/models/a/b/c",
        "/v1/system2/runs/%00",
        "/v1/system2/runs/..%2f..%2fmodels.toml",
        "/v1/system2/runs/" + "a" * 3_000,
        "/v1/system2/runs/none/nodes/n" + "9" * 400,
        "/v1/system2/runs/none/tree?depth=" + "9" * 400,
        "/v1/responses/resp_none/input_items?limit=" + "9" * 400,
        "/v1/responses/resp_none?stream=true&starting_after=" + "9" * 400,
        "/v1/responses/resp_none?stream=true&starting_after=%C2%B2",
        "/v1/chat/completions/nobody/nothing",
        "/" + "a" * 20_000,
        "/%",
        "/v1/responses?" + "a=b&" * 5_000,
    ],
)
def test_odd_paths(serving: Serving, path: str):
    refused(ask(serving, "GET", path), 400, 404, 405)


METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "PROPFIND",
    "get",
    "X",
]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_at_every_place(serving: Serving, method: str):
    for path in PATHS:
        answer = ask(
            serving, method, path.replace("{id:path}", "none").replace("{", "").replace("}", "")
        )
        assert answer.status < 500, (path, answer)
        if answer.status >= 400 and method != "HEAD":
            refused(answer, 400, 404, 405, 415)


# -------------------------------------------------------------------- clients that dawdle, or go


def test_a_body_that_never_comes_keeps_nobody_waiting(serving: Serving):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{{"
    slow = [socket.create_connection(("127.0.0.1", serving.port), 10) for _ in range(50)]
    for sock in slow:
        sock.sendall(head.encode())
    assert ask(serving, "GET", "/health", seconds=10).status == 200
    refused(ask(serving, "POST", CHAT, b"{}", seconds=10), 400)
    for sock in slow:
        sock.close()


def test_clients_that_reset_the_connection(serving: Serving):
    body = json.dumps(ASKED | {"stream": True}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    for cut in (1, len(head) // 2, len(head), len(head) + 10, len(head) + len(body)):
        sock = socket.create_connection(("127.0.0.1", serving.port), 10)
        sock.sendall((head.encode() + body)[:cut])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, no FIN
        sock.close()
    assert ask(serving, "GET", "/health").status == 200
