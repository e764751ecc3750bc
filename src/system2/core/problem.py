"""What is asked and what is thought: Problem, Message, Step, Chain. Plain data; imports nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["thought", "program", "call", "result", "reply"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of the conversation that leads up to the question."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Problem:
    """The question. `effort` is the policy's own dial (a trained token, a server's field), if it has one.

    `given` is free for the task family (examples, tests); it never holds the gold answer.
    """

    messages: tuple[Message, ...]
    effort: str | None = None
    given: Any = None

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
class Step:
    """One unit of thought: a sentence of reasoning, or one line of a program.

    tokens   completion tokens this step cost; of these `told` belong to the answer's own text
    state    what the step computed, opaque to search
    answer   the final answer the policy's segmenter read out of it
    final    the line of thought is finished; cut: it was broken off (grant, error, cancel)
    ids, logprobs   one entry a token, where the backend gives them
    sampled  which of these tokens were drawn for this step, where some were not: a fork begins with
             tokens of the step it was forked from, which cost it nothing
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


Chain = Sequence[Step]
