"""Runs over HTTP: listed, watched as they grow, read step by step, stopped or given more. Knows no wire format of OpenAI's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from system2.server.app import Spot, body_of, replied
from system2.server.data.keys import Key
from system2.server.errors import ApiError, invalid
from system2.server.further import further, more_of
from system2.server.history import History, at, histories, history
from system2.server.jobs import Job
from system2.server.paging import paged
from system2.server.server import Server
from system2.server.sse import DONE, EventStream
from system2.server.wire import shapes
from system2.server.wire.check import parsed
from system2.server.wire.nodes import Frame, Growth
from system2.server.wire.runs import listed, summary

PACE = 0.25  # seconds between two writes to a watcher, at least
MOST = 100  # runs in one list
NODES = 1_000  # in one reply


async def list_runs(request: Request) -> Response:
    """`GET /v1/system2/runs`: the newest first, those this key may see."""
    limit = number(request, "limit", 20, 1, MOST)
    query = request.query_params
    after, status, model = (query.get(name) or None for name in ("after", "status", "model"))
    found = await asyncio.to_thread(histories, request.state.key, jobs(request), after)
    rows: list[dict[str, Any]] = []
    beyond = False
    while (one := await asyncio.to_thread(next, found, None)) is not None:
        row = listed(one.run, one.started, one.finished, live=one.live, model=one.model)
        if status not in (None, row["status"]) or model not in (None, row["model"]):
            continue
        if len(rows) == limit:
            beyond = True
            break
        rows.append(row)
    return replied(paged(rows, beyond))


async def one_run(request: Request) -> Response:
    """`GET /v1/system2/runs/{run}`: what was asked, what came of it, what it cost."""
    found = await of(request)
    return replied(summary(await found.growth(raw=False), live=found.live))


async def tree(request: Request) -> Response:
    """`GET …/tree?parent=&depth=&min_visits=`: the nodes below one, level by level."""
    depth = number(request, "depth", 1, 1, 1_000)
    least = number(request, "min_visits", 0, 0, 10**9)
    growth = await (await of(request)).growth(raw=may_read(request))
    nodes = growth.tree.nodes
    level = [nodes[at(request.query_params.get("parent") or "n0", len(nodes), "parent")]]
    told: list[dict[str, Any]] = []
    for _ in range(depth):
        level = [child for node in level for child in node.children if child.visits >= least]
        told += [growth.node(node) for node in level[: NODES + 1 - len(told)]]
    return replied({"nodes": told[:NODES], "truncated": len(told) > NODES})


async def one_node(request: Request) -> Response:
    """`GET …/nodes/{node}`: a step in full."""
    if not may_read(request):
        raise ApiError(
            403,
            "This key may not read thoughts: it lacks the scope cot:read. Ask whoever runs the server.",
            "insufficient_scope",
        )
    growth = await (await of(request)).growth(raw=True)
    nodes = growth.tree.nodes
    place = at(request.path_params["node"], len(nodes), "node", first=1)
    node = nodes[place]
    body = growth.node(node, whole=True)
    path = [f"n{node.id}"]
    while node.parent is not None and node.parent.parent is not None:
        node = node.parent
        path.append(f"n{node.id}")
    return replied(body | {"path": path[::-1]})


async def events(request: Request) -> Response:
    """`GET …/events?starting_after=N`: every frame after number N, live to the end."""
    after = number(request, "starting_after", -1, -1, 10**12)
    found = await of(request)
    growth = found.begin(raw=may_read(request))
    if found.job is not None:
        body = paced(watch(found, found.job, growth, after))
    else:
        frames = await found.frames(growth)
        body = written([frame for frame in frames if frame.seq > after])
    return EventStream(body, beat=request.app.state.server.beat)


async def control(request: Request) -> Response:
    """`POST …/control` {"action": "answer_now" | "stop" | "more", "add_budget": {…}}."""
    given = parsed(await body_of(request))
    action = str(given.get("action"))
    if action not in ACTIONS:
        raise invalid(
            f"Invalid value: {action[:60]!r}. Supported values are: {', '.join(ACTIONS)}.",
            "action",
        )
    found = await of(request)
    return replied(await ACTIONS[action](request, found, given))


async def answer_now(request: Request, found: History, body: dict[str, Any]) -> dict[str, Any]:
    """No more thinking: the best answer so far."""
    return stopped(found, "answer_now")


async def stop(request: Request, found: History, body: dict[str, Any]) -> dict[str, Any]:
    """End it; what was thought stays."""
    return stopped(found, "cancelled")


async def more(request: Request, found: History, body: dict[str, Any]) -> dict[str, Any]:
    """A larger budget; a run that is over goes on."""
    job = await further(
        request.app.state.server,
        found,
        request.state.key,
        more_of(body.get("add_budget")),
        request.state.request_id,
    )
    return {"success": True, "run": job.run, "running": True}


def stopped(found: History, why: str) -> dict[str, Any]:
    """Tell a running search to end; one that has ended is left as it is."""
    if found.job is not None and found.live:
        found.job.stop(why)
    return {"success": True, "run": found.run, "running": found.live}


ACTIONS: dict[str, Callable[..., Any]] = {
    "answer_now": answer_now,
    "stop": stop,
    "more": more,
}


# -------------------------------------------------------------------- what is sent


async def watch(found: History, job: Job, growth: Growth, after: int) -> AsyncGenerator[Frame]:
    """The frames of a search after number `after`, as they come."""
    began = job.engine.meter.started
    earlier = await asyncio.to_thread(lambda: [f for e in found.before() for f in growth.hear(e)])
    for frame in earlier:
        if frame.seq > after:
            yield frame
    async with aclosing(job.follow(waits=False)) as heard:
        async for _, event in heard:
            growth.caps = found.caps()  # somebody may have added to them
            for frame in growth.hear(event, time.monotonic() - began):
                if frame.seq > after:
                    yield frame


async def searched(server: Server, job: Job, key: Key) -> AsyncGenerator[bytes]:
    """The events of a search for whoever reads its response too (`system2.stream_search`); no end is told."""
    found = await asyncio.to_thread(history, job.run, key, server.jobs)
    growth = found.begin(raw=key.may("cot:read"))
    async with aclosing(paced(watch(found, job, growth, -1))) as blocks:
        async for block in blocks:
            if block != DONE:
                yield block


async def paced(frames: AsyncGenerator[Frame]) -> AsyncGenerator[bytes]:
    """Frames as bytes, those of a quarter of a second together."""
    waiting: list[Frame] = []
    come = asyncio.Event()

    async def gather() -> None:
        async with aclosing(frames):
            async for frame in frames:
                waiting.append(frame)
                come.set()

    task = asyncio.create_task(gather())
    task.add_done_callback(lambda _: come.set())
    try:
        while not (task.done() and not waiting):
            await come.wait()
            come.clear()
            block = b"".join(map(line, waiting))
            waiting.clear()
            if block:
                yield block
                await asyncio.sleep(PACE)
        if not task.cancelled() and task.exception():  # the engine's own fault: it is in the log
            yield b": the search broke off\n\n"
        yield DONE
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})


async def written(frames: Sequence[Frame]) -> AsyncGenerator[bytes]:
    """Frames that are all known, as bytes."""
    for start in range(0, len(frames), 100):
        yield b"".join(map(line, frames[start : start + 100]))
    yield DONE


def line(frame: Frame) -> bytes:
    """A frame as an event of a stream."""
    return f"event: {frame.type}\ndata: {json.dumps(frame.data())}\n\n".encode()


# -------------------------------------------------------------------- what a request says


def jobs(request: Request) -> Any:
    """The jobs of this process."""
    return request.app.state.server.jobs


async def of(request: Request) -> History:
    """The run that a path names, if this key may see it. Raises ApiError."""
    return await asyncio.to_thread(
        history, request.path_params["run"], request.state.key, jobs(request)
    )


def may_read(request: Request) -> bool:
    """May this key see the text of thoughts?"""
    return request.state.key.may("cot:read")


def number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query. Raises ApiError."""
    given = request.query_params.get(name)
    if given in (None, ""):
        return default
    assert given is not None
    digits = given.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20) or not (
        least <= int(given) <= most
    ):
        raise invalid(
            f"Invalid value: {given[:40]!r}. Expected a whole number from {least} to {most}.", name
        )
    return int(given)


RUN = "/v1/system2/runs/{run}"
SPOTS: tuple[Spot, ...] = (
    Spot(
        "GET", "/v1/system2/runs", list_runs, "runs:read", "Runs, the newest first",
        None, shapes.Page, shapes.Runs, finds=(("run", "/data/0/id"),),
    ),
    Spot("GET", RUN, one_run, "runs:read", "One run, in sum", None, shapes.Run),
    Spot(
        "GET", f"{RUN}/tree", tree, "runs:read", "The steps below one step",
        None, shapes.Subtree, shapes.Below,
    ),
    Spot("GET", f"{RUN}/nodes/{{node}}", one_node, "runs:read", "A step in full"),
    Spot(
        "GET", f"{RUN}/events", events, "runs:read", "A run as it grows, as events",
        query=shapes.From, kinds=("text/event-stream",),
    ),
    Spot(
        "POST", f"{RUN}/control", control, "chat", "Answer now, stop, or go on with more",
        shapes.RunControl, shapes.Controlled,
    ),
)  # fmt: skip
