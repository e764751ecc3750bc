"""A connection that waits only so long for the head of a request, for one of so many bytes, and one of so many. Knows no request."""

from __future__ import annotations

import asyncio
import secrets

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from system2.server.errors import ApiError

HEAD = 30.0  # seconds for the head of a request, from its first byte, or from when the connection was made
LARGEST = (
    64 * 1024
)  # bytes of it, and of anything else that is no body: trailers, extensions of chunks
MOST = 4_096  # connections at once; more are closed as they come


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
        super().data_received(data)
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
        if sum(len(name) + len(value) for name, value in self.headers) > self.largest:
            raise ValueError("a head that is too large")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """More of the body."""
        self._spare = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._spare = 0
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
        """Is the last thing that came no request yet? Blank lines between two are none."""
        return self._reading or not self.cycle or self.cycle.response_complete

    def _in_time(self) -> None:
        if self.late is not None:
            self.late.cancel()
            self.late = None
