"""What the tests of hostile requests share: a server that must be well at the end, and what it offers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clients.asking import ask, refused
from clients.serving import Serving

from system2.server.spots import SPOTS

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
POSTS = sorted({spot.path.replace("{run}", "none") for spot in SPOTS if spot.body is not None})
PATHS = sorted({spot.path for spot in SPOTS})
ASKED: dict[str, Any] = {"model": "system2-mini", "messages": [{"role": "user", "content": "1+1?"}]}
GIVEN: dict[str, Any] = {"model": "system2-mini", "input": "1+1?"}
WRONG: list[Any] = [
    True,
    -1,
    1.5,
    10**9,
    1e308,
    "",
    "\x00",
    "ü" * 9,
    [],
    [[]],
    [None],
    {},
    {"": {}},
]


@contextmanager
def guarded(place: Path) -> Iterator[Serving]:
    """A server of the embedded model; at the end it must be well, and its log tell of no fault."""
    config = '[[model]]\nname = "system2-mini"\neffort = "none"\n'
    with Serving(place, config) as serving:
        yield serving
        assert ask(serving, "GET", "/health").json == {"status": "ok"}
    assert not serving.faults()


def posted(serving: Serving, path: str, body: Any) -> Any:
    """The error that a body earns."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refused(ask(serving, "POST", path, data))
