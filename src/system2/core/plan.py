"""How a strategy speaks: asks, what is done, and the Strategy that holds a plan. No model, no clock, no money."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass, field
from typing import Literal

from system2.core.problem import LATE, Step, terse
from system2.core.tree import Key, Node, Tree

Until = Literal["token", "step", "answer", "reply"]


@dataclass(frozen=True, slots=True)
class Format:
    """JSON that a reply must be. schema: as JSON text; "": any object.

    strict  as the client says it; what is shown satisfies the schema either way
    """

    schema: str = ""
    name: str = ""
    description: str = ""
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Style:
    """How a continuation is to be written.

    prefix  text forced upon the continuation
    at      write anew from this token of the node's own step on, 0 being its first: a fork in it
    Of replies, all but the shown text untouched:
    stop          strings that end it and are left out (also of steps: where a server ends them)
    limit         tokens of the text at most
    top_logprobs  so many alternatives of each of its tokens; None: its tokens need not be told
    format        what JSON it must be
    complaint     why the reply before this one was not taken
    """

    prompt: str | None = None
    prefix: str = ""
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    at: int | None = None
    top_p: float | None = field(default=None, metadata=LATE)
    presence_penalty: float | None = field(default=None, metadata=LATE)
    frequency_penalty: float | None = field(default=None, metadata=LATE)
    logit_bias: tuple[tuple[int, float], ...] = field(default=(), metadata=LATE)
    top_logprobs: int | None = field(default=None, metadata=LATE)
    limit: int | None = field(default=None, metadata=LATE)
    format: Format | None = field(default=None, metadata=LATE)
    complaint: str = field(default="", metadata=LATE)

    def __repr__(self) -> str:
        return terse(self)


PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Expand:
    """Continue from `node`, `n` times, to the end of a token, a step, or the answer.

    verify: score the new chains. also: other lines of thought to read first.
    """

    node: Node
    n: int = 1
    until: Until = "step"
    verify: bool = False
    also: tuple[Node, ...] = ()
    style: Style = PLAIN

    @property
    def place(self) -> Node:
        """Below which the continuations grow: the node, or the one above it where its step is forked."""
        return self.node if self.style.at is None else self.node.parent or self.node


@dataclass(frozen=True, slots=True)
class Weigh:
    """Score these nodes now, together."""

    nodes: tuple[Node, ...]


Ask = Expand | Weigh


@dataclass(frozen=True, slots=True)
class Done:
    """The one reply to an ask: where each continuation ends. Empty if it failed."""

    ask: Ask
    nodes: list[Node]


Plan = Generator[list[Ask], list[Done], None]


def local(node: Node, step: Step) -> Hashable:
    """The default key: two steps below the same parent are one if they say the same, and end alike."""
    return step.text, step.kind, step.final, step.answer


def apart(node: Node, step: Step) -> None:
    """The key under which no two steps are ever the same."""


def never(tree: Tree) -> None:
    """The stop rule that never stops."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """Where to look (plan), what to answer (choose), when to stop (need), what is the same (key).

    choose  callable at any moment, on any tree: every strategy has an answer at any time
    need    fewest further finals that could end the search; 0: stop now; None: no rule
    """

    plan: Callable[[Tree], Plan]
    choose: Callable[[Tree], Node | None]
    need: Callable[[Tree], int | None] = never
    key: Key = local
