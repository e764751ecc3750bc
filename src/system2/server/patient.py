"""A connection that waits only so long for the head of a request, for one of so many bytes, and one of so many. Knows no request."""

from __future__ import annotations

import asyncio
import secrets

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from system2.server.errors import ApiError

HEAD = 30.0  # seconds for the head of a request, from its first byte, or from when the connection was made
LARGEST = (
    64 * 1024
)  # bytes of it, and of anything else that is no body: trailers, extensions of chunks
LINES, LINE = (
    100,
    8_000,
)  # of a WebSocket's head: its reader gives up beyond 128, and 8,192 bytes, without a word
WISHES = frozenset({b"upgrade", b"http2-settings"})
MOST = 4_096  # connections at once; more are closed as they come


class Untold(int):
    """The length of a body that ends with its connection: whatever comes fits."""

    def __lt__(self, other: object) -> bool:
        return False

    def __sub__(self, other: int) -> Untold:
        return self

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


class Patient(HttpToolsProtocol):
    """uvicorn's own, which has no such bounds: a thousand clients that send a byte a minute would hold it for ever."""

    head, largest, most = HEAD, LARGEST, MOST
    late: asyncio.TimerHandle | None = None
    _reading = False  # a head has begun, and is not whole
    _spare = 0  # bytes since the last that were of use

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self.late = self.loop.call_later(self.head, transport.close)

    def data_received(self, data: bytes) -> None:
        """More of a request; while its head is not whole, the time goes on."""
        self._spare += len(data)
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._read_anew(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._spare > self.largest and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")
        elif self.late is None and self._unanswerable() and not self.transport.is_closing():
            self.late = self.loop.call_later(self.head, self.transport.close)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._reading = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head; those behind a body are nobody's."""
        if self._reading:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole. Raises ValueError, which is told as a bad request."""
        self._reading, self._spare = False, 0
        self._in_time()
        sizes = [len(name) + len(value) for name, value in self.headers]
        if sum(sizes) > self.largest:
            raise ValueError("a head that is too large")
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            if (
                self.scope["http_version"] == "1.0"
            ):  # which knows no chunks (RFC 9112, 6.1), but uvicorn sends it some
                self.cycle.chunked_encoding = False
                self.cycle.expected_content_length = Untold()
        elif self._should_upgrade():
            if len(sizes) > LINES or max(sizes) > LINE or self._has_body():
                raise ValueError("a head that the WebSocket's reader would never answer")
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """More of the body."""
        self._spare = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._spare = 0
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What came is no request: told as all errors are, and the end of the connection."""
        said = orjson.dumps(ApiError(400, msg).body())
        lines = (
            "HTTP/1.1 400 Bad Request",
            "Content-Type: application/json",
            f"Content-Length: {len(said)}",
            f"X-Request-Id: req_{secrets.token_hex(16)}",
            "Connection: close",
        )
        head = "".join(f"{line}\r\n" for line in lines)
        self.transport.write(f"{head}\r\n".encode() + said)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._in_time()
        super().connection_lost(exc)

    def _unanswerable(self) -> bool:
        """Is there nothing to answer? Blank lines between two requests are none; what is answered has its time."""
        idle = not self.cycle or (self.cycle.response_complete and not self.pipeline)
        return idle and self.transport.get_protocol() is self  # else it is a WebSocket by now

    def _read_anew(self, rest: bytes) -> None:
        """A request that would rather speak another protocol (Java's client: h2c) is served in this one (RFC 9110, 7.8).

        The parser takes its body for that protocol, so its head is read once more without the wish.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                words = (word.strip() for word in value.split(b","))
                value = b", ".join(word for word in words if word.lower() not in WISHES)
            if name not in WISHES and (name != b"connection" or value):
                lines.append(b"%s: %s" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _has_body(self) -> bool:
        told = dict(self.headers)
        return b"transfer-encoding" in told or told.get(b"content-length", b"0") != b"0"

    def _in_time(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None
