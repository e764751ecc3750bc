"""Asks a server over a socket of its own, byte for byte: what no decent client would send can be sent."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from clients.serving import Serving

JSON = [("Content-Type", "application/json")]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


def ask(
    serving: Serving,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Sequence[tuple[str, str]] = JSON,
    *,
    seconds: float = 30.0,
) -> Answer:
    """One request, its headers as they are given, and Host and Content-Length."""
    told = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{serving.port}\r\n{told}"
    return raw(
        serving, f"{head}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body, seconds
    )


def raw(serving: Serving, data: bytes, seconds: float = 30.0) -> Answer:
    """Send these bytes, and read the reply to its end. Raises TimeoutError where none comes."""
    with socket.create_connection(("127.0.0.1", serving.port), seconds) as sock:
        with suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has all
            sock.sendall(data)
        reply = http.client.HTTPResponse(sock, method=data.split(b" ", 1)[0].decode("latin-1"))
        reply.begin()
        told = {name.lower(): value for name, value in reply.getheaders()}
        return Answer(reply.status, told, reply.read())


def refused(answer: Answer, *statuses: int, code: str | None = "") -> dict[str, Any]:
    """The error of a reply, which must be one that a client can read.

    statuses  one of these; code: this one, unless it is ""
    """
    assert 400 <= answer.status < 500, answer
    assert not statuses or answer.status in statuses, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["type"], str)
    assert error["code"] is None or isinstance(error["code"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    assert code == "" or error["code"] == code, error
    return error
