"""A request's wish becomes running jobs: admitted, composed, watched, started. Knows neither API."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

from system2.core import Budget, Meter, Price
from system2.effort import EFFORTS
from system2.engine import Aside, Engine
from system2.options import Options
from system2.resuming import reopen
from system2.server.beside import beside, judge_of
from system2.server.booking import Booking
from system2.server.data.keys import Key
from system2.server.data.limits import Ticket
from system2.server.errors import ApiError, invalid
from system2.server.jobs import Job
from system2.server.served import MARGIN, Served
from system2.server.server import Server
from system2.server.watch.spans import Answering
from system2.server.wire.usage import Spent
from system2.server.wire.wanted import Visibility, Wanted
from system2.solve import compose, trace
from system2.store import Trace, new_run

RESERVE = 2_048  # completion tokens set aside for the visible reply, at most
SHARE = 4  # of a cap on tokens at most this part is set aside for it


@dataclass(slots=True)
class Begun:
    """The searches of one request, one for each answer that it wants.

    shared  the meter over them; capped: the request itself says what they may cost
    """

    jobs: list[Job]
    served: Served
    show: Visibility
    key: Key
    ticket: Ticket
    request: str
    shared: Meter
    capped: bool = False

    def common(self) -> Meter:
        """A meter over those that are to go on, like the one over all; what is over has spent its part."""
        if self.shared is self.served.meter:
            return self.shared
        self.shared = Meter(self.shared.budget, self.shared.price, self.served.meter)
        for one in self.jobs:
            for role, usage in (
                one.finished.roles if one.finished and not one.left else {}
            ).items():
                self.shared.book(usage, role)
        return self.shared

    def hold(self) -> None:
        """A request wants this; whoever calls it must `release` it, however the request ends."""
        for one in self.jobs:
            one.holds += 1

    def release(self) -> None:
        """A request wants it no more: what nobody else does is stopped."""
        for one in self.jobs:
            one.release()

    def settle(self) -> None:
        """Give back what was set aside beyond what was spent; once, when the last search is over."""
        if all(job.task is None or job.task.done() for job in self.jobs):
            spent = self.spent()
            self.ticket.settle(spent.policy.completion, spent.dollars)

    def spent(self) -> Spent:
        """What they cost; call it when all are over."""
        ends = [job.finished for job in self.jobs if job.finished]
        guessed = any(
            getattr(event, "estimated", False) for job in self.jobs for event in job.events
        )
        return Spent.of(ends, estimated=guessed)

    def live(self, wanted: Wanted) -> bool:
        """May the reply be shown as it is written? Not one that is checked, cut, judged or reworded first."""
        free = wanted.reply.format is None and not wanted.reply.stop
        return free and judge_of(wanted, self.served) is None and not self.served.local

    def settings(self) -> Mapping[str, str]:
        """How the first of them was told to think."""
        return self.jobs[0].engine.settings


async def begin(
    server: Server,
    wanted: Wanted,
    key: Key,
    request: str,
    *,
    background: bool = False,
    deadline: float | None = None,
    language: str | None = None,
    seen: Answering | None = None,
) -> Begun:
    """Start the searches of a request, held once: the caller must `release` them.

    Raises ApiError where it may not, or cannot, be thought about.
    deadline  seconds after which the client gives up
    language  the client's own, of its Accept-Language
    seen      the span of the request
    """
    if server.jobs.closing:
        raise ApiError(
            503, "The server is shutting down.", "overloaded", type="server_error",
            headers={"Retry-After": "5"},
        )  # fmt: skip
    served, carried = server.models.find(wanted.model)
    if not key.allows(served.name):
        raise ApiError(403, f"This key may not use {served.name}.", "model_not_allowed", "model")
    if why := served.unreadable(wanted.problem):  # nobody's failure: asking again would not help
        raise ApiError(400, f"{why[:1].upper()}{why[1:]}.", "context_length_exceeded")
    effort = effort_of(wanted, served, carried, key)
    options = options_of(wanted, served, effort, deadline)
    show = shown(wanted, served, key)
    tokens = (options.get("tokens") or EFFORTS[effort].tokens) * wanted.n
    ticket = await server.limits.admit(key, tokens, dollars_of(options, served.price, tokens))
    try:
        server.jobs.room()
        shared = parent(wanted, served)
        jobs = [
            job(server, wanted, served, key, request, options, shared, n, language, ticket, seen)
            for n in range(wanted.n)
        ]
    except BaseException:
        ticket.settle(0)
        raise
    capped = wanted.tokens is not None or wanted.dollars is not None
    begun = Begun(jobs, served, show, key, ticket, request, shared, capped)
    begun.hold()
    for one in jobs:
        one.background = background
        one.after(begun.settle)
        server.jobs.add(one)
    return begun


def effort_of(wanted: Wanted, served: Served, carried: str | None, key: Key) -> str:
    """The effort: of the request, of the model's name, of the model; `pro` above all. Raises ApiError."""
    effort = "pro" if wanted.pro else wanted.effort or carried or served.effort
    order = list(EFFORTS)
    if key.most_effort in order and order.index(effort) > order.index(key.most_effort):
        raise ApiError(
            403,
            f"This key may think with effort {key.most_effort} at most, {effort} was asked for.",
            "budget_not_allowed",
            "reasoning_effort",
        )
    return effort


def options_of(wanted: Wanted, served: Served, effort: str, deadline: float | None) -> Options:
    """What `solve` is told. Raises ApiError 400."""
    options: Options = {**served.options, "effort": effort}
    if wanted.samples is not None:
        options["samples"] = wanted.samples
        options.pop("routes", None)
    least = [n for n in (wanted.tokens, EFFORTS[effort].tokens) if n is not None]
    options["tokens"] = min(least) if wanted.dollars is None or wanted.tokens else max(least)
    if wanted.dollars is not None:
        if served.price is None:
            raise invalid(
                f"A budget in dollars was given, but the price of {served.name} is unknown; give one "
                "in tokens or seconds.",
                "system2.budget.usd",
            )
        options["dollars"] = wanted.dollars
    seconds = [wanted.seconds] if wanted.seconds is not None else []
    if deadline is not None:
        seconds.append(max(0.1, deadline - MARGIN, 0.5 * deadline))
    if seconds:
        options["seconds"] = min(seconds)
    if not served.local or wanted.reply.format:
        options["reply"] = wanted.reply
    if wanted.seed is not None:
        options["seed"] = wanted.seed
    return options


def dollars_of(options: Options, price: Price | None, tokens: int) -> Decimal | None:
    """The most this may cost, prompts left out; None where the price is unknown."""
    if "dollars" in options:
        return Decimal(str(options["dollars"]))
    return None if price is None else price.most(0, tokens)


def shown(wanted: Wanted, served: Served, key: Key) -> Visibility:
    """How much of the thoughts is shown. Raises ApiError 403 where the key may not see that much."""
    show = wanted.visibility or served.visibility
    if show == "raw" and not key.may("cot:read"):
        if wanted.visibility is None:
            return "summary"
        raise ApiError(
            403,
            "This key may not read the chain of thought; it needs the scope cot:read.",
            "insufficient_scope",
            "system2.reasoning_visibility",
        )
    return show


def parent(wanted: Wanted, served: Served) -> Meter:
    """The meter above the searches of one request: dollars are of all its answers together."""
    if wanted.n == 1 or wanted.dollars is None:
        return served.meter
    return Meter(Budget(dollars=wanted.dollars), served.price, served.meter)


def job(
    server: Server,
    wanted: Wanted,
    served: Served,
    key: Key,
    request: str,
    options: Options,
    shared: Meter,
    n: int,
    language: str | None,
    ticket: Ticket,
    seen: Answering | None,
) -> Job:
    """One search, not yet started. Raises ApiError 400 where it cannot be composed."""
    own = options
    if n and "seed" in options:  # every answer has a seed of its own, and always the same
        own = cast(
            Options, {**options, "seed": random.Random(f"{options['seed']} {n}").getrandbits(63)}
        )
    run = new_run()
    sides = beside(wanted, served, shown(wanted, served, key), key.locale, language)
    try:
        engine = composed(wanted, served, run, own, shared, sides)
    except ValueError as error:
        raise invalid(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    engine.settings |= {"key": key.id, "served": served.name}  # whose run it is, for those who ask
    engine.watchers.append(kept(run))
    made = Job(engine, key, served.name, options=own)
    return watch(server, made, served, request, ticket, seen)


def kept(run: str) -> Trace:
    """The run's trace. Raises ApiError 503 where the disk does not take it."""
    try:
        return trace(run)
    except OSError as error:
        raise ApiError(
            503, "The server cannot keep the trace of a run, and begins none.", "server_error",
            type="server_error",
        ) from error  # fmt: skip


def composed(
    wanted: Wanted,
    served: Served,
    run: str,
    options: Options,
    shared: Meter,
    sides: Sequence[Aside],
) -> Engine:
    """The engine, with the visible reply and the side models it is to have. Raises ValueError."""
    return compose(
        wanted.problem,
        options,
        run,
        policy=served.policy(options),
        parent=shared,
        reserve=0 if served.local else reserved(options.get("tokens", 0)),
        sidecars=sides,
    )


def watch(
    server: Server,
    job: Job,
    served: Served,
    request: str,
    ticket: Ticket | None,
    seen: Answering | None = None,
) -> Job:
    """Who hears of its events: the ledger, and whoever counts, draws and logs."""
    engine, key, price = job.engine, job.key, served.price
    strategy = engine.settings.get("effort", "effort")
    counting = server.metrics.run(
        served.name, key.id, served.backend, strategy=strategy, price=price
    )
    job.after(counting.close)
    engine.watchers += [
        Booking(server.ledger, engine.name, key, served.name, request, price, ticket),
        counting,
        server.logs.run(
            model=served.name, key=key.id, backend=served.backend, request=request, run=engine.name
        ),
    ]
    if server.spans is not None:
        drawing = (seen or server.spans).run(strategy, run=engine.name, price=price)
        job.after(drawing.close)
        engine.watchers.append(drawing)
    return job


def again(run: str, served: Served, options: Options) -> Engine:
    """A run that was stopped, as it goes on. Raises ValueError, OSError."""
    return reopen(run, served.policy(options), served.meter, **options)


def reserved(tokens: int) -> int:
    """Completion tokens set aside for the visible reply."""
    return min(RESERVE, max(1, tokens // SHARE))
