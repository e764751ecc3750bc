"""Calls to the verifier, under a deadline of its own. Knows nothing about trees or budgets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from system2.core import Chain, Failed, Problem, Step, Verifier
from system2.engine.calls import Caller, describe
from system2.engine.work import Part

HASTE = 10.0  # seconds that the verifier has for the answer of a run that was ended early
BRIEF = 1.0  # and where the run has no time left


class Judge:
    """Asks one verifier about one problem; a verifier that fails or is late cannot end the search."""

    def __init__(
        self, problem: Problem, verifier: Verifier | None, seconds: float, caller: Caller
    ) -> None:
        self.problem, self.verifier, self.seconds, self.caller = problem, verifier, seconds, caller

    async def verify(self, part: Part, before: list[Step]) -> None:
        """Score what a call brought after the steps `before`; what was cut off has no score."""
        whole = {child: steps for child, steps in part.chains.items() if not steps[-1].cut}
        scores = await self.scores(part, [[*before, *steps] for steps in whole.values()])
        part.scores = dict(zip(whole, scores, strict=True))

    async def last(self, chain: Chain, ask: int) -> list[float | None]:
        """The score of what is to be shown once the run is over: also where its time is."""
        meter = self.caller.meter
        part, left = Part(ask, meter, reserve=meter.budget.reserve), meter.seconds_left()
        try:
            most = HASTE if left is None else max(left, BRIEF)
            return await self.scores(part, [chain], min(self.seconds, most))
        finally:
            part.land()

    async def scores(
        self, part: Part, chains: Sequence[Chain], seconds: float | None = None
    ) -> list[float | None]:
        """One score a chain; None each where the verifier fails or is late, and for calls of tools."""
        calls = [bool(chain) and chain[-1].kind == "call" for chain in chains]
        if any(calls):  # whether a call is right, its result will show
            texts = [chain for chain, call in zip(chains, calls, strict=True) if not call]
            given = iter(await self.scores(part, texts, seconds))
            return [None if call else next(given) for call in calls]
        nothing: list[float | None] = [None] * len(chains)
        if not chains or not self.verifier:
            return nothing
        try:
            async with asyncio.timeout(seconds or self.seconds):
                lend = partial(self.caller.lend, part)
                scores = await self.verifier.score(self.problem, chains, lend)
            if len(scores) != len(chains):
                raise ValueError(f"{len(scores)} scores came for {len(chains)} chains")
        except TimeoutError as error:
            late = TimeoutError(
                f"the verifier took longer than {seconds or self.seconds:g} seconds"
            )
            self.caller.tell(Failed(part.ask, "verifier", describe(error if str(error) else late)))
            return nothing
        except Exception as error:  # noqa: BLE001  a verifier's fault must not end the search
            self.caller.tell(Failed(part.ask, "verifier", describe(error)))
            return nothing
        wrong = [score for score in scores if score is not None and not 0 <= score <= 1]
        if wrong:
            told = f"a score must be from 0 to 1, {wrong[0]} was given"
            self.caller.tell(Failed(part.ask, "verifier", told))
        return [s if s is not None and 0 <= s <= 1 else None for s in scores]
