"""What a finished search means to a client: text, calls, and why it ended. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from system2.core import Event, Finished, Node, Replied, Token
from system2.server.errors import ApiError

Finish = Literal["stop", "length", "tool_calls", "content_filter"]
SHORT = frozenset({"budget", "cost", "time"})
"""Why a run ended where more budget might have brought more."""


@dataclass(frozen=True, slots=True)
class WiredCall:
    """A function to be called by the client; arguments as JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer as a client is told it.

    text   "" where there is none: the budget was spent in thought, or no line of thought held
    why    the run's own word for its end
    refusal  the text says why there is nothing in the form that was asked for
    """

    text: str
    finish: Finish
    why: str
    calls: tuple[WiredCall, ...] = ()
    refusal: bool = False


def outcome(
    end: Finished,
    chosen: Node | None,
    *,
    stop: Sequence[str],
    whole: bool,
    tag: str,
    declined: str = "",
) -> Outcome:
    """What this end means.

    stop   strings that end the visible text: for backends that cannot stop there by themselves
    whole  a spent budget is `incomplete` though there is an answer
    tag    makes ids of calls that no other reply has
    declined  what is said instead of the embedded model's own refusal, which was written for a terminal
    Raises ApiError 502 where the backend failed and nothing can be said.
    """
    if end.why == "moderation":
        return Outcome("", "content_filter", end.why)
    if end.call and end.answer is not None:
        return Outcome("", "tool_calls", end.why, calls_of(end.answer, tag))
    refuted = end.refuted or (chosen is not None and chosen.score == 0.0)
    if end.answer is None or refuted:
        if end.why == "failed" and not refuted:
            raise ApiError(
                502,
                "The model behind this server failed; nothing was answered. Try again later.",
                "server_error",
                type="server_error",
            )
        return Outcome("", "length", reason(end, refuted=refuted))
    step = chosen.step if chosen else None
    own = declined and step is not None and step.state == "refusal" and not end.cut
    if end.refusal:
        return Outcome(declined if own else end.answer, "stop", "refusal", refusal=True)
    text = stopped(declined if own else end.answer, stop)
    if end.cut == "filter":
        return Outcome(text, "content_filter", end.why)
    if end.cut or (whole and end.why in SHORT):
        return Outcome(text, "length", end.why)
    return Outcome(text, "stop", end.why)


def reason(end: Finished, *, refuted: bool) -> str:
    """Why a search ended as it did, in one word: also where that is why nothing is shown."""
    if refuted:
        return "refuted"
    over = end.why in ("complete", "enough", "stuck")  # nothing that more budget would change
    return "no_answer" if over and end.answer is None else end.why


def stopped(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of these strings."""
    places = [place for one in stop if one and (place := text.find(one)) >= 0]
    return text[: min(places)] if places else text


def calls_of(answer: str, tag: str) -> tuple[WiredCall, ...]:
    """The calls that a step of kind `call` makes."""
    listed = cast(list[dict[str, Any]], json.loads(answer))
    return tuple(
        WiredCall(f"call_{tag}{n}", str(call["name"]), str(call.get("arguments", "{}")))
        for n, call in enumerate(listed)
    )


def spelt(events: Sequence[Event], replies: set[int]) -> tuple[Token, ...]:
    """The tokens of the visible reply, of the last ask that brought one."""
    for event in reversed(events):
        if isinstance(event, Replied) and event.ask in replies and event.chains:
            return tuple(token for step in event.chains[-1][1] for token in step.spelt)
    return ()


def chances(tokens: Sequence[Token]) -> list[dict[str, Any]]:
    """Tokens with their log-probabilities, as either API tells them."""
    return [
        chance(one.text, one.logprob, one.bytes)
        | {"top_logprobs": [chance(*other) for other in one.others]}
        for one in tokens
    ]


def chance(text: str, logprob: float, data: Sequence[int]) -> dict[str, Any]:
    """One token."""
    return {
        "token": text,
        "logprob": max(logprob, -9999.0),
        "bytes": list(data) or list(text.encode("utf-8", "replace")),
    }
