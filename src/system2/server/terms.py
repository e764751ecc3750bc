"""What the searches of one request have in common, and how one of them is made. Knows neither API."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from system2.core import Event, Meter, Started
from system2.engine import Aside, Engine
from system2.options import Options
from system2.resuming import reopen
from system2.server.beside import labels
from system2.server.booking import Booking
from system2.server.data.keys import Key
from system2.server.data.limits import Ticket
from system2.server.errors import ApiError, invalid
from system2.server.jobs import Job
from system2.server.served import Served
from system2.server.server import Server
from system2.server.watch.spans import Answering
from system2.server.wire.wanted import Wanted
from system2.solve import compose, trace
from system2.store import Trace, folder, new_run, read

RESERVE = 2_048  # completion tokens set aside for the visible reply, at most
SHOWN = (
    "shown"  # the setting of a trace that names how much of the thoughts its request asked to see
)
SHARE = 4  # of a cap on tokens at most this part is set aside for it


@dataclass(frozen=True, slots=True)
class Behind:
    """How a request is thought about that nobody waits for.

    runs   the names of its searches, one an answer; one that was begun before under its name goes on
    meter  what all such requests share, so that they leave room for others
    """

    runs: tuple[str, ...]
    meter: Meter


@dataclass(frozen=True, slots=True)
class Terms:
    """What all searches of one request have in common.

    meter   above them all. sides: the side models of each. seen: the span of the request
    behind  nobody waits for them
    """

    wanted: Wanted
    served: Served
    key: Key
    request: str
    options: Options
    meter: Meter
    sides: Sequence[Aside]
    ticket: Ticket
    seen: Answering | None = None
    behind: Behind | None = None


def job(server: Server, terms: Terms, n: int) -> Job:
    """Search number `n` of a request, not yet started. Raises ApiError 400 where it cannot be composed."""
    own, served, key, behind = terms.options, terms.served, terms.key, terms.behind
    if n and "seed" in own:  # every answer has a seed of its own, and always the same
        mixed = random.Random(f"{own['seed']} {n}").getrandbits(63)
        own = cast(Options, {**own, "seed": mixed})
    before = told_before(behind.runs[n]) if behind else []
    engine = taken_up(behind.runs[n], terms, own) if behind and before else None
    if engine is None:
        run = behind.runs[n] if behind else new_run()
        try:
            engine = composed(terms, run, own)
        except ValueError as error:
            raise invalid(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
        engine.watchers.append(kept(run))
    if terms.wanted.visibility is not None:
        engine.settings |= {SHOWN: terms.wanted.visibility}
    engine.settings |= labels(terms.sides)
    made = Job(engine, key, served.name, options=own)
    return watch(server, made, served, terms.request, terms.ticket, terms.seen, before)


def kept(run: str) -> Trace:
    """The run's trace. Raises ApiError 503 where the disk does not take it."""
    try:
        return trace(run)
    except OSError as error:
        raise ApiError(
            503, "The server cannot keep the trace of a run, and begins none.", "server_error",
            type="server_error",
        ) from error  # fmt: skip


def composed(terms: Terms, run: str, options: Options) -> Engine:
    """The engine, with the visible reply and the side models it is to have. Raises ValueError."""
    served = terms.served
    return compose(
        terms.wanted.problem,
        options,
        run,
        policy=served.policy(options),
        parent=terms.meter,
        reserve=spared(served, options),
        sidecars=terms.sides,
    )


def watch(
    server: Server,
    job: Job,
    served: Served,
    request: str,
    ticket: Ticket | None,
    seen: Answering | None = None,
    before: Sequence[Event] = (),
) -> Job:
    """Who hears of its events: the ledger, and whoever counts, draws and logs.

    before  what it told in a process that may have died before all of it was booked
    """
    engine, key, price = job.engine, job.key, served.price
    engine.settings |= {"key": key.id, "served": served.name}  # whose run it is, for those who ask
    strategy = engine.settings.get("effort", "effort")
    counting = server.metrics.run(
        served.name, key.id, served.backend, strategy=strategy, price=price
    )
    job.after(counting.close)
    past = None if before else engine.recall  # what is caught up with is counted there
    booking = Booking(
        server.ledger, engine.name, key, served.name, request, price, ticket,
        ends=past.ends if past else 0, told=past.told if past else 0,
    )  # fmt: skip
    booking.catch_up(before)
    engine.watchers += [
        booking,
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


def told_before(run: str) -> list[Event]:
    """What the run of this name has told already; nothing where it never began. Raises ApiError 503."""
    path = folder() / f"{run}.jsonl"
    try:
        events = [*read(path)] if path.exists() else []
        if events and not isinstance(events[0], Started):
            raise ValueError("its trace does not begin at its beginning")
        if not events:  # it was killed before it had begun: nothing was spent
            path.unlink(missing_ok=True)
    except (ValueError, OSError) as error:
        raise stuck(error) from error
    return events


def taken_up(run: str, terms: Terms, options: Options) -> Engine:
    """The search of this name as it goes on, or ends as it did. Raises ApiError 503."""
    try:
        return again(run, terms.served, options, terms.meter, terms.sides)
    except (ValueError, OSError) as error:
        raise stuck(error) from error


def stuck(error: Exception) -> ApiError:
    """A search that was begun, and cannot go on just now."""
    said = f"The search that was begun cannot go on ({error})."
    return ApiError(503, said, "server_error", type="server_error")


def again(
    run: str, served: Served, options: Options, meter: Meter, sides: Sequence[Aside]
) -> Engine:
    """A run that was stopped, as it goes on: with its side models. Raises ValueError, OSError."""
    own = {name: value for name, value in options.items() if name not in ("seed", "reply")}
    return reopen(
        run,
        served.policy(options),
        meter,
        reserve=spared(served, options),
        sidecars=sides,
        **cast(Options, own),
    )


def spared(served: Served, options: Options) -> int:
    """Completion tokens set aside for the visible reply."""
    if served.local:  # it has said its answer, and may be asked for less of it
        return 1 if "reply" in options and options.get("tokens", 0) > 1 else 0
    return min(RESERVE, max(1, options.get("tokens", 0) // SHARE))
