"""Sidecars that look beside the search and leave notes: what is worth one, and when. Delays nothing, decides nothing.

While no line of thought is finished, the first that is written is followed, and after it any that gets further.
Then only milestones count: an answer that is new, one that overtakes another, one that was refuted.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from system2.core import Chain, Moment, Node, Note, Noted, Step, Watcher
from system2.engine.aside import Side, traced

LINGER = 2.0  # seconds that notes under way have at the end of the run
GRACE = 0.1  # seconds that cancelled ones have to end
MOST = 32  # notes of a sidecar in a run
STREAK = 3  # failures in a row after which a sidecar is not asked again


@dataclass(frozen=True, slots=True)
class Milestone:
    """Something worth a note, in continuation `child` of an ask."""

    ask: int
    child: int
    chain: Chain
    moment: Moment


@dataclass(slots=True)
class Reader:
    """One sidecar that takes notes, one after the other."""

    side: Side
    due: deque[Milestone] = field(default_factory=deque[Milestone])
    shown: Chain = ()
    notes: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def off(self) -> bool:
        """Is it not to be asked any more?"""
        return self.notes >= MOST or self.side.failures >= STREAK


class Narration:
    """The sidecars of one run that take notes. `ahead` says which line would answer now."""

    def __init__(self, sides: list[Side], tell: Watcher, ahead: Callable[[], Node | None]) -> None:
        self.readers = [Reader(side) for side in sides]
        self.tell, self.ahead = tell, ahead
        self.line: Milestone | None = None  # the line that is followed, as far as it is written
        self.lead: tuple[int, int] | None = None  # its continuation that is being written
        self.finished = False  # a line of thought is
        self.answers: set[str] = set()
        self.wrong: set[str] = set()
        self.first: str | None = None  # the answer that was ahead last
        self.over = False

    # ---------------------------------------------------------------- what happens in the search

    def progress(self, ask: int, child: int, chain: Chain) -> None:
        """A step of this chain has ended, and may be shown."""
        if self.finished or self.over or self.lead not in (None, (ask, child)):
            return
        if self.line and len(chain) <= len(self.line.chain):
            return
        self.lead = ask, child
        self.line = Milestone(ask, child, chain, Moment())
        self.wake()

    def planted(self, ask: int, ends: Iterable[tuple[int, Node]]) -> None:
        """These are the ends of an ask's continuations."""
        if not self.readers or self.over:
            return
        finals: list[tuple[int, Node]] = []
        for child, node in ends:
            if node.final:
                finals.append((child, node))
            else:
                self.progress(ask, child, node.chain())
                if self.lead == (ask, child):  # of other lines only their answers are worth a note
                    self.refuted(ask, child, node)
        for child, node in finals:
            self.finished = True
            self.arrived(ask, child, node)
        if self.lead and self.lead[0] == ask:
            self.lead = None
        if finals:
            self.compare(ask, finals[-1][0])
        self.wake()

    def weighed(self, ask: int, nodes: Iterable[Node]) -> None:
        """These nodes have other scores now."""
        for node in nodes if self.readers and not self.over else ():
            self.refuted(ask, 0, node)
        self.compare(ask, 0)
        self.wake()

    def arrived(self, ask: int, child: int, node: Node) -> None:
        """A line of thought is finished."""
        answer = (node.answer or "").strip()
        if not answer or self.refuted(ask, child, node) or answer in self.answers:
            return
        self.answers.add(answer)
        if self.first is None:
            self.first = answer
        self.add(ask, child, node, Moment("answer"))

    def refuted(self, ask: int, child: int, node: Node) -> bool:
        """Was the line found wrong?"""
        if node.score != 0.0:
            return False
        name = (node.answer or "").strip() or str(node.id)
        if name not in self.wrong:
            self.wrong.add(name)
            self.add(ask, child, node, Moment("wrong"))
        return True

    def compare(self, ask: int, child: int) -> None:
        """Has an answer overtaken another?"""
        node = self.ahead() if self.readers and self.answers and not self.over else None
        answer = ((node.answer if node else None) or "").strip()
        if not node or not answer or answer == self.first or node.score == 0.0:
            return
        before, self.first = self.first, answer
        if before is None:
            return
        for reader in self.readers:  # that it is there goes without saying then
            told = [m for m in reader.due if m.moment.what != "answer" or m.chain != node.chain()]
            reader.due = deque(told)
        self.answers.add(answer)
        self.add(ask, child, node, Moment("lead", other=before))

    def add(self, ask: int, child: int, node: Node, moment: Moment) -> None:
        """A milestone, for every sidecar."""
        for reader in self.readers:
            if len(reader.due) < MOST:
                reader.due.append(Milestone(ask, child, node.chain(), moment))

    # ---------------------------------------------------------------- notes

    def wake(self) -> None:
        """Let those who have nothing to do see whether they have now."""
        for reader in self.readers:
            if reader.task is None and not self.over and self.waits(reader):
                reader.task = asyncio.create_task(self.read(reader))

    def waits(self, reader: Reader) -> bool:
        """Is there something to say?"""
        if reader.off:
            return False
        chain = self.line.chain if self.line else ()
        new = chain[common(reader.shown, chain) :]
        enough = bool(new) and sum(step.tokens for step in new) >= reader.side.aside.every
        return bool(reader.due) or (enough and not self.finished)

    async def read(self, reader: Reader) -> None:
        """Note after note, until there is nothing to say."""
        try:
            while self.waits(reader):
                await self.say(reader)
        finally:
            reader.task = None

    async def say(self, reader: Reader) -> None:
        """One note."""
        if reader.due:
            stone = reader.due.popleft()
        elif self.line:
            stone = self.line
        else:
            return
        moment = Moment(stone.moment.what, common(reader.shown, stone.chain), stone.moment.other)
        reader.shown = stone.chain
        of = traced(stone.chain, f"{reader.side.name} {moment.what} ")
        if of in reader.side.recall.noted:  # said before the run was resumed
            reader.notes += 1
            return
        said = (await reader.side.look(stone.ask, stone.chain, moment)).said
        if isinstance(said, Note) and said.text.strip():
            reader.notes += 1
            name = reader.side.name
            self.tell(Noted(stone.ask, stone.child, said.text.strip(), name, moment.what, of))

    async def end(self, seconds: float | None) -> None:
        """Wait a little for the notes under way, then for nothing more."""
        tasks = [reader.task for reader in self.readers if reader.task]
        try:
            if tasks:
                linger = LINGER if seconds is None else min(LINGER, seconds)
                await asyncio.wait(tasks, timeout=linger)
        finally:
            self.over = True
            for task in tasks:
                task.cancel()
            if any(not task.done() for task in tasks):
                await asyncio.wait(tasks, timeout=GRACE)


def common(one: Chain, two: Chain) -> int:
    """How many steps two chains begin with alike."""
    n = 0
    while n < min(len(one), len(two)) and _same(one[n], two[n]):
        n += 1
    return n


def _same(one: Step, two: Step) -> bool:
    return one is two or (one.text, one.final, one.cut) == (two.text, two.final, two.cut)
