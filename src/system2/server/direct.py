"""Calls to a model that no search makes: admitted, metered, told and booked like those of one. Knows no endpoint."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from system2.core import (
    Billed,
    CallFailed,
    Event,
    Message,
    Meter,
    Problem,
    Reply,
    Request,
    Usage,
    Watcher,
)
from system2.core.policy import Bill
from system2.engine.calls import Caller
from system2.engine.work import Part
from system2.server.booking import Booking
from system2.server.data.keys import Key
from system2.server.errors import ApiError
from system2.server.served import Served
from system2.server.server import Server

ROLES = {"policy": "visible", "verifier": "evaluator", "sidecar": "moderation"}
"""How the metrics name what calls of a role wrote."""


@dataclass(slots=True)
class Direct:
    """The calls of one request to one model.

    role   whose they are in the ledger
    usage  of all so far; estimated: not every backend told
    """

    server: Server
    served: Served
    key: Key
    request: str
    role: str
    meter: Meter
    usage: Usage = field(default_factory=Usage)
    estimated: bool = False
    watchers: list[Watcher] = field(default_factory=list[Watcher])
    _caller: Caller | None = None
    _calls: int = 0

    def tell(self, event: Event) -> None:
        """An event of a call: its bill is booked, counted, and added up."""
        if isinstance(event, Billed):
            self.usage += event.usage
            self.estimated = self.estimated or event.estimated
            self._count(event.usage)
        for watcher in self.watchers:
            watcher(event)

    def bill(self, usage: Usage, *, estimated: bool = False) -> None:
        """A call made by other ways than `write` is over, and cost this."""
        self._calls += 1
        self.meter.book(usage, self.role)
        self.tell(Billed(0, self._calls, self.role, usage, estimated))

    async def write(self, request: Request) -> Reply:
        """One call as verifiers and sidecars are lent it: with a slot, tried again, paid. Raises CallFailed."""
        if self._caller is None:
            policy = self.served.policy(self.served.options)
            nothing = Problem((Message("user", ""),))
            self._caller = Caller(nothing, policy, self.meter, 0, self.tell, ())
            self._caller.calls = self._calls
        caller = self._caller
        bound = caller.policy.prompt_bound(request)
        promise = self.meter.promise(request.n, bound, request.max_tokens)
        if promise is None:
            raise CallFailed("no budget is left for this call", retry=False)
        children = tuple(range(request.n))
        part = caller.numbered(Part(0, self.meter, children, request, [promise], role=self.role))
        try:
            await caller.write(part)
        finally:
            part.land()
        if part.failed:
            raise CallFailed("the model behind this server failed", retry=False)
        return Reply([*part.chains.values()], Bill(part.usage, part.estimated))

    def _count(self, usage: Usage) -> None:
        """For Prometheus."""
        to, price = self.server.metrics.instruments, self.served.price
        model = to.model(self.served.name)
        for kind, tokens in (
            ("prompt", usage.prompt),
            ("cached", usage.cached),
            (ROLES[self.role], usage.completion),
        ):
            if tokens:
                to.tokens.labels(model, kind).inc(tokens)
        if price is not None:
            to.cost.labels(model, to.key(self.key.id)).inc(float(price.of(usage)))


@asynccontextmanager
async def direct(
    server: Server,
    served: Served,
    key: Key,
    request: str,
    *,
    tokens: int,
    prompt: int = 0,
    role: str = "policy",
    above: Meter | None = None,
) -> AsyncGenerator[Direct]:
    """Calls of one request, which may write and read so many tokens at most; settled when the block ends.

    above  the meter that they share with others; None: the model's own
    Raises ApiError 403, 429, 503 where they may not be made.
    """
    if server.jobs.closing:
        raise ApiError(
            503, "The server is shutting down.", "overloaded", type="server_error",
            headers={"Retry-After": "5"},
        )  # fmt: skip
    if not key.allows(served.name):
        raise ApiError(403, f"This key may not use {served.name}.", "model_not_allowed", "model")
    price = served.price
    most = None if price is None else price.most(prompt, tokens)
    ticket = await server.limits.admit(key, tokens, most)
    one = Direct(
        server, served, key, request, role, Meter(price=price, parent=above or served.meter)
    )
    one.watchers.append(Booking(server.ledger, request, key, served.name, request, price))
    try:
        yield one
    finally:
        ticket.settle(one.usage.completion, None if price is None else price.of(one.usage))


def failed(error: CallFailed) -> ApiError:
    """What a client is told of a call that failed."""
    return ApiError(
        502, f"{str(error)[:1].upper()}{str(error)[1:]}.", "server_error", type="server_error"
    )
