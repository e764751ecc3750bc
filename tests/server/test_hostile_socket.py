"""What nobody in his right mind would send over a WebSocket: an error in four keys each, and the connection stays."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from clients.asking import ask, raw, refused
from clients.serving import Serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

CREATE: dict[str, Any] = {
    "type": "response.create",
    "model": "system2-mini",
    "input": "What is 17 * 23?",
    "store": False,
}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A server of the embedded model; at the end it must be well, and its log tell of no fault."""
    config = '[[model]]\nname = "system2-mini"\neffort = "low"\n'
    with Serving(tmp_path_factory.mktemp("hostile"), config) as serving:
        yield serving
        assert ask(serving, "GET", "/health").json == {"status": "ok"}
    assert not serving.faults()


@pytest.fixture
def wire(serving: Serving) -> Iterator[ClientConnection]:
    """A connection."""
    with connect(f"ws://127.0.0.1:{serving.port}/v1/responses", max_size=None) as wire:
        yield wire


def heard(wire: ClientConnection) -> Any:
    """The next event."""
    return json.loads(wire.recv(30))


def answered(wire: ClientConnection) -> str:
    """What a sum comes to: the connection is well."""
    wire.send(json.dumps(CREATE))
    while (event := heard(wire))["type"] != "response.completed":
        assert event["type"].startswith("response.")
    return str(event["response"]["output"][-1]["content"][0]["text"])


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "nonsense",
        b"\xff\xfe\x00",
        "[]",
        "null",
        '{"type": "response.create"}',
        '{"type": "response.steer", "input": "a"}',
        '{"type": 1}',
        '{"type": "response.create", "model": NaN}',
        '{"type": "response.create", "model": "\\ud800", "input": "a"}',
        '{"type": "response.create", "model": "nobody", "input": "a"}',
        '{"type": "response.create", "model": "system2-mini", "input": "a", "previous_response_id": "resp_none"}',
        '{"type": "response.create", "model": "system2-mini", "input": [{"type": "nonsense"}]}',
        '{"type": "response.create", "model": "system2-mini", "input": "a", "temperature": "hot"}',
        '{"type": "response.create", "input": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"type": "response.create", "seed": ' + "9" * 100_000 + "}",
    ],
    ids=lambda message: repr(message)[:60],
)  # fmt: skip
def test_odd_messages(wire: ClientConnection, message: str | bytes):
    wire.send(message)
    event = heard(wire)
    assert event["type"] == "error"
    assert 400 <= event["status"] < 500
    assert set(event["error"]) == {"message", "type", "param", "code"}
    assert event["error"]["code"] is None or isinstance(event["error"]["code"], str)
    assert answered(wire).isdigit()


def test_a_thousand_messages_at_once_are_answered_in_turn(wire: ClientConnection):
    for n in range(1_000):
        wire.send(json.dumps({"type": f"nonsense {n}"}))
    for n in range(1_000):
        assert f"nonsense {n}'" in heard(wire)["error"]["message"]
    assert answered(wire).isdigit()


def test_a_client_that_sends_more_than_it_reads_is_let_go(serving: Serving, wire: ClientConnection):
    for n in range(50_000):
        wire.send(f'{{"type": "nonsense {n}"}}')
    with pytest.raises(ConnectionClosed):
        for _ in range(50_000):
            heard(wire)
    assert ask(serving, "GET", "/health").status == 200


def test_a_message_of_fifty_megabytes(serving: Serving, wire: ClientConnection):
    with pytest.raises(ConnectionClosed):
        wire.send("a" * (50 * 2**20))
        wire.recv(30)
    assert ask(serving, "GET", "/health").status == 200


def test_a_client_that_goes_in_the_middle(serving: Serving):
    for _ in range(5):
        with connect(f"ws://127.0.0.1:{serving.port}/v1/responses") as wire:
            wire.send(json.dumps(CREATE))
            assert heard(wire)["type"] == "response.created"
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.socket.shutdown(socket.SHUT_RDWR)  # no closing frame
    with connect(f"ws://127.0.0.1:{serving.port}/v1/responses") as wire:
        assert answered(wire).isdigit()


@pytest.mark.parametrize("path", ["/v1/nowhere", "/v1/chat/completions", "/"])
def test_no_other_place_takes_a_socket(serving: Serving, path: str):
    with pytest.raises(InvalidStatus), connect(f"ws://127.0.0.1:{serving.port}{path}"):
        pass


def test_who_may_not_come_in_is_told_why(serving: Serving):
    uri = f"ws://127.0.0.1:{serving.port}/v1/responses"
    wrong = {"Authorization": "Bearer sk-s2-" + "a" * 40}
    with pytest.raises(InvalidStatus) as found, connect(uri, additional_headers=wrong):
        pass
    assert found.value.response.status_code == 401
    assert json.loads(found.value.response.body)["error"]["code"] == "invalid_api_key"
    evil = {"Origin": "https://evil.example"}
    with pytest.raises(InvalidStatus) as found, connect(uri, additional_headers=evil):
        pass
    assert found.value.response.status_code == 403


def test_an_upgrade_to_nothing(serving: Serving):
    head = "GET /v1/responses HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    assert 400 <= raw(serving, f"{head}\r\n".encode()).status < 500
    refused(raw(serving, f"{head.replace('websocket', 'nonsense')}\r\n".encode()), 404, 405)
