"""What a request wants, whichever API it came by. Knows nothing about HTTP, keys or engines."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from system2.core import Problem, Style

Visibility = Literal["none", "summary", "raw"]
VISIBILITIES: tuple[Visibility, ...] = ("none", "summary", "raw")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A question and how to think about it; None: as the model is served.

    most        completion tokens of everything, thoughts included, that the client takes
    tokens      a budget of them, in place of the effort's
    reply       how the visible answer is to be written; its `limit` counts that answer alone
    n           independent answers, each with a search of its own
    visibility  how much of the thoughts to show; summary: write summaries at all
    exhausted   what a spent budget means where there is an answer: that answer, or `incomplete`
    place       the field that its question came in, and form: the one of its format; for errors
    """

    model: str | None
    problem: Problem
    effort: str | None = None
    pro: bool = False
    samples: int | None = None
    most: int | None = None
    tokens: int | None = None
    dollars: Decimal | None = None
    seconds: float | None = None
    seed: int | None = None
    n: int = 1
    reply: Style = field(default_factory=Style)
    visibility: Visibility | None = None
    summary: bool = True
    language: str | None = None
    tree: bool = False
    exhausted: Literal["best_so_far", "incomplete"] = "best_so_far"
    moderation: bool = False
    place: str = "messages"
    form: str = "response_format"
