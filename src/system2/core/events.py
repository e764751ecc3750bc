"""What happens in a search, as plain values: the trace is the list of them. Knows nothing about files or screens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from system2.core.money import Usage
from system2.core.plan import Style, Until
from system2.core.policy import Occasion
from system2.core.problem import Problem, Step, Token


@dataclass(frozen=True, slots=True)
class Started:
    """A run begins. `settings` says what was asked for, in words a person can repeat; reply: how it is shown."""

    run: str
    problem: Problem
    seed: int
    ordered: bool
    settings: dict[str, str]
    reply: Style | None = None


@dataclass(frozen=True, slots=True)
class Resumed:
    """A run goes on: its tree grows anew, from what was kept. `lost`: of the calls under way when it stopped."""

    settings: dict[str, str]
    lost: dict[str, Usage]


@dataclass(frozen=True, slots=True)
class Asked:
    """The plan asked (number `ask`, from 1) to continue `node`, or to weigh `nodes`."""

    ask: int
    node: int
    n: int
    until: Until | None
    also: tuple[int, ...] = ()
    style: Style | None = None
    nodes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Called:
    """A try of a call for some children of an ask sets out.

    call    of the run, from 1. grant: completion tokens; prompt: bound on the tokens sent
    """

    ask: int
    call: int
    attempt: int
    role: str
    children: tuple[int, ...]
    seeds: tuple[int, ...]
    grant: int
    prompt: int
    by: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it is being written. Shown, not stored; calls of tools are told when they are whole."""

    ask: int
    child: int
    text: str
    reply: bool
    spelt: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Billed:
    """What a try of a call cost. counted: as in its `Bill`, where that is disputed."""

    ask: int
    call: int
    role: str
    usage: Usage
    estimated: bool
    counted: int | None = None


@dataclass(frozen=True, slots=True)
class Replied:
    """A call is over, its last try too: what it brought, by child. Kept, so that nothing is paid for twice.

    failed  nothing came, though the backend did not say that there is nothing
    request   a digest of what a verifier's or a sidecar's call asked; empty for the policy's
    """

    ask: int
    call: int
    role: str
    children: tuple[int, ...]
    chains: tuple[tuple[int, tuple[Step, ...]], ...]
    failed: bool
    request: str = ""


@dataclass(frozen=True, slots=True)
class Recalled:
    """Child `was` of a call that was paid for before stands for this one."""

    ask: int
    child: int
    call: int
    was: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A call, or the verifier of one, failed; `ask` 0: something outside any ask."""

    ask: int
    role: str
    error: str


@dataclass(frozen=True, slots=True)
class Born:
    """A step has become a node."""

    ask: int
    child: int
    id: int
    parent: int
    step: Step
    score: float | None


@dataclass(frozen=True, slots=True)
class Merged:
    """A step was known already: its node counts once more."""

    ask: int
    child: int
    id: int
    score: float | None


@dataclass(frozen=True, slots=True)
class Scored:
    """Nodes were weighed. ask 0: after the search, since its end had broken the verifier off."""

    ask: int
    scores: tuple[tuple[int, float | None], ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """Sidecar `by` said something of a continuation, for people to read.

    of   a digest of the occasion and the chain, so that a run that goes on does not say it again
    """

    ask: int
    child: int
    text: str
    by: str
    what: Occasion
    of: str


@dataclass(frozen=True, slots=True)
class Vetoed:
    """Sidecar `by` forbade steps of a continuation, from number `step` (from 0) on: they are never planted.

    stop  the run ends because of it
    of    a digest of the chain up to the last step that was shown; empty: it could not look, and is strict
    """

    ask: int
    child: int
    step: int
    reason: str
    stop: bool
    by: str
    of: str


@dataclass(frozen=True, slots=True)
class Handed:
    """These asks are done and handed to the plan together.

    failed  of these, the ones that brought nothing, or of which something was vetoed: they close no node
    """

    asks: tuple[int, ...]
    failed: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over: the chosen node (None: nothing was thought), its answer, and why it ended.

    call  the answer is calls of tools, as canonical JSON
    cut   why the reply shown is only a beginning: "limit" or "filter"; empty: it is whole
    refuted  the answer is known to be wrong, and shown to nobody
    refusal  the answer says why the model does not write what was asked for, where that has a form
    """

    node: int | None
    answer: str | None
    why: str
    samples: int
    usage: Usage
    roles: dict[str, Usage]
    cost: Decimal | None
    seconds: float
    call: bool = False
    cut: str = ""
    refuted: bool = False
    refusal: bool = False


Event = (
    Started
    | Resumed
    | Asked
    | Called
    | Piece
    | Billed
    | Replied
    | Recalled
    | Failed
    | Born
    | Merged
    | Scored
    | Noted
    | Vetoed
    | Handed
    | Finished
)
Watcher = Callable[[Event], None]
