"""What a finished search means to a client: text, calls, and why it ended. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from system2.core import Finished, Node, Problem
from system2.server.errors import ApiError

Finish = Literal["stop", "length", "tool_calls", "content_filter"]
SHORT = frozenset({"budget", "time"})
"""Why a run ended where more budget might have brought more."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function to be called by the client; arguments as JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer as a client is told it.

    text   "" where there is none: the budget was spent in thought, or no line of thought held
    why    the run's own word for its end
    """

    text: str
    finish: Finish
    why: str
    calls: tuple[ToolCall, ...] = ()


def outcome(end: Finished, chosen: Node | None, problem: Problem, *, whole: bool) -> Outcome:
    """What this end means. `whole`: a spent budget is `incomplete` though there is an answer.

    Raises ApiError 502 where the backend failed and nothing can be said.
    """
    if end.why == "moderation":
        return Outcome("", "content_filter", end.why)
    step = chosen.step if chosen else None
    if step is not None and step.kind == "call" and end.answer is not None:
        return Outcome("", "tool_calls", end.why, calls_of(end.answer, end.node or 0))
    refuted = chosen is not None and chosen.score == 0.0
    if end.answer is None or refuted:
        if end.why == "failed" and not refuted:
            raise ApiError(
                502,
                "The model behind this server failed; nothing was answered. Try again later.",
                "server_error",
                type="server_error",
            )
        return Outcome("", "length", "refuted" if refuted else end.why)
    if end.cut or (whole and end.why in SHORT):
        return Outcome(end.answer, "length", end.why)
    return Outcome(end.answer, "stop", end.why)


def calls_of(answer: str, node: int) -> tuple[ToolCall, ...]:
    """The calls that a step of kind `call` makes; their ids hang on its place in the tree alone."""
    listed = cast(list[dict[str, Any]], json.loads(answer))
    return tuple(
        ToolCall(f"call_{node}_{n}", str(call["name"]), argued(call.get("arguments", {})))
        for n, call in enumerate(listed)
    )


def argued(arguments: Any) -> str:
    """Arguments as JSON text; what was no JSON stays as it was."""
    if isinstance(arguments, str):
        return arguments
    return json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))


def named(outcomes: Sequence[Outcome], tag: str) -> list[Outcome]:
    """The outcomes with ids of calls that no other reply has."""
    return [
        replace(
            one,
            calls=tuple(
                replace(call, id=f"call_{tag}{index}{n}") for n, call in enumerate(one.calls)
            ),
        )
        for index, one in enumerate(outcomes)
    ]
