"""The last ask: the reply that is shown, written after the search is over. Grows no tree."""

from __future__ import annotations

import asyncio

from system2.core import Expand, Failed, Node, Step
from system2.engine.calls import Caller
from system2.engine.line import asked
from system2.engine.work import Part, Work


async def replied(caller: Caller, number: int, node: Node) -> list[Step]:
    """Write the reply to `node`'s line of thought from the reserve; [] if that fails or is late."""
    ask = Expand(node, until="reply")
    caller.tell(asked(number, ask))
    meter, work = caller.meter, Work(number, ask)
    caller.recall.ask(work)
    if kept := caller.recall.part(work, 1, Part(number, meter)):
        part, told = kept
        caller.tell(told[0])
        return whole(part)
    part, trouble = None, ""
    try:
        async with asyncio.timeout(meter.seconds_left()):
            await asyncio.sleep(0)  # no call begins when there is no time
            part = await granted(caller, number, ask)
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
    return whole(part) if part else []


def whole(part: Part) -> list[Step]:
    """The reply that came; [] where it was cut off."""
    steps = part.chains.get(0, [])
    return [] if steps and steps[-1].cut else steps


async def granted(caller: Caller, number: int, ask: Expand) -> Part | None:
    """The call with its promise, once other searches leave room for it; None: there is none."""
    meter = caller.meter
    each = meter.budget.reserve or meter.budget.per_call
    while not (part := caller.promised(number, ask, range(1), each, 0)) and not meter.idle:
        await meter.freed()
    return part
