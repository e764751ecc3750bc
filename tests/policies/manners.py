"""How the counting server behaves, what it writes, and the truth about what it sent."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

WORDS = [
    " so",
    " then",
    " we",
    " take",
    " x",
    "=3",
    ".14",
    " and",
    " not",
    "因此",
    "我们",
    "得到",
    "，",
    "七",
    " π²",
    "≈",
    "9",
    ".87",
    " — 😀",
    " ok",
]


@dataclass
class Manners:
    """How the server behaves. Probabilities are drawn from `seed` and the number of the request."""

    seed: int = 0
    model: str = "pretend"
    key: str | None = None
    paragraphs: int = 4
    thoughts: str = "content"  # "content" | "inline" (<think>) | "reasoning" | "reasoning_content"
    per_chunk: int = 1  # tokens a chunk
    pace: float = 0.0  # seconds a chunk
    usage: bool = True
    reasoning_counts: bool = True
    running_usage: bool = False  # usage in every chunk
    cached: int = 0
    lies: int | None = None  # what its usage says instead of every number
    truncate: float = 0.0
    fail: float = 0.0  # HTTP 500 before the first token
    status: int = 0  # always this error
    code: str | None = None  # its code
    said: str = "the pretend server says no"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    throttled: int = 0  # that many requests get 429 with `headers`
    reset: float = 0.0  # connection reset in mid-body
    hang: str = ""  # "start" | "middle"
    abort: str = ""  # "event" (an error in the stream) | "short" (a clean end, unfinished)
    deaf: bool = False  # ignores the limit on tokens
    refuse: frozenset[str] = frozenset()  # 400 for these fields; "n" only where n > 1
    ignore_n: bool = False
    most: int | None = None  # largest limit on tokens it takes
    tells_stop: bool = False
    continues: bool = False  # goes on with a last assistant message
    strips: bool = False  # its template drops the blanks that message ends with
    shatter: bool = False  # the body in frames of 1 to 3 bytes


@dataclass
class Record:
    """One request and the truth about its reply; lists have an entry a choice."""

    body: dict[str, Any]
    headers: dict[str, str]
    prompt: int = 0
    sent: list[int] = field(default_factory=list[int])
    thought: list[int] = field(default_factory=list[int])
    texts: list[str] = field(default_factory=list[str])
    status: int = 200
    outcome: str = "begun"  # done | refused | failed | reset | hung | short | gone


@dataclass
class Choice:
    """What will be sent: (field, text, token) triples; a token without text was eaten by a stop string."""

    tokens: list[tuple[str, str, str]]
    finish: str
    met: str | None = None


def chain(seed: int, paragraphs: int, skip: int = 0) -> list[str]:
    """The tokens of a pretend chain of thought, the same for the same seed."""
    dice, out = random.Random(seed), list[str]()
    for n in range(paragraphs):
        words = [f"S{n}", *dice.choices(WORDS, k=dice.randint(2, 7)), ".", "\n\n"]
        out += words if n >= skip else []
    return out


def answer(seed: int) -> list[str]:
    """The tokens of a pretend reply."""
    return ["Answer", ":", f" {seed % 10}"]
