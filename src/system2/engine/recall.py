"""What a run that goes on has paid for already: kept replies, found again by what was asked. No I/O, no money."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import astuple, dataclass, field
from hashlib import blake2b

from system2.core import (
    PLAIN,
    Asked,
    Billed,
    Born,
    Called,
    Event,
    Expand,
    Finished,
    Handed,
    Merged,
    Node,
    Noted,
    Recalled,
    Replied,
    Request,
    Resumed,
    Step,
    Usage,
    Vetoed,
)
from system2.core.plan import Style, Until
from system2.engine.work import Part, Work

Place = tuple[Hashable, ...]
ROOT = b""


@dataclass(slots=True)
class Kept:
    """One continuation that was paid for. `grant`: the most tokens it might have had."""

    call: int
    child: int
    steps: tuple[Step, ...]
    failed: bool
    grant: int
    score: float | None = None


@dataclass(slots=True)
class Segment:
    """A run from its start, or from where it was resumed: numbers of asks and nodes are its own."""

    names: dict[int, bytes] = field(default_factory=lambda: {0: ROOT})  # of nodes
    asks: dict[int, tuple[Place, int, int]] = field(
        default_factory=dict[int, tuple[Place, int, int]]
    )
    asked: Counter[Place] = field(default_factory=Counter[Place])
    handed: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])
    kept: Counter[int] = field(default_factory=Counter[int])  # continuations, by ask
    scores: defaultdict[int, dict[int, float | None]] = field(
        default_factory=lambda: defaultdict[int, dict[int, float | None]](dict)
    )

    def ask(self, number: int, place: Place, n: int) -> None:
        """An ask for n continuations of a place: they count on from those asked for there before."""
        self.asks[number] = place, self.asked[place], n
        self.asked[place] += n


class Recall:
    """The replies of a trace. Empty for a fresh run.

    A continuation is the same if it continues the same thoughts in the same manner, and is the same
    in number of those; so a plan with larger parameters finds what a smaller one paid for.

    spent   what all calls cost, by role; lost: the part of it that may have come and was not kept
    calls   how many were numbered
    aside   the part of `spent` that each sidecar spent
    noted, vetoed   digests of what sidecars have spoken of, and what they forbade
    ends    how often it was over; told: tokens of the answer, as the last end counted them
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.spent: dict[str, Usage] = defaultdict(Usage)
        self.lost: dict[str, Usage] = defaultdict(Usage)
        self.calls = 0
        self.aside: dict[str, Usage] = defaultdict(Usage)
        self.noted: set[str] = set()
        self.vetoed: dict[str, Vetoed] = {}
        self.ends, self.told = 0, 0
        self.kept: dict[tuple[Place, int], Kept] = {}
        self.script: deque[tuple[int, ...]] = deque()  # the order in which asks were handed over
        self._replies: dict[int, Replied] = {}
        self._chains: dict[int, dict[int, tuple[Step, ...]]] = {}
        self._grants: dict[int, int] = {}  # of a continuation, by call
        self._judging: Counter[int] = Counter()  # tokens that verifiers spent on an ask
        self._lent: dict[str, deque[Replied]] = defaultdict(deque)
        self._by: dict[int, str] = {}  # sidecars, by call
        self._open: dict[int, Called] = {}
        self._now = Segment()
        for event in events:
            self._take(event)
        self._end()
        for called in self._open.values():
            missed = missing(called)
            self.lost[called.role] += missed
            self.spent[called.role] += missed
        self._lose()
        self._now = Segment()

    # ---------------------------------------------------------------- the trace

    def _take(self, event: Event) -> None:
        now = self._now
        match event:
            case Resumed():
                self._end()
                self._now = Segment()
                self._lose()
                self._open.clear()  # counted as lost there
                for role, usage in event.lost.items():
                    if min(astuple(usage)) < 0:
                        raise ValueError("less than nothing was lost")
                    self.spent[role] += usage
            case Asked() if event.until is not None:
                also = [now.names[node] for node in event.also]
                place = placed(now.names[event.node], event.until, also, event.style or PLAIN)
                now.ask(event.ask, place, event.n)
            case Called():
                self.calls = max(self.calls, event.call)
                self._open[event.call] = event
                self._grants[event.call] = event.grant // max(1, len(event.children))
                if event.by:
                    self._by[event.call] = event.by
            case Billed():
                if min(astuple(event.usage)) < 0:
                    raise ValueError(f"call {event.call} was billed less than nothing")
                self.spent[event.role] += event.usage
                if by := self._by.get(event.call):
                    self.aside[by] += event.usage
                self._open.pop(event.call, None)
            case Replied():
                self._replies[event.call] = event
                self._chains[event.call] = dict(event.chains)
                if event.request:
                    self._lent[event.request].append(event)
                    chains = self._chains[event.call].values()
                    if event.role == "verifier":
                        self._judging[event.ask] += sum(s.tokens for c in chains for s in c)
                else:
                    for child in event.children:
                        self._keep(event.call, child, event.ask, child)
            case Recalled():
                self._keep(event.call, event.was, event.ask, event.child)
            case Born() | Merged():
                if isinstance(event, Born):
                    now.names[event.id] = named(now.names[event.parent], event.step)
                now.scores[event.ask][event.child] = event.score
            case Handed():
                now.handed.append(event.asks)
                for number in event.asks:  # before that, some of a call's scores may be missing
                    for child, score in now.scores.pop(number, {}).items():
                        if kept := self._found(number, child):
                            kept.score = score
            case Noted():
                self.noted.add(event.of)
            case Vetoed() if event.of:
                self.vetoed[event.of] = event
            case Finished():
                self.ends, self.told = self.ends + 1, event.usage.answer
                self._forget()
            case _:
                pass

    def _keep(self, call: int, was: int, ask: int, child: int) -> None:
        place, first, _ = self._now.asks[ask]
        where = place, first + child
        if where not in self.kept:
            steps = self._chains[call].get(was, ())
            failed = self._replies[call].failed
            self.kept[where] = Kept(call, was, steps, failed, self._grants.get(call, 0))
        self._now.kept[ask] += 1

    def _lose(self) -> None:
        """What was under way may have cost its sidecar as much."""
        for called in self._open.values():
            if called.by:
                self.aside[called.by] += missing(called)

    def _forget(self) -> None:
        """Whoever goes on with a run that ended wants what failed to be tried again."""
        for where in [where for where, kept in self.kept.items() if kept.failed]:
            del self.kept[where]
        for name, replies in self._lent.items():
            self._lent[name] = deque(reply for reply in replies if not reply.failed)

    def _found(self, ask: int, child: int) -> Kept | None:
        if ask not in self._now.asks:
            return None
        place, first, _ = self._now.asks[ask]
        return self.kept.get((place, first + child))

    def _end(self) -> None:
        """A segment is over: the script is its hand-overs, as far as all was kept, or a longer one's."""
        handed = self._now.handed
        whole = [*self.script][: len(handed)] == handed
        if whole and len(self.script) > len(handed):
            return
        self.script.clear()
        for numbers in handed:
            if not all(self._complete(number) for number in numbers):
                return
            self.script.append(numbers)

    def _complete(self, number: int) -> bool:
        asked = self._now.asks.get(number)  # None: nodes were weighed, and can be again
        return asked is None or self._now.kept[number] >= asked[2]

    # ---------------------------------------------------------------- the run that goes on

    def ask(self, work: Work) -> None:
        """An ask of the run that goes on takes its place."""
        ask = work.ask
        if self.kept and isinstance(ask, Expand):
            also = [self._name(node) for node in ask.also]
            place = placed(self._name(ask.node), ask.until, also, ask.style)
            self._now.ask(work.number, place, ask.n)

    def part(
        self, work: Work, rows: int, part: Part, each: int | None = None
    ) -> tuple[Part, list[Recalled]] | None:
        """The next of this ask's continuations that one call brought, as a call that is over.

        At most `rows`. One that was cut off is left out where it would be granted more now: `each`, as
        a rule what one call may have. What its grant left over stands in `part.spare`.
        """
        first = self._wanted(work, part, 0, each)
        if first is None:
            return None
        told: list[Recalled] = []
        kept: Kept | None = first
        while kept and kept.call == first.call and (kept.score is None) == (first.score is None):
            child = work.begun + len(told)
            told.append(Recalled(work.number, child, kept.call, kept.child))
            part.spare += kept.grant - sum(step.tokens for step in kept.steps)
            if kept.steps:
                part.chains[child] = [*kept.steps]
                part.scores[child] = kept.score
            kept = self._wanted(work, part, len(told)) if len(told) < rows else None
        part.spare -= self._judging[self._replies[first.call].ask]
        part.children = tuple([one.child for one in told])
        part.rows, part.failed, part.judged = len(told), first.failed, first.score is not None
        return part, told

    def gap(self, work: Work, rows: int, part: Part) -> int:
        """How many of the next `rows` continuations come before one that was kept."""
        if not self.kept:
            return rows
        return next((i for i in range(rows) if self._wanted(work, part, i)), rows)

    def _wanted(self, work: Work, part: Part, ahead: int, each: int | None = None) -> Kept | None:
        """The continuation so many ahead, unless it would be written further now."""
        kept = self._found(work.number, work.begun + ahead) if self.kept else None
        if kept is None or not kept.steps or not kept.steps[-1].cut or ended(work, kept):
            return kept
        room, most = part.meter.room(0), each or part.meter.budget.per_call
        return None if kept.grant < (most if room is None else min(most, room)) else kept

    def lent(self, request: str) -> Replied | None:
        """The reply to a verifier's or a sidecar's call that asked the same."""
        replies = self._lent.get(request)
        return replies.popleft() if replies else None

    def _name(self, node: Node) -> bytes:
        """A node's name, and those of all above it."""
        names, above = self._now.names, [node]
        while above[-1].id not in names and above[-1].parent is not None:
            above.append(above[-1].parent)
        for one in reversed(above[:-1]):
            assert one.parent is not None and one.step is not None
            names[one.id] = named(names[one.parent.id], one.step)
        return names[node.id]


def missing(called: Called) -> Usage:
    """The most that a call may have cost of which nothing more was heard."""
    return Usage(prompt=called.prompt, unseen=called.grant, calls=1)


def ended(work: Work, kept: Kept) -> bool:
    """Is a reply cut by what no budget changes: its style's limit, the server's filter?"""
    limit = work.ask.style.limit if isinstance(work.ask, Expand) else None
    told = sum(step.told for step in kept.steps)
    return kept.steps[-1].state == "filter" or (limit is not None and told >= limit)


def placed(name: bytes, until: Until, also: list[bytes], style: Style) -> Place:
    """What is continued, and how."""
    return name, until, tuple(also), style


def named(above: bytes, step: Step) -> bytes:
    """A name for the line of thought that ends with this step."""
    told = (step.text, step.kind, step.final, step.cut, step.answer)
    return blake2b(above + repr(told).encode(errors="surrogatepass"), digest_size=16).digest()


def digest(request: Request, by: str = "") -> str:
    """A name for what a verifier's call asks, or that of the sidecar `by`."""
    name = by.encode()
    for steps in (request.chain, *request.also):
        for step in steps:
            name = named(name, step)
        name = blake2b(name + b"|", digest_size=16).digest()
    told = (request.problem, request.seeds, request.until, request.max_tokens, request.style)
    return blake2b(name + repr(told).encode(errors="surrogatepass"), digest_size=16).hexdigest()
