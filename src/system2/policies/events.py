"""Server-sent events, cut from bytes as they come (WHATWG HTML, 9.2.6). Knows nothing of connections or JSON."""

from __future__ import annotations

LONGEST = (
    16 * 1024 * 1024
)  # bytes of one event; no server sends as many, and a broken one may for ever


class Events:
    """Takes bytes, gives the data of the events that are whole. What is not whole at the end is none."""

    def __init__(self) -> None:
        self._rest = bytearray()  # of a line whose end has not come
        self._data: list[bytes] = []  # of the event under way
        self._size = 0

    def take(self, more: bytes) -> list[bytes]:
        """More bytes. Raises ValueError where an event has no end."""
        self._rest += more
        if b"\n" not in more and b"\r" not in more:
            self._bounded(len(self._rest))
            return []
        lines = bytes(self._rest).splitlines(keepends=True)
        self._rest.clear()
        if not lines[-1].endswith(b"\n"):  # a \r may have its \n yet to come
            self._rest += lines.pop()
        whole: list[bytes] = []
        for line in lines:
            text = line.rstrip(b"\r\n")
            if text.startswith(b"data:"):
                self._data.append(text[6:] if text[5:6] == b" " else text[5:])
                self._size += len(text)
            elif not text and self._data:
                whole.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        self._bounded(len(self._rest))
        return whole

    def _bounded(self, waiting: int) -> None:
        if self._size + waiting > LONGEST:
            raise ValueError(f"an event of more than {LONGEST:,} bytes")
