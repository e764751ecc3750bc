"""Who proposes, who scores, who watches: protocols of policies, verifiers, sidecars, and what passes between them and the engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from system2.core.money import Usage
from system2.core.plan import PLAIN, Style, Until
from system2.core.problem import Chain, Kind, Problem, Token

End = Literal["", "step", "answer", "cut"]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of child `child` as it arrives.

    tokens   completion tokens of this piece; kind "reply": part of the answer's own text; "call": of a call
    logprobs, ids   one entry a token, where the backend gives them
    end      the piece ends a step, the whole answer, or was cut off at the limit of tokens
    answer   with end "answer": the final answer that was read out of the text
    spelt    the piece token by token, where the style asks for that
    """

    child: int
    text: str
    tokens: int = 1
    kind: Kind = "thought"
    logprobs: tuple[float, ...] = ()
    ids: tuple[int, ...] = ()
    end: End = ""
    answer: str | None = None
    state: Any = None
    spelt: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Bill:
    """What the call really cost; replaces the running count when the promise is settled.

    counted  completion tokens that came, where the backend reports so different a figure that it is disputed
    """

    usage: Usage
    estimated: bool = False
    counted: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One call to a policy: continue `chain` `n` times, having read the chains of `also`.

    max_tokens   of each continuation. seeds: one a continuation.
    """

    problem: Problem
    chain: Chain
    n: int
    until: Until
    max_tokens: int
    seeds: tuple[int, ...]
    also: tuple[Chain, ...] = ()
    style: Style = PLAIN


class Policy(Protocol):
    """Writes continuations. `can` names what its backend offers: "continue", "n", "logprobs", "tools",
    "images", "files", and "schema", where replies can be bound to one.
    """

    @property
    def can(self) -> frozenset[str]:
        """What the backend offers."""
        ...

    def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """Pieces of new text; pieces of different children may interleave. Raises CallFailed."""
        ...

    def prompt_bound(self, request: Request) -> int:
        """Upper bound on the prompt tokens of this call, from the tokenizer where it is known."""
        ...


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call lent to a verifier brought back."""

    chains: list[Chain]
    bill: Bill


Write = Callable[[Request], Awaitable[Reply]]


class Verifier(Protocol):
    """Scores chains from 0 to 1: how promising (unfinished) or right (finished). None: cannot say."""

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """One score a chain. A verifier that is a model writes through `write`, which pays for it."""
        ...


@dataclass(frozen=True, slots=True)
class Fit:
    """Is a text what was asked for? `text`: as it may be shown; None: it is not, `complaint` says why."""

    text: str | None
    complaint: str = ""


class Form(Protocol):
    """What a reply must be."""

    async def fit(self, text: str) -> Fit:
        """Does this text fit? Raises TimeoutError where that cannot be told in time."""
        ...

    def filled(self, answer: str) -> str | None:
        """The form with this answer in its one place; None: it has none, or several."""
        ...


@dataclass(frozen=True, slots=True)
class Note:
    """What a sidecar says of the thoughts, for people to read: a bold title, a blank line, 1–3 sentences."""

    text: str


@dataclass(frozen=True, slots=True)
class Veto:
    """What a sidecar was shown must not stand; stop: nor may the run go on."""

    reason: str
    stop: bool = False


Occasion = Literal["step", "answer", "lead", "wrong", "reply"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Why a sidecar is shown a chain.

    what    step: it has grown; answer: it came to an answer that is new; lead: its answer has overtaken
            `other`; wrong: it was refuted; reply: its end is the text that will be shown
    since   how many of the chain's steps it was shown before
    """

    what: Occasion = "step"
    since: int = 0
    other: str | None = None


class Sidecar(Protocol):
    """Watches thoughts at the ends of steps: summaries, moderation. What it says is never thought with."""

    @property
    def name(self) -> str:
        """Its name in the trace; no two of a run have the same."""
        ...

    @property
    def holds(self) -> bool:
        """Must it have looked before a step is planted? Else it looks beside the search, and has no veto."""
        ...

    @property
    def tokens(self) -> int:
        """Most completion tokens of one of its calls; 0: it makes none."""
        ...

    async def at_step(
        self, problem: Problem, chain: Chain, write: Write, moment: Moment
    ) -> Note | Veto | None:
        """A note, a veto, or nothing to say. One that is a model writes through `write`, which pays for it."""
        ...


class CallFailed(Exception):  # noqa: N818  a failed call is an outcome, not a fault of the program
    """A call to a policy failed.

    retry    may it help to try again?
    after    seconds the server asked to wait
    unseen   may the server have produced, and billed, tokens that never reached us?
    """

    def __init__(
        self, message: str, *, retry: bool, after: float | None = None, unseen: bool = False
    ) -> None:
        super().__init__(message)
        self.retry, self.after, self.unseen = retry, after, unseen
