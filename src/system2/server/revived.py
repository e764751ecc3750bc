"""What was under way when a process ended: responses in the background go on, others are said to have failed."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, cast

from system2.core import Started, Style
from system2.options import Options
from system2.server import beside
from system2.server.begin import Begun, opens, shown
from system2.server.data.keys import LOCAL, Key
from system2.server.data.responses import Response
from system2.server.errors import ApiError
from system2.server.exchange import Exchange
from system2.server.jobs import Job
from system2.server.responses import started
from system2.server.server import Server
from system2.server.spending import goes_on, let_go, permitted
from system2.server.terms import SHOWN, again, told_before, watch
from system2.server.wire.response_object import ended
from system2.server.wire.response_writer import ResponseWriter
from system2.server.wire.wanted import VISIBILITIES, Visibility, Wanted
from system2.store import folder

MOST = 1_000_000  # events of one response
ABSENT = 600  # seconds that a response waits for a process of the machine where its trace is


async def revive(server: Server) -> int:
    """Take up what processes left that are gone; how many responses go on. Those that cannot are marked as failed."""
    count, kept = 0, server.stored.responses
    gone = [one for one in await kept.owners() if await server.owner.gone(one)]
    for one in await kept.unfinished(*gone) if gone else []:
        if server.jobs.closing or await elsewhere(server, one):
            continue
        if not await kept.claim(one.id, one.owner):
            continue
        try:
            if not one.background or one.run is None:
                raise ValueError("its client had gone")
            await taken_up(server, one)
            count += 1
        except (ApiError, ValueError, OSError) as error:
            if waits(error):
                await kept.yield_up(one.id)
            else:
                await lost(server, one)
    return count


def waits(error: Exception) -> bool:
    """May it go on later? There is no room just now, or somebody goes on with the run by hand."""
    busy = isinstance(error.__cause__, BlockingIOError)
    return busy or (isinstance(error, ApiError) and error.status == 503)


async def elsewhere(server: Server, one: Response) -> bool:
    """Is its trace on another machine, whose process may come back and go on with it?"""
    if server.database.sqlite or one.run is None or one.owner is None:
        return False
    if (folder() / f"{one.run}.jsonl").exists():
        return False
    return await server.owner.processes.until(one.owner) + ABSENT > time.time()


async def taken_up(server: Server, one: Response) -> None:
    """Go on with a response under its own id. Raises ValueError, OSError, ApiError where that cannot be."""
    key = LOCAL if one.key == LOCAL.id else await server.keys.get(one.key)
    if key is None:
        raise ValueError("its key is gone")
    if not key.holds(time.time()) or not key.may("chat"):
        raise ValueError("its key may ask no more")
    served, _ = server.models.find(one.model)
    opens(server, key, served)
    assert one.run
    before = await asyncio.to_thread(told_before, one.run)
    if not before or not isinstance(before[0], Started):
        raise ValueError("it had not begun")
    opening = before[0]
    asked = cast(dict[str, Any], one.body.get("reasoning") or {})
    summaries = bool(asked.get("summary"))
    reply = opening.reply or Style()
    wanted = Wanted(
        served.name, opening.problem, reply=reply, summary=summaries,
        visibility=visibility(opening.settings.get(SHOWN), key),
    )  # fmt: skip
    permitted(opening.settings.get("effort", served.effort), key)
    options: Options = {**served.options}
    if tokens := opening.settings.get("tokens"):
        options["tokens"] = int(tokens)
    sides = beside.again(opening.settings, served)
    engine = await asyncio.to_thread(again, one.run, served, options, served.meter, sides)
    try:
        ticket = await goes_on(server.limits, key, engine)
    except ApiError:
        let_go(engine)
        raise
    request = f"req_{secrets.token_hex(16)}"
    job = watch(server, Job(engine, key, served.name), served, request, ticket, None, before)
    begun = Begun([job], served, shown(wanted, served, key), key, ticket, request, None)
    begun.hold()
    job.after(begun.settle)
    server.jobs.add(job)
    written = ResponseWriter(
        body={**one.body, "output": []},
        tag=one.id.removeprefix("resp_"),
        show=begun.show,
        summaries=summaries,
        thinks=False,
        live=False,  # what was said before the end stands already, and may be worded otherwise now
        logprobs=reply.top_logprobs is not None,
        node=engine.tree.nodes.__getitem__,
    )
    known = [event for _, event in await server.stored.responses.events(one.id, limit=MOST)]
    written.revive(known)
    made = Exchange(
        one.id, begun, written, wanted, server.stored, [dict(item) for item in one.input],
        background=True, events=known, saved=len(known),
    )  # fmt: skip
    await started(server, made, again=True)


def visibility(asked: str | None, key: Key) -> Visibility | None:
    """What the request asked to see; what its key may not see any more, it does not ask for."""
    found: Visibility | None = next((one for one in VISIBILITIES if one == asked), None)
    return None if found == "raw" and not key.may("cot:read") else found


async def lost(server: Server, one: Response) -> None:
    """Say that a response has failed."""
    said = {"code": "server_error", "message": "The server was restarted while this was under way."}
    body = ended({"system2": {}, **one.body}, "failed", usage=None, own={}, error=said)
    await server.stored.responses.change(one.id, status="failed", body=body)
