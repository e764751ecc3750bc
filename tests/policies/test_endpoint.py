"""The connection to a server: what it sends reaches us whole, however it ends."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system2.core import CallFailed
from system2.policies.endpoint import Endpoint, Fault, proxy
from system2.policies.events import LONGEST, Events

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = {"stream": True}


def chunk(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(value: Any) -> bytes:
    """One event."""
    return b"data: " + json.dumps(value).encode() + b"\n\n"


class Spoken:
    """A server that reads one request a connection and says what it is told; `heard`: the requests."""

    def __init__(self, *replies: bytes, keep: bool = False) -> None:
        self.replies, self.keep = replies, keep
        self.heard: list[bytes] = []
        self.connections = 0

    def __enter__(self) -> Spoken:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join(20)
        self.listener.close()
        assert not self.thread.is_alive()

    def serve(self) -> None:
        """Answer as often as there are replies."""
        left = [*self.replies]
        while left:
            connection, _ = self.listener.accept()
            self.connections += 1
            with connection:
                while left:
                    if not (asked := request(connection)):
                        break
                    self.heard.append(asked)
                    connection.sendall(left.pop(0))
                    if not self.keep:
                        break
                if not left and self.keep:
                    connection.recv(1)  # until it is closed


def request(connection: socket.socket) -> bytes:
    """One request, head and body; nothing where the client left."""
    got = b""
    while b"\r\n\r\n" not in got:
        if not (more := connection.recv(65536)):
            return b""
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    sizes = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]  # fmt: skip
    while len(body) < sum(sizes):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


async def everything(endpoint: Endpoint, *, late: bool = False) -> list[Any]:
    """All events of one call; a Fault is the last of them. late: read when the connection is gone already."""
    came: list[Any] = []
    stream = await endpoint.stream("/chat/completions", BODY)
    try:
        while late and stream._response.content.exception() is None:
            await asyncio.sleep(0.01)
        while more := await stream.read():
            came += more
    except Fault as fault:
        came.append(fault.kind)
    except ValueError:
        came.append("no JSON")
    finally:
        await stream.aclose()
    return came


def asked(server: Spoken, **options: Any) -> list[Any]:
    """One call of this server."""

    async def go() -> list[Any]:
        endpoint = Endpoint(server.url, options.pop("key", None), 5.0)
        try:
            return await everything(endpoint, **options)
        finally:
            await endpoint.aclose()

    return asyncio.run(go())


def test_what_came_before_the_connection_broke_is_not_lost() -> None:
    with Spoken(HEAD + chunk(event(1))) as server:
        assert asked(server, late=True) == [1, "lost"]


@pytest.mark.parametrize(
    ("tail", "end"),
    [
        (event({"error": {"message": "out of memory"}}), "told"),
        (b"data: {garbage\n\n", "no JSON"),
        (b"data: " + b"[" * 200_000 + b"\n\n", "no JSON"),
        (b"data: " + b"9" * 10_000 + b"\n\n", "no JSON"),
    ],
)
def test_what_came_with_a_broken_event_is_not_lost(tail: bytes, end: str) -> None:
    with Spoken(HEAD + chunk(event(1) + event(2) + tail + event(3)) + chunk(b"")) as server:
        assert asked(server) == [1, 2, end]


def test_a_whole_stream_leaves_its_connection_to_the_next_call() -> None:
    whole = HEAD + chunk(event(1) + b"data: [DONE]\n\n") + chunk(b"")

    async def go() -> None:
        endpoint = Endpoint(server.url, None, 5.0)
        for _ in range(3):
            assert await everything(endpoint) == [1]
        await endpoint.aclose()

    with Spoken(whole, whole, whole, keep=True) as server:
        asyncio.run(go())
    assert server.connections == 1


def test_a_server_that_holds_a_finished_stream_open_holds_up_nobody() -> None:
    with Spoken(HEAD + chunk(event(1) + b"data: [DONE]\n\n"), keep=True) as server:
        assert asked(server) == [1]


def test_who_asks() -> None:
    reply = HEAD + chunk(b"data: [DONE]\n\n") + chunk(b"")
    with Spoken(reply, reply, reply) as server:
        assert asked(server) == []
        assert asked(server, key="sk-1") == []
        server.url = server.url.replace("//", "//me:my%20word@")
        assert asked(server, key="sk-1") == []
    told = [
        [line for line in head.split(b"\r\n") if line.lower().startswith(b"authorization")]
        for head in server.heard
    ]
    assert told == [
        [],
        [b"Authorization: Bearer sk-1"],
        [b"Authorization: Basic bWU6bXkgd29yZA=="],
    ]
    assert all(b"POST /v1/chat/completions HTTP/1.1" in head for head in server.heard)


def test_where_nobody_is() -> None:
    async def kind(url: str) -> str:
        with pytest.raises(Fault) as caught:
            await Endpoint(url, None, 1.0).stream("/chat/completions", BODY)
        return caught.value.kind

    async def go() -> list[str]:
        return [await kind(f"http://127.0.0.1:{free()}/v1"), await kind("gopher://127.0.0.1/v1")]

    assert asyncio.run(go()) == ["unreached", "misdirected"]


def free() -> int:
    """A port at which nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert proxy("https", "api.openai.com") == "http://127.0.0.1:3128"
    assert proxy("https", "127.0.0.1") is None
    assert proxy("http", "127.0.0.1") is None
    monkeypatch.setenv("https_proxy", "127.0.0.1:3128")
    assert proxy("https", "api.openai.com") == "http://127.0.0.1:3128"
    monkeypatch.setenv("no_proxy", "models.example:8443")
    assert proxy("https", "models.example:8443") is None
    assert proxy("https", "models.example") == "http://127.0.0.1:3128"
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(CallFailed, match="socks5 proxy") as raised:
        proxy("https", "api.openai.com")
    assert not raised.value.retry


def test_a_redirect_that_leads_nowhere_is_no_stream() -> None:
    async def go() -> None:
        with pytest.raises(Fault) as raised:
            await Endpoint(server.url, None, 5.0).stream("/chat/completions", BODY)
        assert (raised.value.kind, raised.value.status) == ("refused", 302)

    with Spoken(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n") as server:
        asyncio.run(go())


def test_who_reads_is_told_that_the_connection_was_closed() -> None:
    async def go() -> None:
        endpoint = Endpoint(server.url, None, 60.0)
        stream = await endpoint.stream("/chat/completions", BODY)
        assert await stream.read() == [1]
        reading = asyncio.create_task(stream.read())
        await asyncio.sleep(0.05)
        await endpoint.aclose()
        with pytest.raises(Fault):
            await asyncio.wait_for(reading, 30)

    with Spoken(HEAD + chunk(event(1)), keep=True) as server:
        asyncio.run(go())


def test_lines_that_end_as_on_an_old_macintosh() -> None:
    told = b"data: 1\r\rdata: 2\r\r"
    with Spoken(HEAD + chunk(told) + chunk(b"")) as server:
        assert asked(server) == [1, 2]


PIECES = st.lists(
    st.sampled_from([b"data: 1", b"data:2", b"data: ", b"\n", b"\r\n", b"\r", b"event: x", b": hm", b"\n\n"]),
    max_size=40,
)  # fmt: skip


@given(PIECES, st.data())
def test_events_are_the_same_however_their_bytes_are_cut(pieces: list[bytes], data: Any) -> None:
    text = b"".join(pieces) + b"\n\n"
    whole = Events().take(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    cut, came = Events(), list[bytes]()
    for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        came += cut.take(text[begin:end])
    assert came == whole


def test_an_event_without_an_end_is_given_up() -> None:
    events = Events()
    with pytest.raises(ValueError, match="more than"):
        for _ in range(LONGEST // 2**20 + 1):
            events.take(b"x" * 2**20)
    lines = Events()
    with pytest.raises(ValueError, match="more than"):
        for _ in range(LONGEST // 2**20 + 1):
            lines.take(b"data: " + b"x" * 2**20 + b"\n")
