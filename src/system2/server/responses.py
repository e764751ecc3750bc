"""POST /v1/responses: whole, streamed, in the background. Knows no search."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from system2.core import Message
from system2.server.app import body_of, first, replied, seen
from system2.server.begin import Begun, begin
from system2.server.data.keys import Key
from system2.server.errors import ApiError
from system2.server.exchange import Exchange
from system2.server.interleaved import interleaved
from system2.server.referred import referred
from system2.server.rejoined import rejoined
from system2.server.retries import Said, again, deadline, named
from system2.server.retrieved import ended, running, streamed
from system2.server.runs import searched
from system2.server.served import Served
from system2.server.server import Server
from system2.server.settled import response_again, settling
from system2.server.sse import EventStream, unless_gone
from system2.server.terms import Behind
from system2.server.watch.spans import Answering, Heading
from system2.server.wire import items
from system2.server.wire.check import checked, parsed
from system2.server.wire.profile import response_rules
from system2.server.wire.response_object import skeleton
from system2.server.wire.response_writer import ResponseWriter, Told
from system2.server.wire.responses_request import ResponseRequest
from system2.server.wire.responses_wanted import SEALED, coherent, response_wanted
from system2.server.wire.wanted import Wanted

TURNS = 1_000  # responses that one may go back through
LOADED = 32 * 2**20  # bytes of them all


async def create(request: Request) -> Response:
    """A response: whole, streamed, or in the background."""
    server: Server = request.app.state.server
    key: Key = request.state.key
    data = await body_of(request)
    body = checked(ResponseRequest, parsed(data))
    name = named(request.headers, key.id, request.url.path, data)
    async with server.responses.turn(name):
        held = server.responses.find(name, data) if again(request.headers) else None
        if isinstance(held, Said):
            server.limits.draw(key)
            return response_again(held, stream=body.stream is True)
        if held is None:
            held = await asked(request, server, key, body)
        elif held.begun.jobs[0].left:
            held = await resumed(server, held, key, body)
        else:
            server.limits.draw(key)
        held.join()
        server.responses.keep(name, held, data, key.id)
        settling(server.responses, held, name, stream=body.stream is True)
    request.state.begun = held.begun
    begins, handed = first(request), False
    try:
        if body.stream:
            told = streamed(held, -1, begins)
            if held.wanted.tree and key.may("runs:read"):
                told = interleaved(told, searched(server, held.begun.jobs[0], key))
            events = EventStream(told, beat=server.beat, end=held.leave)
            handed = True
            return events
        if held.background:
            return replied(queued(held))
        out = await unless_gone(request, held.end())
        begins()
        return replied(out)
    finally:
        if not handed:
            held.leave()


async def resumed(server: Server, held: Exchange, key: Key, body: ResponseRequest) -> Exchange:
    """A response that was given up goes on. Raises ApiError 409."""
    if held.task:
        await asyncio.wait({held.task})  # it has said and stored how it stood
    await rejoined(server, held.begun, key)
    try:
        written = writer(server, held.begun.served, key, body, held.begun, held.id, held.wanted)
        held = replace(  # its first events are stored already: no others are
            held, writer=written, events=[], body={}, task=None, error=None, followers=0,
            final=asyncio.Event(), saved=sys.maxsize,
        )  # fmt: skip
        await started(server, held, again=True)
    except BaseException:
        held.begun.release()
        raise
    return held


def queued(held: Exchange) -> Told:
    """A response in the background as it is told at once."""
    return held.body if held.over else {**held.body, "status": "queued", "output": []}


async def asked(request: Request, server: Server, key: Key, body: ResponseRequest) -> Exchange:
    """Start a response of a request."""
    waits = not (body.stream or body.background)
    return await exchange(
        server,
        key,
        body,
        request.state.request_id,
        deadline=deadline(request.headers) if waits else None,
        language=request.headers.get("accept-language"),
        span=lambda model: seen(request, heading(body, model)),
    )


async def exchange(
    server: Server,
    key: Key,
    body: ResponseRequest,
    request: str,
    *,
    deadline: float | None = None,
    language: str | None = None,
    span: Callable[[str], Answering | None] | None = None,
    remembered: dict[str, list[dict[str, Any]]] | None = None,
    behind: Behind | None = None,
) -> Exchange:
    """Start a response. Raises ApiError.

    remembered  of a connection: what responses that are not stored were made of, by id
    behind      nobody waits for it
    """
    coherent(body)
    served, _ = server.models.find(body.model)
    response_rules(body, served.profile)
    id = f"resp_{secrets.token_hex(24)}"
    before = await earlier(server, key, body.previous_response_id, remembered or {})
    own = await own_items(server, key, body, id, before)
    messages, lost = conversation(server, key, served, body, [*before, *own])
    wanted = response_wanted(body, messages)
    jobs = await begin(
        server, wanted, key, request, background=False, deadline=deadline, language=language,
        seen=span(served.name) if span else None, behind=behind,
    )  # fmt: skip
    try:
        written = writer(server, served, key, body, jobs, id, wanted)
        kept = server.stored if body.store is not False else None
        made = Exchange(id, jobs, written, wanted, kept, own, body.background is True)
        if lost:
            written.body["input_transformations"] = [
                {"id": one, "type": "reasoning", "action": "removed", "reason": "model_mismatch"}
                for one in lost
            ]
        await started(server, made)
    except (
        BaseException
    ):  # its client has gone, or it cannot be stored: nobody will ever ask for it
        jobs.release()
        raise
    if remembered is not None:
        remembered[id] = [*before, *own]
    return made


async def started(server: Server, made: Exchange, *, again: bool = False) -> None:
    """Begin to write it; it can be found by its id until it is over."""
    await made.start(again=again)
    assert made.task
    server.under_way[made.id] = made
    made.task.add_done_callback(lambda _: server.under_way.pop(made.id, None))


async def own_items(
    server: Server, key: Key, body: ResponseRequest, id: str, before: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The input of this request alone, as items. Raises ApiError 404 where it refers to one that is not there."""
    if isinstance(body.input, str):
        given: list[dict[str, Any]] = [{"role": "user", "content": body.input}]
    else:
        given = [item.model_dump(exclude_none=True) for item in body.input or ()]
    told = await referred(server, key, given, before)
    return items.named(told, id.removeprefix("resp_")[:12])


async def earlier(
    server: Server, key: Key, id: str | None, remembered: dict[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Input and output of the responses before, the oldest first.

    Raises ApiError 400 where one is not there, or they are more than one request could hold.
    """
    turns: list[list[dict[str, Any]]] = []
    size = 0
    while id is not None and len(turns) < 2 * TURNS:
        if id in remembered:
            turns.append(remembered[id])
            break
        await ended(running(server, id, key))
        found = await server.stored.responses.get(id, key.id)
        if found is None:
            raise items.missing(id)
        turns.append([*found.body["output"]])
        turns.append([dict(item) for item in found.input])
        size += sum(len(orjson.dumps(turn)) for turn in turns[-2:])
        if size > LOADED:
            raise ApiError(
                400, "The responses before are more than can be read; begin anew, or compact them.",
                "context_length_exceeded", "previous_response_id",
            )  # fmt: skip
        id = found.previous
    return [item for turn in reversed(turns) for item in turn]


def conversation(
    server: Server, key: Key, served: Served, body: ResponseRequest, given: list[dict[str, Any]]
) -> tuple[tuple[Message, ...], list[str]]:
    """The messages of these items; sealed ones are opened for this model and key."""
    context = body.reasoning.context if body.reasoning else None
    return items.messages(
        given,
        body.instructions,
        lambda sealed: server.seal.open(sealed, served.name, key.id),
        server.may_fetch,
        all_turns=context == "all_turns",
    )


def writer(
    server: Server,
    served: Served,
    key: Key,
    body: ResponseRequest,
    begun: Begun,
    id: str,
    wanted: Wanted,
) -> ResponseWriter:
    """The writer of a response."""
    job = begun.jobs[0]
    sealing = SEALED in (body.include or ()) or body.store is False
    effort = job.engine.settings.get("effort")
    return ResponseWriter(
        body=skeleton(id, body.model or served.name, body, effort=effort, run=job.run),
        tag=id.removeprefix("resp_"),
        show=begun.show,
        summaries=wanted.summary,
        thinks=effort != "none",
        live=begun.live(wanted),
        logprobs=wanted.reply.top_logprobs is not None,
        node=job.engine.tree.nodes.__getitem__,
        seal=(lambda text: server.seal.close(text, served.name, key.id)) if sealing else None,
    )


def heading(body: ResponseRequest, model: str) -> Heading:
    """What its span says of a request."""
    return Heading(
        model,
        "responses",
        max_tokens=body.max_output_tokens,
        temperature=body.temperature,
        seed=body.seed,
        stream=body.stream,
        conversation=body.previous_response_id,
    )
