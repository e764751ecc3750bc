"""Chat completions as JSON: the whole object, and its chunks in order. Pure; contract: OpenAI's chat API."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from system2.core import Asked, Event, Finished, Node, Noted, Piece, Token
from system2.server.wire.outcome import Outcome, WiredCall, chances
from system2.server.wire.thoughts import Thoughts
from system2.server.wire.wanted import Visibility


@dataclass(frozen=True, slots=True)
class Head:
    """What every object and chunk of one completion begins with."""

    id: str
    created: int
    model: str
    tier: str = "default"
    fingerprint: str = "fp_system2"

    def of(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """An object of this kind."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
            "service_tier": self.tier,
            "choices": choices,
        }


def completion(
    head: Head,
    outcomes: Sequence[Outcome],
    thoughts: Sequence[str],
    show: Visibility,
    logprobs: Sequence[list[dict[str, Any]] | None],
) -> dict[str, Any]:
    """The whole completion, without usage."""
    choices = [
        {
            "index": index,
            "logprobs": None if chances is None else {"content": chances, "refusal": None},
            "finish_reason": one.finish,
            "message": message(one) | shown(thought, show),
        }
        for index, (one, thought, chances) in enumerate(
            zip(outcomes, thoughts, logprobs, strict=True)
        )
    ]
    return head.of("chat.completion", choices)


def message(one: Outcome) -> dict[str, Any]:
    """The assistant's message."""
    out: dict[str, Any] = {
        "role": "assistant",
        "content": None if one.calls or one.refusal else one.text,
        "refusal": one.text if one.refusal else None,
        "annotations": [],
    }
    if one.calls:
        out["tool_calls"] = [wired(call) for call in one.calls]
    return out


def wired(call: WiredCall) -> dict[str, Any]:
    """A tool call."""
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def shown(thought: str, show: Visibility) -> dict[str, str]:
    """Thoughts in the fields that clients read: a summary in one, raw ones in both."""
    if show == "none" or not thought:
        return {}
    if show == "summary":
        return {"reasoning_content": thought}
    return {"reasoning_content": thought, "reasoning": thought}


@dataclass(slots=True)
class ChatStream:
    """One choice of a streamed completion: events in, chunks out.

    live   text of the reply may be shown as it comes: nothing will take it back
    node   finds a node of the search's tree
    """

    head: Head
    index: int
    show: Visibility
    usage: bool
    live: bool
    logprobs: bool
    node: Callable[[int], Node]
    sent: str = ""  # of the visible answer
    noted: bool = False  # was any summary sent?
    thoughts: Thoughts = field(default_factory=Thoughts)
    _replies: set[int] = field(default_factory=set[int])

    def open(self) -> list[dict[str, Any]]:
        """The first chunk."""
        return [self.chunk({"role": "assistant", "content": "", "refusal": None})]

    def take(self, event: Event) -> list[dict[str, Any]]:
        """What an event shows."""
        match event:
            case Asked(until="reply"):
                self._replies.add(event.ask)
                return self.raw(self.thoughts.chosen(self.node(event.node)))
            case Finished():
                return self.raw(self.thoughts.chosen(self.node(event.node or 0)))
            case Piece() if event.ask in self._replies:
                if self.live and event.text and event.reply:
                    return self.text(event.text, event.spelt)
            case Piece(reply=False):
                return self.raw(self.thoughts.piece(event.ask, event.child, event.text))
            case Noted() if self.show == "summary" and not self.sent:
                lead = "\n\n" if self.noted else ""
                self.noted = True
                return [self.chunk(shown(lead + event.text, "summary"))]
            case _:
                pass
        return []

    def raw(self, text: str) -> list[dict[str, Any]]:
        """More of the thoughts: never once the answer has begun, clients stop their clock there."""
        if self.show != "raw" or self.sent or not text:
            return []
        return [self.chunk(shown(text, "raw"))]

    def text(self, text: str, spelt: Sequence[Token] = ()) -> list[dict[str, Any]]:
        """More of the visible answer."""
        self.sent += text
        told = {"content": chances(spelt), "refusal": None} if spelt and self.logprobs else None
        return [self.chunk({"content": text}, logprobs=told)]

    def close(self, one: Outcome, spelt: Sequence[Token]) -> list[dict[str, Any]]:
        """What of the answer has not been sent, and why it ended. spelt: the whole answer's tokens."""
        out: list[dict[str, Any]] = []
        if one.calls:
            for n, call in enumerate(one.calls):
                begun = {**wired(call), "index": n}
                begun["function"] = {"name": call.name, "arguments": ""}
                out.append(self.chunk({"tool_calls": [begun]}))
                more = {"index": n, "function": {"arguments": call.arguments}}
                out.append(self.chunk({"tool_calls": [more]}))
        elif one.refusal:
            out.append(self.chunk({"refusal": one.text}))
        elif one.text.startswith(self.sent) and (rest := one.text[len(self.sent) :]):
            out += self.text(rest, () if self.sent else spelt)
        out.append(self.chunk({}, finish=one.finish))
        return out

    def chunk(
        self,
        delta: dict[str, Any],
        *,
        finish: str | None = None,
        logprobs: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One chunk of this choice."""
        choice = {
            "index": self.index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish,
        }
        body = self.head.of("chat.completion.chunk", [choice])
        return body | {"usage": None} if self.usage else body
