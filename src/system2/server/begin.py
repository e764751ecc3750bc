"""A request's wish becomes running jobs: admitted, composed, watched, started. Knows neither API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from system2.core import Budget, Meter, Style
from system2.effort import EFFORTS
from system2.options import Options
from system2.server.beside import beside, judge_of
from system2.server.data.keys import Key
from system2.server.data.limits import Ticket
from system2.server.errors import ApiError, invalid
from system2.server.jobs import Job
from system2.server.served import MARGIN, Served
from system2.server.server import Server
from system2.server.spending import admitted, hold, lowered, permitted
from system2.server.suits import sentence, unsuited
from system2.server.terms import Behind, Terms, job
from system2.server.watch.spans import Answering
from system2.server.wire.declined import declined
from system2.server.wire.outcome import Outcome, outcome
from system2.server.wire.usage import Spent
from system2.server.wire.wanted import Visibility, Wanted
from system2.sidecars import language as languages
from system2.verifiers.form import sound

LINE = 640  # tokens of a line of thought of the embedded model, at most: no limit above it binds


@dataclass(slots=True)
class Begun:
    """The searches of one request, one for each answer that it wants.

    terms  how they were begun; None: in another process
    declined  what is said where the embedded model declines; empty: its own words
    """

    jobs: list[Job]
    served: Served
    show: Visibility
    key: Key
    ticket: Ticket
    request: str
    terms: Terms | None
    declined: str = ""

    def outcome(self, n: int, tag: str, wanted: Wanted) -> Outcome:
        """Answer number `n`, whose search is over. Raises ApiError where it broke, or its backend failed."""
        job = self.jobs[n]
        end, nodes = job.finished, job.engine.tree.nodes
        if end is None:
            raise ApiError(500, "The search broke off.", "server_error", type="server_error")
        node = nodes[end.node] if end.node is not None else None
        whole = wanted.exhausted == "incomplete"
        try:
            return outcome(
                end, node, stop=wanted.reply.stop, whole=whole, tag=tag, declined=self.declined
            )
        except ApiError as error:  # it may have turned out that it takes no images
            raise unsuited(wanted, self.served) or error from None

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
        """May the reply be shown as it is written? Not one that is checked, cut or reworded first.

        Of one that is judged the engine tells only what was cleared, and nothing of its tokens.
        """
        free = wanted.reply.format is None and not wanted.reply.stop
        judged = judge_of(wanted, self.served) is not None
        return (
            free
            and not (judged and wanted.reply.top_logprobs is not None)
            and not self.served.local
        )

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
    behind: Behind | None = None,
) -> Begun:
    """Start the searches of a request, held once: the caller must `release` them.

    Raises ApiError where it may not, or cannot, be thought about.
    deadline  seconds after which the client gives up
    language  the client's own, of its Accept-Language
    seen      the span of the request
    behind    nobody waits for it
    """
    served, carried = server.models.find(wanted.model)
    opens(server, key, served)
    await form(wanted)
    if error := unsuited(wanted, served):  # nobody's failure: asking again would not help
        raise error
    effort = effort_of(wanted, served, carried, key)
    options = options_of(wanted, served, effort, deadline)
    hold(wanted, options, key)
    show = shown(wanted, served, key)
    ticket = await admitted(server.limits, key, served, wanted.problem, options, wanted.n)
    try:
        server.jobs.room()
        above = behind.meter if behind else served.meter
        shared = parent(wanted.n, options, served, above)
        sides = beside(wanted, served, show, key.locale, language)
        terms = Terms(wanted, served, key, request, options, shared, sides, ticket, seen, behind)
        jobs = [job(server, terms, n) for n in range(wanted.n)]
    except BaseException:
        ticket.settle(0)
        raise
    said = declined(speaks(wanted, served, key, language)) if served.local else ""
    begun = Begun(jobs, served, show, key, ticket, request, terms, said)
    begun.hold()
    for one in jobs:
        one.background = background
        one.after(begun.settle)
        server.jobs.add(one)
    return begun


def speaks(wanted: Wanted, served: Served, key: Key, header: str | None) -> str:
    """The language of what we ourselves tell the client."""
    try:
        return languages.chosen(wanted.language, served.language or key.locale, header)
    except ValueError:  # told where it matters more
        return languages.DEFAULT


def opens(server: Server, key: Key, served: Served) -> None:
    """Raises ApiError 503 where the server takes nothing new, 403 where the key may not use this model."""
    if server.jobs.closing:
        raise ApiError(
            503, "The server is shutting down.", "overloaded", type="server_error",
            headers={"Retry-After": "5"},
        )  # fmt: skip
    server.jobs.room()
    if not key.allows(served.name):
        raise ApiError(403, f"This key may not use {served.name}.", "model_not_allowed", "model")


async def form(wanted: Wanted) -> None:
    """Look at the schema that the reply is to satisfy, where nobody waits for that. Raises ApiError 400."""
    if wanted.reply.format and wanted.reply.format.schema:
        try:
            await asyncio.to_thread(sound, wanted.reply.format.schema)
        except ValueError as error:
            raise invalid(sentence(str(error)), wanted.form, "invalid_json_schema") from error


def effort_of(wanted: Wanted, served: Served, carried: str | None, key: Key) -> str:
    """The effort: of the request, of the model's name, of the model; `pro` above all.

    What nobody asked for is cut to what the key may; what was asked for, and is more, is refused. Raises ApiError.
    """
    asked = "pro" if wanted.pro else wanted.effort or carried
    if asked is None:
        return lowered(served.effort, key)
    permitted(asked, key)
    return asked


def options_of(wanted: Wanted, served: Served, effort: str, deadline: float | None) -> Options:
    """What `solve` is told. Raises ApiError 400."""
    options: Options = {**served.options, "effort": effort}
    if wanted.samples is not None:
        options["samples"] = wanted.samples
        options.pop("routes", None)
    budget = wanted.tokens or EFFORTS[effort].tokens
    options["tokens"] = budget if wanted.most is None else min(budget, wanted.most)
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
    limit = wanted.reply.limit
    if not served.local or wanted.reply.format:
        options["reply"] = wanted.reply
    elif limit is not None and limit < options.get("per_call", LINE):
        options["reply"] = Style(limit=limit, stop=wanted.reply.stop)
    if wanted.seed is not None:
        options["seed"] = wanted.seed
    return options


def shown(wanted: Wanted, served: Served, key: Key) -> Visibility:
    """How much of the thoughts is shown. Raises ApiError 403 where the key may not see that much."""
    show = wanted.visibility or served.shows
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


def parent(n: int, options: Options, served: Served, above: Meter) -> Meter:
    """The meter above the searches of one request: dollars are of all its `n` answers together."""
    if n == 1 or "dollars" not in options:
        return above
    return Meter(Budget(dollars=Decimal(str(options["dollars"]))), served.price, above)
