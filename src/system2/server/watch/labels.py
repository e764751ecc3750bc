"""What may stand in a label or a line of the log: few values, plain words, never a text or a secret."""

from __future__ import annotations

import re
from collections.abc import Container

from system2.policies.failures import public

OTHER = "other"
WORD = re.compile(r"[\w.:/+{}*<>~-]{1,128}", re.ASCII)
SECRET = re.compile(r"sk-|bearer", re.IGNORECASE)


class Few:
    """A label that takes few values: those in `known`, else the first `most` that come; the rest is "other"."""

    def __init__(self, known: Container[str] | None = None, most: int = 0) -> None:
        self.known, self.most = known, most
        self.met: set[str] = set()

    def __call__(self, value: str) -> str:
        if self.known is not None:
            return value if not value or value in self.known else OTHER
        if value and value not in self.met:
            if len(self.met) >= self.most or word(value) != value:
                return OTHER
            self.met.add(value)
        return value


def word(value: str) -> str:
    """The value if it can be no sentence and no secret, else a question mark; an address without its key."""
    if "://" in value:
        value = public(value)
    return value if WORD.fullmatch(value) and not SECRET.search(value) else "?"
