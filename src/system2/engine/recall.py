"""What a run that goes on has paid for already: kept replies, found again by what was asked. No I/O, no money."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from system2.core import (
    PLAIN,
    Asked,
    Billed,
    Born,
    Called,
    Event,
    Expand,
    Handed,
    Merged,
    Node,
    Recalled,
    Replied,
    Request,
    Resumed,
    Step,
    Usage,
)
from system2.core.plan import Style, Until
from system2.engine.work import Part, Work

Place = tuple[Hashable, ...]
ROOT = b""


@dataclass(slots=True)
class Kept:
    """One continuation that was paid for. `judged`: its score, which may be None, is known."""

    call: int
    child: int
    steps: tuple[Step, ...]
    failed: bool
    judged: bool = False
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
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.spent: dict[str, Usage] = defaultdict(Usage)
        self.lost: dict[str, Usage] = defaultdict(Usage)
        self.calls = 0
        self.kept: dict[tuple[Place, int], Kept] = {}
        self.script: deque[tuple[int, ...]] = deque()  # the order in which asks were handed over
        self._replies: dict[int, Replied] = {}
        self._lent: dict[str, deque[Replied]] = defaultdict(deque)
        self._open: dict[int, Called] = {}
        self._now = Segment()
        for event in events:
            self._take(event)
        self._end()
        for called in self._open.values():
            missed = Usage(prompt=called.prompt, unseen=called.grant, calls=1)
            self.lost[called.role] += missed
            self.spent[called.role] += missed
        self._now = Segment()

    # ---------------------------------------------------------------- the trace

    def _take(self, event: Event) -> None:
        now = self._now
        match event:
            case Resumed():
                self._end()
                self._now = Segment()
                self._open.clear()  # counted as lost there
                for role, usage in event.lost.items():
                    self.spent[role] += usage
            case Asked() if event.until is not None:
                also = [now.names[node] for node in event.also]
                place = placed(now.names[event.node], event.until, also, event.style or PLAIN)
                now.ask(event.ask, place, event.n)
            case Called():
                self.calls = max(self.calls, event.call)
                self._open[event.call] = event
            case Billed():
                self.spent[event.role] += event.usage
                self._open.pop(event.call, None)
            case Replied():
                self._replies[event.call] = event
                if event.request:
                    self._lent[event.request].append(event)
                else:
                    chains = dict(event.chains)
                    for child in event.children:
                        self._keep(event, child, event.ask, child, chains.get(child, ()))
            case Recalled():
                reply = self._replies[event.call]
                chains = dict(reply.chains)
                self._keep(reply, event.was, event.ask, event.child, chains.get(event.was, ()))
            case Born() | Merged():
                if isinstance(event, Born):
                    now.names[event.id] = named(now.names[event.parent], event.step)
                kept = self._found(event.ask, event.child)
                if kept and event.score is not None:
                    kept.score = event.score
            case Handed():
                now.handed.append(event.asks)
                for number in event.asks:
                    for child in range(now.asks[number][2] if number in now.asks else 0):
                        if kept := self._found(number, child):
                            kept.judged = True
            case _:
                pass

    def _keep(
        self, reply: Replied, was: int, ask: int, child: int, steps: tuple[Step, ...]
    ) -> None:
        place, first, _ = self._now.asks[ask]
        where = place, first + child
        if where not in self.kept:
            self.kept[where] = Kept(reply.call, was, steps, reply.failed)

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
        return asked is None or all(self._found(number, child) for child in range(asked[2]))

    # ---------------------------------------------------------------- the run that goes on

    def ask(self, work: Work) -> None:
        """An ask of the run that goes on takes its place."""
        ask = work.ask
        if self.kept and isinstance(ask, Expand):
            also = [self._name(node) for node in ask.also]
            place = placed(self._name(ask.node), ask.until, also, ask.style)
            self._now.ask(work.number, place, ask.n)

    def part(self, work: Work, part: Part) -> tuple[Part, Recalled] | None:
        """The next continuation of this ask, if it was kept, as a call that is over."""
        child = work.begun
        kept = self._found(work.number, child)
        if kept is None:
            return None
        part.children, part.failed, part.judged = (child,), kept.failed, kept.judged
        if kept.steps:
            part.chains[child] = [*kept.steps]
            part.scores[child] = kept.score
        return part, Recalled(work.number, child, kept.call, kept.child)

    def gap(self, work: Work, rows: int) -> int:
        """How many of the next `rows` continuations come before one that was kept."""
        if not self.kept:
            return rows
        first = work.begun
        return next((i for i in range(rows) if self._found(work.number, first + i)), rows)

    def lent(self, request: str) -> Replied | None:
        """The reply to a verifier's call that asked the same."""
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


def placed(name: bytes, until: Until, also: list[bytes], style: Style) -> Place:
    """What is continued, and how."""
    return name, until, tuple(also), style


def named(above: bytes, step: Step) -> bytes:
    """A name for the line of thought that ends with this step."""
    told = (step.text, step.kind, step.final, step.cut, step.answer)
    return blake2b(above + repr(told).encode(errors="surrogatepass"), digest_size=16).digest()


def digest(request: Request) -> str:
    """A name for what a verifier's call asks."""
    name = ROOT
    for steps in (request.chain, *request.also):
        for step in steps:
            name = named(name, step)
        name = blake2b(name + b"|", digest_size=16).digest()
    told = (request.problem, request.seeds, request.until, request.max_tokens, request.style)
    return blake2b(name + repr(told).encode(errors="surrogatepass"), digest_size=16).hexdigest()
