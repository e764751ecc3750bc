"""A response as it comes about: events of the engine in, events of the Responses API out, in their strict order. Pure.

The order is the one OpenAI's SDK asserts (`lib/streaming/responses`): an item is added before anything of it is told,
its parts are opened and closed in order, and no two items are open at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from system2.core import Asked, Event, Finished, Node, Noted, Piece, Token
from system2.server.wire.outcome import Outcome, chances
from system2.server.wire.thoughts import Thoughts, written
from system2.server.wire.wanted import Visibility

Told = dict[str, Any]


@dataclass(slots=True)
class ResponseWriter:
    """Writes one response.

    body     the response object; its output grows
    tag      makes ids of items that no other response has
    show     how much of the thoughts; summaries: tell them at all
    thinks   there will be thoughts: an item for them comes first
    live     the text may be shown as it comes
    node     finds a node of the search's tree
    seal     closes the thoughts up, for the client to keep; None: it keeps none
    """

    body: Told
    tag: str
    show: Visibility
    summaries: bool
    thinks: bool
    live: bool
    logprobs: bool
    node: Callable[[int], Node]
    seal: Callable[[str], str] | None = None
    number: int = 0
    item: Told | None = None  # that is open, the last of the output
    text: str = ""  # of the message
    refusal: str = ""  # instead of it
    raw: str = ""  # of the thoughts, as shown
    whole: str = ""  # the line of thought that leads to the answer
    thoughts: Thoughts = field(default_factory=Thoughts)
    replies: set[int] = field(default_factory=set[int])

    def event(self, kind: str, **rest: Any) -> Told:
        """One event, numbered."""
        told = {"type": f"response.{kind}", "sequence_number": self.number, **rest}
        self.number += 1
        return told

    def open(self, *, queued: bool) -> list[Told]:
        """It has begun."""
        first: Told = {**self.body, "output": [], "status": "queued" if queued else "in_progress"}
        out = [self.event("created", response=first)]
        if queued:
            out.append(self.event("queued", response=first))
        now: Told = {**self.body, "output": []}
        out.append(self.event("in_progress", response=now))
        return out + (self.think() if self.thinks else [])

    def revive(self, events: Sequence[Told]) -> None:
        """Go on where these events ended, after the process that wrote them was killed."""
        self.number = len(events)
        for event in events:
            kind = str(event["type"]).removeprefix("response.")
            if kind == "output_item.added":
                self.item = {**event["item"]}
                self.body["output"].append(self.item)
            elif kind == "reasoning_summary_part.done" and self.item:
                self.item["summary"] = [*self.item["summary"], event["part"]]
            elif kind == "reasoning_text.delta":
                self.raw += event["delta"]
            elif kind == "output_text.delta":
                self.text += event["delta"]
            elif kind == "output_item.done":
                self.body["output"][-1] = event["item"]
                self.item = None
        self.thoughts.done = bool(self.raw)  # a line that was begun is not told from its beginning

    def think(self) -> list[Told]:
        """Open the item of the thoughts."""
        item: Told = {
            "id": f"rs_{self.tag}",
            "type": "reasoning",
            "status": "in_progress",
            "summary": [],
        }
        return self.add(item)

    def take(self, event: Event) -> list[Told]:
        """What an event shows."""
        match event:
            case Asked(until="reply"):
                self.replies.add(event.ask)
                return self.chosen(event.node)
            case Finished():
                return self.chosen(event.node or 0)
            case Piece() if event.ask in self.replies:
                if self.live and event.reply and event.text:
                    return self.say(event.text, event.spelt)
            case Piece(reply=False):
                return self.reason(self.thoughts.piece(event.ask, event.child, event.text))
            case Noted() if self.summaries and self.show != "none":
                return self.summarise(event.text)
            case _:
                pass
        return []

    # ---------------------------------------------------------------- thoughts

    @property
    def thinking(self) -> bool:
        """Is the item of the thoughts open?"""
        return self.item is not None and self.item["type"] == "reasoning"

    def summarise(self, text: str) -> list[Told]:
        """One more part of the summary, whole."""
        if not self.thinking or self.item is None:
            return []
        place = {
            "item_id": self.item["id"],
            "output_index": self.index,
            "summary_index": len(self.item["summary"]),
        }
        part: Told = {"type": "summary_text", "text": text}
        self.item["summary"].append(part)
        return [
            self.event("reasoning_summary_part.added", **place, part={**part, "text": ""}),
            self.event("reasoning_summary_text.delta", **place, delta=text),
            self.event("reasoning_summary_text.done", **place, text=text),
            self.event("reasoning_summary_part.done", **place, part=part),
        ]

    def chosen(self, id: int) -> list[Told]:
        """This line of thought leads to the answer."""
        node = self.node(id)
        self.whole = written(node.chain())
        return self.reason(self.thoughts.chosen(node))

    def reason(self, text: str) -> list[Told]:
        """More of the raw thoughts."""
        if self.show != "raw" or not text or not self.thinking or self.item is None:
            return []
        place = self.place()
        out: list[Told] = []
        if not self.raw:
            part: Told = {"type": "reasoning_text", "text": ""}
            out.append(self.event("content_part.added", **place, part=part))
        self.raw += text
        out.append(self.event("reasoning_text.delta", **place, delta=text))
        return out

    # ---------------------------------------------------------------- the answer

    def say(self, text: str, spelt: Sequence[Token] = ()) -> list[Told]:
        """More of the visible answer."""
        out: list[Told] = []
        if self.item is None or self.item["type"] != "message":
            part: Told = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            out += [*self.shut(), *self.message(part)]
        if text:
            self.text += text
            told = chances(spelt) if self.logprobs else []
            out.append(self.event("output_text.delta", **self.place(), delta=text, logprobs=told))
        return out

    def refuse(self, text: str) -> list[Told]:
        """Why there is no answer, where one was to have a form."""
        part: Told = {"type": "refusal", "refusal": ""}
        out = [*self.shut(), *self.message(part)]
        self.refusal = text
        out.append(self.event("refusal.delta", **self.place(), delta=text))
        return out

    def message(self, part: Told) -> list[Told]:
        """Open the item of the answer, and its one part."""
        item: Told = {
            "id": f"msg_{self.tag}",
            "type": "message",
            "role": "assistant",
            "status": "in_progress",
            "phase": "final_answer",
            "content": [],
        }
        out = self.add(item)
        return [*out, self.event("content_part.added", **self.place(), part=part)]

    def call(self, id: str, name: str, arguments: str, n: int) -> list[Told]:
        """A function the client is to call."""
        out = self.shut()
        item = {
            "id": f"fc_{self.tag}{n}",
            "type": "function_call",
            "status": "in_progress",
            "call_id": id,
            "name": name,
            "arguments": "",
        }
        out += self.add(item)
        place = {"item_id": item["id"], "output_index": self.index}
        out.append(self.event("function_call_arguments.delta", **place, delta=arguments))
        out.append(
            self.event("function_call_arguments.done", **place, name=name, arguments=arguments)
        )
        assert self.item
        self.item["arguments"] = arguments
        return out + self.shut()

    def close(
        self, one: Outcome, spelt: Sequence[Token], *, final: Callable[[Told], Told]
    ) -> list[Told]:
        """The end: what has not been told, every item closed, and the response as it stands then.

        final   makes the last object of the body
        """
        out: list[Told] = []
        if one.calls:
            for n, call in enumerate(one.calls):
                out += self.call(call.id, call.name, call.arguments, n)
        elif one.refusal:
            out += self.refuse(one.text)
        elif one.text.startswith(self.text) and one.text != self.text:
            rest = one.text[len(self.text) :]
            out += self.say(rest, () if self.text else spelt)
        elif not self.text and one.finish == "stop":
            out += self.say("")
        elif self.text and one.text:
            self.text = one.text  # what was streamed before the process was killed was not its end
        out += self.shut(chances(spelt) if self.logprobs else [], whole=one.finish == "stop")
        body = final(self.body)
        status = body["status"]
        kind = "completed" if status == "completed" else "incomplete"
        return [*out, self.event(kind, response=body)]

    def fail(self, final: Callable[[Told], Told]) -> list[Told]:
        """It cannot be answered: one event and no more."""
        return [self.event("failed", response=final(self.body))]

    # ---------------------------------------------------------------- items

    @property
    def index(self) -> int:
        """The place of the open item."""
        return len(self.body["output"]) - 1

    def place(self) -> Told:
        """Where the text of the open item stands."""
        assert self.item
        return {"item_id": self.item["id"], "output_index": self.index, "content_index": 0}

    def add(self, item: Told) -> list[Told]:
        """Open an item."""
        self.body["output"].append(item)
        self.item = item
        bare: Told = {**item, "summary": []} if "summary" in item else {**item}
        return [self.event("output_item.added", output_index=self.index, item=bare)]

    def shut(self, logprobs: Sequence[Told] = (), *, whole: bool = True) -> list[Told]:
        """Close the open item, if there is one."""
        item = self.item
        if item is None:
            return []
        out: list[Told] = []
        place = {**self.place()}
        item["status"] = "completed" if whole or item["type"] != "message" else "incomplete"
        if item["type"] == "reasoning" and self.raw:
            part: Told = {"type": "reasoning_text", "text": self.raw}
            item["content"] = [part]
            out.append(self.event("reasoning_text.done", **place, text=self.raw))
            out.append(self.event("content_part.done", **place, part=part))
        if item["type"] == "reasoning" and self.seal:
            item["encrypted_content"] = self.seal(self.whole)
        if item["type"] == "message" and self.refusal:
            part = {"type": "refusal", "refusal": self.refusal}
            item["content"] = [part]
            out.append(self.event("refusal.done", **place, refusal=self.refusal))
            out.append(self.event("content_part.done", **place, part=part))
        elif item["type"] == "message":
            part = {
                "type": "output_text",
                "text": self.text,
                "annotations": [],
                "logprobs": list(logprobs),
            }
            item["content"] = [part]
            out.append(
                self.event("output_text.done", **place, text=self.text, logprobs=list(logprobs))
            )
            out.append(self.event("content_part.done", **place, part=part))
        out.append(self.event("output_item.done", output_index=self.index, item={**item}))
        self.item = None
        return out
