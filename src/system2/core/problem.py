"""What is asked and what is thought: Problem, Message, Step, Chain. Plain data; imports nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

Kind = Literal["thought", "program", "call", "result", "reply"]
Role = Literal["system", "user", "assistant", "tool"]
LATE = {"late": True}  # marks fields that came after traces were first written


def terse(value: Any) -> str:
    """As a dataclass says what it is, without late fields at their default: names made of it stay the same."""
    told = [
        f"{one.name}={getattr(value, one.name)!r}"
        for one in fields(value)
        if "late" not in one.metadata or getattr(value, one.name) != one.default
    ]
    return f"{type(value).__qualname__}({', '.join(told)})"


@dataclass(frozen=True, slots=True)
class Content:
    """One part of a message that is not only text.

    text     of kind "text"
    url      of an image: https or data; of a file: data, or empty with its `name` as the server's id
    data     of audio: base64; form: wav or mp3
    detail   of an image: low, high, auto, or empty
    name     of a file
    """

    kind: Literal["text", "image", "audio", "file"]
    text: str = ""
    url: str = ""
    data: str = ""
    form: str = ""
    detail: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a client's function that the assistant made earlier. arguments: JSON text, as it wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A function of the client's that the model may call. parameters: a JSON schema as text; "": none.

    strict  the backend shall keep to the schema
    """

    name: str
    description: str = ""
    parameters: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation that leads up to the question.

    text     all text of it
    parts    all of it in order, texts included, where it is more than one text
    calls    the functions an assistant's message called; call_id: which of them a tool's result is of
    """

    role: Role
    text: str
    parts: tuple[Content, ...] = field(default=(), metadata=LATE)
    calls: tuple[ToolCall, ...] = field(default=(), metadata=LATE)
    call_id: str = field(default="", metadata=LATE)

    def __repr__(self) -> str:
        return terse(self)

    @classmethod
    def of(cls, role: Role, parts: Sequence[Content]) -> Message:
        """A message of parts; its text is theirs, a paragraph each."""
        return cls(role, "\n\n".join(p.text for p in parts if p.kind == "text"), tuple(parts))


@dataclass(frozen=True, slots=True)
class Problem:
    """The question. `effort` is the policy's own dial (a trained token, a server's field), if it has one.

    `given` is free for the task family (examples, tests); it never holds the gold answer.

    tools           what the model may call; tool_choice: whether ("": as it likes, as "auto")
    allowed         names of the tools that it may call now; none: all
    parallel_calls  may it call several at once? None: as the backend has it
    """

    messages: tuple[Message, ...]
    effort: str | None = None
    given: Any = None
    tools: tuple[Tool, ...] = field(default=(), metadata=LATE)
    tool_choice: Literal["", "auto", "none", "required"] = field(default="", metadata=LATE)
    allowed: tuple[str, ...] = field(default=(), metadata=LATE)
    parallel_calls: bool | None = field(default=None, metadata=LATE)

    def __repr__(self) -> str:
        return terse(self)

    @classmethod
    def of(cls, question: str, *, system: str | None = None, effort: str | None = None) -> Problem:
        """A single question, with an optional system message."""
        first = (Message("system", system),) if system else ()
        return cls((*first, Message("user", question)), effort)

    @property
    def question(self) -> str:
        """The text of the last user message."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text that is shown, its log-probability, and what else it might have been.

    bytes   its UTF-8, since a token may be part of a character; (): not told
    others  the likeliest tokens at its place: text, log-probability, bytes
    """

    text: str
    logprob: float
    bytes: tuple[int, ...] = ()
    others: tuple[tuple[str, float, tuple[int, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One unit of thought: a sentence of reasoning, or one line of a program.

    tokens   completion tokens this step cost; of these `told` belong to the answer's own text
    state    what the step computed, opaque to search; of a cut reply: what cut it ("limit", "filter"); of an
             answer: "refusal", where the model says that it does not answer
    answer   the final answer the policy's segmenter read out of it; of kind "call": the calls as
             canonical JSON, a list of {"arguments", "name"}, both text
    final    the line of thought is finished; cut: it was broken off (grant, error, cancel)
    ids, logprobs   one entry a token, where the backend gives them
    sampled  which of these tokens were drawn for this step, where some were not: a fork begins with
             tokens of the step it was forked from, which cost it nothing
    spelt    the shown text token by token, where the style asked for it
    """

    text: str
    tokens: int
    kind: Kind = "thought"
    state: Any = None
    answer: str | None = None
    final: bool = False
    cut: bool = False
    told: int = 0
    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    sampled: tuple[bool, ...] = ()
    spelt: tuple[Token, ...] = ()


Chain = Sequence[Step]
