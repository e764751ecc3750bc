"""Text of models and servers on a person's terminal: shown, never obeyed. Knows nothing about either."""

from __future__ import annotations

import re

_ORDERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    """The text with what a terminal would take for orders (or turn round) spelt out, as \\x1b."""
    return _ORDERS.sub(lambda found: ascii(found[0])[1:-1], text)


def quoted(json: str) -> str:
    """JSON with the same characters escaped as JSON has it."""
    return _ORDERS.sub(lambda found: f"\\u{ord(found[0]):04x}", json)
