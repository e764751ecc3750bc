"""The sidecars of one run, taken together: those that hold steps back, and those that take notes beside it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from system2.core import Node, Step, Usage, Vetoed
from system2.engine.aside import Aside, Side
from system2.engine.calls import Caller
from system2.engine.guard import Guard
from system2.engine.narration import Narration


class Sides:
    """What the engine tells its sidecars. `guard` is None where there are none: they cost nothing then."""

    def __init__(
        self,
        caller: Caller,
        asides: Sequence[Aside],
        ahead: Callable[[], Node | None],
        *,
        ordered: bool,
    ) -> None:
        names = Counter(aside.sidecar.name for aside in asides)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"two sidecars are called {twice[0]!r}; give each a name of its own")
        self.meter = caller.meter
        spent = caller.recall.spent.get("sidecar", Usage())
        if spent != Usage():
            gone = [usage for name, usage in caller.recall.aside.items() if name not in names]
            self.meter.book(sum(gone, Usage()), "sidecar")
        self.sides = [Side(aside, caller.problem, caller) for aside in asides]
        beside = [side for side in self.sides if not side.aside.sidecar.holds]
        self.narration = Narration(beside, caller.tell, ahead)
        self.guard: Guard | None = None
        if asides:
            holding = [side for side in self.sides if side.aside.sidecar.holds]
            self.guard = Guard(holding, self.narration.progress, caller.tell, ordered=ordered)
            if holding:
                caller.screened = self.guard.heard
            caller.stepped = self.guard.stepped

    @property
    def unpriced(self) -> bool:
        """Did one cost something whose price is unknown?"""
        return any(side.unpriced for side in self.sides)

    def begin(self) -> None:
        """The run begins: each keeps its share of the budget."""
        for side in self.sides:
            side.begin()

    def planted(self, ask: int, ends: Iterable[tuple[int, Node]]) -> None:
        """Continuations of an ask have grown into the tree, and end there."""
        self.narration.planted(ask, ends)

    def weighed(self, ask: int, nodes: Iterable[Node]) -> None:
        """Nodes have other scores now."""
        self.narration.weighed(ask, nodes)

    async def reply(self, ask: int, node: Node, steps: list[Step]) -> Vetoed | None:
        """The veto on a reply that was written to the line of `node`; None: it may be shown."""
        return await self.guard.reply(ask, node.chain(), steps) if self.guard else None

    async def end(self, *, hurry: bool) -> bool:
        """The run is over: notes under way have a moment, in a hurry none. Was it cancelled meanwhile?"""
        cancelled = False
        try:
            if self.guard:
                await self.guard.end()
            await self.narration.end(0.0 if hurry else self.meter.seconds_left())
        except asyncio.CancelledError:
            cancelled = True
        for side in self.sides:
            side.end()
        return cancelled
