"""Drives one search. With calls.py the only code that awaits, spends and streams; alone it grows the tree."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import replace

from system2.core import (
    Ask,
    Born,
    Done,
    Event,
    Finished,
    Form,
    Handed,
    Merged,
    Meter,
    Node,
    Plan,
    Planted,
    Policy,
    Problem,
    Resumed,
    Scored,
    Started,
    Step,
    Strategy,
    Style,
    Tree,
    Usage,
    Verifier,
    Watcher,
    Weigh,
)
from system2.engine.aside import Aside
from system2.engine.calls import Caller
from system2.engine.line import BREATH, Line
from system2.engine.planting import Child, plant, weigh
from system2.engine.recall import Recall
from system2.engine.reply import Replying, Shown, answer
from system2.engine.scoring import Judge
from system2.engine.sides import Sides
from system2.engine.work import Work

STREAK = 8  # failures in a row that end a run
LOOKS = 8  # answers that a verifier is shown at the end of a run that broke it off


class Engine:
    """One search, from the first question to the last event.

    With a `seed`, replies are handed to the plan one at a time in the order of the asks, and the
    same seed gives the same tree; without, as they arrive. With a `recall` the run goes on: what
    was paid for is found there, and is not asked for again; `ordered` is then what it was. With a
    `reply` the answer is written anew in that style once the search is over, and fits the `form`.
    What a sidecar vetoes is not planted, and one that stops the run withholds its answer. Watchers
    are told every event; one that raises is dropped and ends the run.
    """

    def __init__(
        self,
        problem: Problem,
        strategy: Strategy,
        policy: Policy,
        meter: Meter,
        *,
        verifier: Verifier | None = None,
        seed: int | None = None,
        reply: Style | None = None,
        form: Form | None = None,
        verify_seconds: float = 30.0,
        run: str = "",
        settings: dict[str, str] | None = None,
        recall: Recall | None = None,
        ordered: bool | None = None,
        sidecars: Sequence[Aside] = (),
    ) -> None:
        self.problem, self.strategy, self.policy, self.meter = problem, strategy, policy, meter
        self.reply, self.ordered = reply, seed is not None if ordered is None else ordered
        self.seed = random.SystemRandom().getrandbits(63) if seed is None else seed
        self.name, self.settings = run, settings or {}
        self.watchers: list[Watcher] = []
        self.recall = recall
        self.caller = Caller(problem, policy, meter, self.seed, self.tell, self.watchers, recall)
        for role, usage in self.caller.recall.spent.items():
            if role != "sidecar":
                meter.book(usage, role)
        self.judge = judge = Judge(problem, verifier, verify_seconds, self.caller)
        self.tree = Tree()
        self.line = Line(
            self.caller, judge, meter, lambda: strategy.need(self.tree), ordered=self.ordered
        )
        self.sides = Sides(
            self.caller, sidecars, lambda: strategy.choose(self.tree), ordered=self.ordered
        )
        self.line.guard = self.sides.guard
        self.replying = Replying(reply, form, self.line) if reply else None
        self.shown = answer(None)  # after the run: what it shows, and where that stands
        self.streak = 0
        self.over = False
        self.barred = False  # was all that came last vetoed?
        self.halted = False  # by a veto: the run ends, and nothing of it is shown
        self.unjudged: set[Node] = set()  # lines whose verifier was broken off before it had looked
        self.ending = ""  # why someone asked the run to stop
        self.faults: list[Exception] = []  # of watchers
        self.heard: list[Watcher] = []  # those that have heard anything, dropped ones too

    # ---------------------------------------------------------------- the run

    async def run(self) -> Finished:
        """Search until the plan, the stop rule, the budget or somebody ends it; always an answer."""
        began = time.monotonic()
        if self.recall is None:
            self.tell(
                Started(self.name, self.problem, self.seed, self.ordered, self.settings, self.reply)
            )
        else:
            self.tell(Resumed(self.settings, {**self.recall.lost}))
        self.sides.begin()
        plan = self.strategy.plan(self.tree)
        cancelled = False
        try:
            why = await self.timed(plan)
        except asyncio.CancelledError:
            why, cancelled = "cancelled", True
        finally:
            cancelled = await self.drain(plan) or cancelled
        if self.streak and len(self.tree.nodes) == 1 and why in ("complete", "stuck"):
            why = "moderation" if self.barred else "failed"  # all that was asked
        node = self.strategy.choose(self.tree)
        why, refuted = self.ran_out(why, node), False
        if not cancelled and not self.halted:
            try:
                node = await self.looked(node)
            except asyncio.CancelledError:
                why, cancelled = "cancelled", True
        self.shown = shown = answer(node)
        if self.replying and node and not cancelled and not self.halted:
            try:
                self.shown = shown = await self.replying.write(self.tree, node)
                refuted = await self.wrong(node, shown)
                fresh = shown.step is not None and shown.step is not node.step  # not looked at yet
                said = [Step(shown.text, shown.told, "reply")] if fresh and shown.text else []
                if veto := await self.sides.reply(self.line.asked, node, said):
                    self.tell(veto)
                    self.halted = True
            except asyncio.CancelledError:
                why, cancelled = "cancelled", True
        cancelled = await self.sides.end(hurry=cancelled or self.halted) or cancelled
        if self.halted:
            why, self.shown = "moderation", answer(None)
            shown = self.shown
        roles = dict(self.meter.spent)
        roles["policy"] = roles.get("policy", Usage()).told(shown.told)
        end = Finished(
            node=node.id if node else None,
            answer=shown.text,
            why=self.ending or why,
            samples=len(self.tree.finals),
            usage=roles["policy"],
            roles=roles,
            cost=None if self.sides.unpriced else self.meter.cost,
            seconds=time.monotonic() - began,
            call=shown.call,
            cut=shown.cut,
            refuted=refuted or (node is not None and node.score == 0.0),
            refusal=shown.refusal and self.replying is not None and self.replying.form is not None,
        )
        self.tell(end)
        if cancelled:
            raise asyncio.CancelledError
        return replace(end, why=self.ending or why)

    def ran_out(self, why: str, node: Node | None) -> str:
        """Why it ended, where what ran out was dollars, or cut the only line there is."""
        step, room = node.step if node else None, self.meter.room(0)
        cut = why in ("complete", "stuck") and step is not None and step.cut
        if step and self.reply and self.reply.limit is not None and step.told >= self.reply.limit:
            cut = False  # it is as long as it was to be
        if cut and room is not None and room <= self.meter.budget.reserve:
            return "cost" if self.meter.dear(0) else "budget"
        return (self.caller.short or why) if cut or why == "budget" else why

    def stop(self, why: str) -> None:
        """End the run soon, with the best answer so far."""
        self.ending = self.ending or why
        self.line.stop()

    async def timed(self, plan: Plan) -> str:
        """Drive until the deadline, less what the reply needs."""
        seconds = self.meter.seconds_left()
        if seconds is not None and self.reply:
            seconds = max(0.0, seconds - self.meter.budget.reserve_seconds)
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await self.drive(plan)
        except TimeoutError:
            if not limit.expired():
                raise
            return "time"

    async def drive(self, plan: Plan) -> str:
        """Let the plan speak, begin what it asks, hand back what is done; say why it ended."""
        why, asks = "", next(plan, None)
        while asks is not None and not why:
            self.line.note(asks)
            why = await self.line.come() or self.ending
            if not why:
                done = self.hand(self.line.due())
                why = self.over_with()
                asks = say(plan, done)
                await self.line.breathe(len(done))
        if self.ordered and why in (
            "",
            "enough",
            "moderation",
        ):  # where a call is cut would hang on the clock
            await self.line.rest()
        return why or "complete"

    async def drain(self, plan: Plan) -> bool:
        """Break off what runs, plant all that was paid for. Was the run cancelled meanwhile?"""
        cancelled = await self.line.break_off()
        while numbers := sorted(self.line.begun)[:BREATH]:
            say(plan, self.hand(numbers))
        plan.close()
        return cancelled

    # ---------------------------------------------------------------- what the end is checked by

    async def looked(self, node: Node | None) -> Node | None:
        """The chosen node, once the verifier has looked at it: an end in haste spares no answer that."""
        for _ in range(LOOKS):
            if node is None or node not in self.unjudged or node.score is not None:
                break
            self.unjudged.discard(node)
            (score,) = await self.judge.last(node.chain(), self.line.asked)
            weigh([node], [score])
            self.tell(Scored(0, ((node.id, score),)))
            node = self.strategy.choose(self.tree)
        return node

    async def wrong(self, node: Node, shown: Shown) -> bool:
        """Is the answer that was written to a line without one refuted?"""
        if node.final or node.answer is not None or shown.step is None or not shown.step.answer:
            return False
        (score,) = await self.judge.last([*node.chain(), shown.step], self.line.asked)
        return score == 0.0

    # ---------------------------------------------------------------- replies

    def hand(self, numbers: list[int]) -> list[Done]:
        """Plant these asks' chains and tell so: on disk before the plan hears of it."""
        works = self.line.take(numbers)
        done = [self.plant(work) for work in works]
        failed = tuple(work.number for work in works if work.failed or work.vetoed)
        self.tell(Handed(tuple(numbers), failed))
        return done

    def plant(self, work: Work) -> Done:
        """Let an ask's chains grow into the tree: the only place it does."""
        ask = work.ask
        if isinstance(ask, Weigh):
            scores = work.parts[0].scores if work.parts else {}
            weigh(ask.nodes, [scores.get(n) for n in range(len(ask.nodes))])
            self.tell(Scored(work.number, tuple((node.id, node.score) for node in ask.nodes)))
            self.sides.weighed(work.number, ask.nodes)
            return Done(ask, list(ask.nodes))
        self.barred = work.barred
        self.streak = self.streak + 1 if work.failed or work.barred else 0
        for veto in (veto for part in work.parts for veto in part.vetoes):
            self.tell(veto)
            self.halted = self.halted or veto.stop
        children = [
            Child(number, steps, part.scores.get(number))
            for part in work.parts
            for number, steps in sorted(part.chains.items())
        ]
        failed = work.failed or work.vetoed  # a node of which something was vetoed stays open
        paths = plant(self.tree, self.strategy.key, ask, children, failed=failed)
        seen = {number for part in work.parts for number in part.scores}
        for child, path in zip(children, paths, strict=True):
            self.tell_path(work.number, child, path)
            if ask.verify and child.number not in seen and path[-1].node.final:
                self.unjudged.add(path[-1].node)
            if self.replying and ask.until == "reply":
                self.replying.direct[path[-1].node.id] = ask.node
        ends = [(c.number, path[-1].node) for c, path in zip(children, paths, strict=True)]
        self.sides.planted(work.number, ends)
        return Done(ask, [path[-1].node for path in paths])

    def tell_path(self, number: int, child: Child, path: list[Planted]) -> None:
        """Tell of every node that a chain passed; the score belongs to the last."""
        for planted in path:
            node, score = planted.node, child.score if planted is path[-1] else None
            if planted.new and node.parent and node.step:
                self.tell(Born(number, child.number, node.id, node.parent.id, node.step, score))
            else:
                self.tell(Merged(number, child.number, node.id, score))

    def over_with(self) -> str:
        """Why the search is over after what was just handed over; empty: it goes on."""
        if self.halted:
            return "moderation"
        if self.streak >= STREAK:
            return "moderation" if self.barred else "failed"
        return "enough" if self.enough() else ""

    def enough(self) -> bool:
        """Does the stop rule hold? Asked when a wave of answers is in, else at every hand-over."""
        return not self.line.flying and self.strategy.need(self.tree) == 0

    def tell(self, event: Event) -> None:
        """Tell the watchers; one that fails is dropped, and ends the run. After the end, silence."""
        if self.over:
            return
        self.over = isinstance(event, Finished)
        if isinstance(event, Started | Resumed):
            self.heard = [*self.watchers]
        for watcher in [*self.watchers]:
            try:
                watcher(event)
            except Exception as error:  # noqa: BLE001  a full disk must not lose the answer
                self.watchers.remove(watcher)
                self.faults.append(error)
                self.stop("watcher")


def say(plan: Plan, done: list[Done]) -> list[Ask] | None:
    """Tell the plan what is done; what it asks next, None if it has ended."""
    try:
        return plan.send(done)
    except StopIteration:
        return None
