"""Sidecars that hold: what they forbid is cut off between writing and planting. Grows no tree, spends nothing itself.

Steps are looked at while their line is being written; nothing is planted that was not looked at. In which groups
steps are shown hangs on their tokens alone, so that the tree never hangs on when a sidecar speaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from system2.core import Chain, Moment, Piece, Step, Veto, Vetoed, Watcher
from system2.engine.aside import Side, traced
from system2.engine.screen import Screen
from system2.engine.work import Part

GRACE = 0.1  # seconds for looks at what is left when the run is over

Cleared = Callable[[int, int, Chain], None]


@dataclass(slots=True)
class Thread:
    """A continuation on its way: the thoughts before it, its steps, how many of them may be planted."""

    ask: int
    child: int
    before: list[Step]
    steps: list[Step] = field(default_factory=list[Step])
    read: int = 0
    veto: Vetoed | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def group(self, every: int, *, whole: bool) -> int:
        """Where the next group of steps ends that is to be looked at; 0: it is not full yet."""
        tokens = 0
        for n in range(self.read, len(self.steps)):
            tokens += self.steps[n].tokens
            if tokens >= every and not (self.steps[n].final or self.steps[n].cut):  # these may grow
                return n + 1
        return len(self.steps) if whole and self.read < len(self.steps) else 0


class Guard:
    """The sidecars that hold, for all lines of one run. `cleared` hears of what may be shown, `tell` pieces of it.

    barred   the veto on a reply that was broken off for it
    ordered  a stream is never broken off because of a veto: what that saves would hang on the clock
    """

    def __init__(
        self, sides: list[Side], cleared: Cleared, tell: Watcher, *, ordered: bool
    ) -> None:
        self.sides, self.cleared, self.tell, self.ordered = sides, cleared, tell, ordered
        self.free = not any(side.aside.sidecar.tokens for side in sides)
        self.screens: dict[int, Screen] = {}  # of replies that are being written
        self.barred: Vetoed | None = None
        self.every = min((side.aside.every for side in sides), default=0)
        self.threads: dict[int, dict[int, Thread]] = {}  # of parts that are not in, by child
        self.befores: dict[int, list[Step]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, part: Part, before: list[Step]) -> None:
        """A part sets out: the thoughts before it."""
        self.befores[id(part)] = before
        self.threads[id(part)] = {}

    def thread(self, part: Part, child: int, steps: list[Step]) -> Thread:
        """The continuation, with the steps it has now."""
        threads = self.threads[id(part)]
        if child not in threads:
            threads[child] = Thread(part.ask, child, self.befores[id(part)])
        threads[child].steps = steps
        return threads[child]

    def heard(self, part: Part, piece: Piece) -> None:
        """A piece of a stream. Thoughts are shown once they are planted; a reply as it is read.

        Where a look costs something a reply is looked at once, and shown when it is whole.
        """
        lone = part.request is not None and part.request.until == "reply" and part.request.n == 1
        if not (lone and piece.reply and self.free):
            return
        if id(part) not in self.screens:
            self.screens[id(part)] = self.screen(part, piece)
        self.screens[id(part)].feed(piece.text)

    def screen(self, part: Part, piece: Piece) -> Screen:
        """What a reply goes out through."""
        assert part.request
        thoughts = [*part.request.chain]

        async def look(before: str, text: str) -> Vetoed | None:
            read = [*thoughts, *([Step(before, 0, "reply")] if before else [])]
            chain, moment = [*read, Step(text, 0, "reply")], Moment("reply", len(read))
            return await self.verdict(piece.ask, piece.child, 0, chain, moment)

        def barred(veto: Vetoed, out: bool) -> None:
            part.enough = not self.ordered
            if (
                id(part) in self.threads
            ):  # a line of the search: what is out cannot be said otherwise
                thread = self.thread(part, piece.child, [])
                thread.veto = replace(veto, stop=veto.stop or out)
            else:
                self.barred = veto

        return Screen(piece.ask, piece.child, look, self.tell, barred)

    def stepped(self, part: Part, child: int, steps: list[Step]) -> None:
        """A step has ended in a stream."""
        if id(part) not in self.threads:
            return
        thread = self.thread(part, child, steps)
        if not self.sides:
            self.cleared(thread.ask, child, [*thread.before, *steps])
        elif not thread.veto and not thread.turn.locked() and thread.group(self.every, whole=False):
            task = asyncio.create_task(self.live(part, thread))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def live(self, part: Part, thread: Thread) -> None:
        """Look while the line is being written, and break the stream off where no more of it can be planted."""
        await self.clear(thread, whole=False)
        if thread.veto and not self.ordered:
            threads = self.threads.get(id(part), {})
            barred = [child for child, one in threads.items() if one.veto]
            part.enough = thread.veto.stop or len(barred) == len(part.children)

    async def hold(self, part: Part) -> None:
        """Look at all that has not been looked at, and cut off what is vetoed."""
        self.shut(part)
        if self.sides:
            threads = [self.thread(part, n, steps) for n, steps in sorted(part.chains.items())]
            async with asyncio.TaskGroup() as group:
                for thread in threads:
                    group.create_task(self.clear(thread, whole=True))
        self.cut(part)

    async def clear(self, thread: Thread, *, whole: bool) -> None:
        """Look at group after group; a veto is the end of the line."""
        async with thread.turn:
            while not thread.veto and (end := thread.group(self.every, whole=whole)):
                chain = [*thread.before, *thread.steps[:end]]
                since = len(thread.before) + thread.read
                thread.veto = await self.verdict(
                    thread.ask, thread.child, thread.read, chain, Moment("step", since)
                )
                if not thread.veto:
                    thread.read = end
                    self.cleared(thread.ask, thread.child, chain)

    async def verdict(
        self, ask: int, child: int, step: int, chain: Chain, moment: Moment
    ) -> Vetoed | None:
        """What all say of one chain: the first veto in the order of the sidecars, a stop before others."""
        of = traced(chain, moment.what)
        if known := self.sides[0].recall.vetoed.get(of):
            return Vetoed(ask, child, step, known.reason, known.stop, known.by, of)
        looks = await asyncio.gather(*(side.look(ask, chain, moment) for side in self.sides))
        vetoes = [
            forbidden(ask, child, step, look.said, side.name, "" if look.failed else of)
            for side, look in zip(self.sides, looks, strict=True)
            if isinstance(look.said, Veto)
        ]
        return min(vetoes, key=lambda veto: not veto.stop, default=None)

    def shut(self, part: Part) -> None:
        """Nothing more of it is let out."""
        if screen := self.screens.pop(id(part), None):
            screen.close()

    def cut(self, part: Part) -> None:
        """Leave of a part's chains what may be planted. It is in."""
        for child, thread in sorted(self.threads.pop(id(part), {}).items()):
            if thread.veto and child in part.chains:
                part.vetoes.append(thread.veto)
                del part.chains[child][thread.veto.step :]
                if not part.chains[child]:
                    del part.chains[child]
        self.befores.pop(id(part), None)

    async def close(self, parts: Iterable[Part]) -> bool:
        """The run is over: a last short look at what is about to be planted. Was it cancelled meanwhile?

        What a strict sidecar has not seen by then is not planted.
        """
        cancelled = False
        left = [part for part in parts if id(part) in self.threads]
        try:
            async with asyncio.timeout(GRACE), asyncio.TaskGroup() as group:
                for part in left:
                    group.create_task(self.hold(part))
        except TimeoutError:
            pass  # what was not looked at in time is dealt with below
        except asyncio.CancelledError:
            cancelled = True
        for part in left:
            if id(part) in self.threads:
                self.late(part)
        return cancelled

    def late(self, part: Part) -> None:
        """There is no time for another look."""
        for child, steps in part.chains.items():
            thread = self.thread(part, child, steps)
            if thread.veto or thread.read >= len(steps):
                continue
            thread.veto = self.unseen(
                part.ask, child, thread.read, "the run ended before it looked"
            )
        self.cut(part)

    def unseen(self, ask: int, child: int, step: int, trouble: str) -> Vetoed | None:
        """No sidecar had the time to look: a failure of each, and a veto where one is strict."""
        veto: Vetoed | None = None
        for side in self.sides:
            said = side.failed(ask, trouble).said
            if isinstance(said, Veto) and not veto:
                veto = forbidden(ask, child, step, said, side.name, "")
        return veto

    async def reply(self, ask: int, before: list[Step], steps: list[Step]) -> Vetoed | None:
        """May the reply not be shown?"""
        for screen in self.screens.values():
            screen.close()
        self.screens.clear()
        if self.barred:
            return self.barred
        if not self.sides or not steps:
            return None
        left = self.sides[0].meter.seconds_left()
        try:
            async with asyncio.timeout(None if left is None else max(GRACE, left)):
                moment = Moment("reply", len(before))
                return await self.verdict(ask, 0, 0, [*before, *steps], moment)
        except TimeoutError:
            return self.unseen(ask, 0, 0, "the time of the run is over")

    async def end(self) -> None:
        """Look at nothing more."""
        for screen in self.screens.values():
            screen.close()
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=GRACE)


def forbidden(ask: int, child: int, step: int, veto: Veto, by: str, of: str) -> Vetoed:
    """The event of a veto; `of` is empty where it is not to stand when the run goes on."""
    return Vetoed(ask, child, step, veto.reason, veto.stop, by, of)
