"""A connection that waits only so long for the head of a request, and one of so many. Knows no request."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD = 30.0  # seconds for the head of a request, from its first byte, or from when the connection was made
MOST = 4_096  # connections at once; more are closed as they come


class Patient(H11Protocol):
    """uvicorn's own, which has no such bounds: a thousand clients that send a byte a minute would hold it for ever."""

    head, most = HEAD, MOST
    late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self.late = self.loop.call_later(self.head, transport.close)

    def data_received(self, data: bytes) -> None:
        """More of a request; while its head is not whole, the time goes on."""
        super().data_received(data)
        idle = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if idle and self.late is None:
            self.late = self.loop.call_later(self.head, self.transport.close)
        elif not idle and self.late is not None:
            self.late.cancel()
            self.late = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        if self.late is not None:
            self.late.cancel()
            self.late = None
        super().connection_lost(exc)
