"""A call lent outside any run: for a judge that is asked by itself. Promised, metered and tried again like any other."""

from __future__ import annotations

from system2.core import (
    Bill,
    CallFailed,
    Event,
    Meter,
    Policy,
    Problem,
    Reply,
    Request,
    Usage,
    Watcher,
    Write,
)
from system2.engine.calls import Caller, granted
from system2.engine.work import Part


def lone(policy: Policy, meter: Meter, role: str = "sidecar", tell: Watcher | None = None) -> Write:
    """A `write` whose calls go to this policy, are paid from this meter, and are told to `tell`.

    It waits for no room. Raises CallFailed where there is none for the whole call, or the call fails.
    """

    def hear(event: Event) -> None:
        if tell:
            tell(event)

    caller = Caller(Problem(()), policy, meter, 0, hear, ())

    async def write(request: Request) -> Reply:
        promise = meter.promise(request.n, policy.prompt_bound(request), request.max_tokens)
        if promise is None or granted(request, promise) is not request:
            if promise:
                meter.settle(promise, Usage(), role)
            raise CallFailed("no budget is left for this call", retry=False)
        children = tuple(range(request.n))
        part = caller.numbered(Part(0, meter, children, request, [promise], role=role))
        try:
            await caller.write(part)
        finally:
            part.land()
        if part.failed:
            raise CallFailed("the call failed", retry=False)
        return Reply([*part.chains.values()], Bill(part.usage, part.estimated))

    return write
