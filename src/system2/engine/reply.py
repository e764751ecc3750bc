"""The last ask: the reply that is shown, written after the search is over. Grows no tree."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from system2.core import Expand, Failed, Fit, Form, Node, Step, Style, Tree
from system2.engine.calls import Caller
from system2.engine.line import Line, asked
from system2.engine.work import Part, Work

TRIES = 3  # of a reply that does not fit its form
FINALS = 8  # answers of the search that are looked at when no reply does
CHECK = 10.0  # seconds that looking at a reply has, also when the run's are over


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown. text None: nothing is; told: its tokens; cut: what ended it, "limit" or "filter".

    step  where it stands; None where an answer was put into a form
    """

    text: str | None = None
    told: int = 0
    cut: str = ""
    step: Step | None = None

    @property
    def refusal(self) -> bool:
        """Does the model say that it does not answer?"""
        return self.text is not None and self.step is not None and self.step.state == "refusal"

    @property
    def call(self) -> bool:
        """Is it calls of tools?"""
        return self.text is not None and self.step is not None and self.step.kind == "call"


@dataclass(slots=True)
class Replying:
    """Writes replies in one style.

    form    what the style's format asks for
    direct  nodes that the plan itself asked to be written as replies, and what each continues
    """

    style: Style
    form: Form | None
    line: Line
    direct: dict[int, Node] = field(default_factory=dict[int, Node])

    async def write(self, tree: Tree, node: Node) -> Shown:
        """The reply to `node`'s line of thought; if that fails or is late, its own answer is shown.

        A chosen call is the reply. A reply that does not fit the form is asked for again, TRIES in all;
        then the answers of the search are looked at.
        """
        own, place = answer(node), self.direct.get(node.id)
        if own.call:
            return own
        shown = read([node.step]) if place and node.step else await self.ask(node, self.style)
        if shown and shown.text is not None and shown.step and not shown.step.tokens:
            told = own.told if self.style.limit is None else min(own.told, self.style.limit)
            shown = replace(shown, told=told)  # said before, and paid for then
        if not self.form:
            return own if shown is None or (shown.text is None and own.text is not None) else shown
        try:
            return await self.fitted(tree, place or node, node, shown, self.form)
        except TimeoutError as error:
            self.fail(
                str(error) or "there was no time to check whether the reply is what was asked for"
            )
            return Shown()

    async def fitted(
        self, tree: Tree, place: Node, node: Node, shown: Shown | None, form: Form
    ) -> Shown:
        """This reply, a better one, or an answer of the search that fits. Raises TimeoutError."""
        for attempt in range(1, TRIES + 1):
            if shown is None or shown.text is None:
                break
            if shown.cut or shown.call or shown.refusal:
                return shown
            fit = await self.fit(form, shown.text)
            if fit.text is not None:
                return replace(shown, text=fit.text)
            self.fail(f"the reply is not what was asked for: {fit.complaint}")
            style = replace(self.style, complaint=fit.complaint)
            shown = await self.ask(place, style) if attempt < TRIES else None
        for text, told in self.answers(tree, node):
            for candidate in (text, form.filled(text)):
                fit = Fit(None) if candidate is None else await self.fit(form, candidate)
                if fit.text is not None:
                    return Shown(fit.text, told)
        self.fail("no answer of the search is what was asked for either")
        return Shown(cut=shown.cut if shown else "")

    async def fit(self, form: Form, text: str) -> Fit:
        """Look at one text. Raises TimeoutError."""
        left = self.line.meter.seconds_left()
        async with asyncio.timeout(None if left is None else max(left, CHECK)):
            return await form.fit(text)

    def answers(self, tree: Tree, node: Node) -> list[tuple[str, int]]:
        """Some answers of the search that may be shown, with their tokens; the chosen one first."""
        found: dict[str, int] = {}
        for one in (node, *tree.finals):
            step = one.step
            if step and step.answer is not None and step.kind != "call" and one.score != 0.0:
                found.setdefault(step.answer, step.told)
        return [*found.items()][:FINALS]

    async def ask(self, node: Node, style: Style) -> Shown | None:
        """One reply, written from the reserve; None if that fails or is late."""
        self.line.asked += 1
        return read(await replied(self.line.caller, self.line.asked, node, style))

    def fail(self, why: str) -> None:
        """Tell what is wrong with the last reply."""
        self.line.caller.tell(Failed(self.line.asked, "policy", why))


def answer(node: Node | None) -> Shown:
    """What a node itself says."""
    step = node.step if node else None
    return Shown() if step is None else Shown(step.answer, step.told, step=step)


def read(steps: Sequence[Step]) -> Shown | None:
    """The reply that these steps are; None where none came, or the call broke off.

    What was cut before its first word has no text.
    """
    if not steps:
        return None
    last, told = steps[-1], sum(step.told for step in steps)
    if not last.cut:
        return Shown(last.answer, told, step=last) if last.answer else None
    if last.state not in ("limit", "filter"):
        return None
    return Shown(last.text if last.kind == "reply" else None, told, last.state, last)


async def replied(caller: Caller, number: int, node: Node, style: Style) -> list[Step]:
    """Write the reply to `node`'s line of thought from the reserve; [] if that fails or is late."""
    ask = Expand(node, until="reply", style=style)
    caller.tell(asked(number, ask))
    meter, work = caller.meter, Work(number, ask)
    each = meter.budget.reserve or meter.budget.per_call
    caller.recall.ask(work)
    if kept := caller.recall.part(work, 1, Part(number, meter), each):
        part, told = kept
        caller.tell(told[0])
        return part.chains.get(0, [])
    part, trouble = None, ""
    try:
        async with asyncio.timeout(meter.seconds_left()):
            await asyncio.sleep(0)  # no call begins when there is no time
            part = await granted(caller, number, ask, each)
            if part:
                await caller.write(part)
            else:
                trouble = "no budget is left for the reply"
    except TimeoutError:
        trouble = "the reply came too late"
    finally:
        if part:
            part.land()
    if trouble:
        caller.tell(Failed(number, "policy", trouble))
    return part.chains.get(0, []) if part else []


async def granted(caller: Caller, number: int, ask: Expand, each: int) -> Part | None:
    """The call with its promise, once other searches leave room for it; None: there is none."""
    meter = caller.meter
    while not (part := caller.promised(number, ask, range(1), each, 0)) and not meter.idle:
        await meter.freed()
    return part
