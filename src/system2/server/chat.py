"""POST /v1/chat/completions: whole or streamed, and those that were stored. Knows no search."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from system2.core import Event, Finished, Noted
from system2.server.app import body_of, first, replied, seen
from system2.server.begin import Begun, begin
from system2.server.data.chats import Chat
from system2.server.errors import ApiError
from system2.server.jobs import Job
from system2.server.rejoined import rejoined
from system2.server.retries import Said, again, deadline, named
from system2.server.server import Server
from system2.server.settled import chat_again
from system2.server.sse import DONE, EventStream, data, unless_gone
from system2.server.watch.spans import Heading
from system2.server.wire.chat_reply import ChatStream, Head, completion
from system2.server.wire.chat_request import ChatRequest
from system2.server.wire.chat_wanted import chat_wanted
from system2.server.wire.check import checked, parsed
from system2.server.wire.outcome import Outcome, chances, spelt
from system2.server.wire.profile import rules
from system2.server.wire.thoughts import Thoughts
from system2.server.wire.usage import chat_usage, extension
from system2.server.wire.wanted import Wanted

STORED = 30 * 86_400  # seconds that a completion is kept


@dataclass(slots=True)
class Completion:
    """A completion under way."""

    head: Head
    body: ChatRequest
    begun: Begun
    wanted: Wanted
    stored: bool = False
    out: dict[str, Any] | None = None  # the whole of it, once it is over

    def outcomes(self) -> list[Outcome]:
        """The answers, once all searches are over. Raises ApiError where a backend failed."""
        return [self.outcome(n) for n in range(len(self.begun.jobs))]

    def outcome(self, n: int) -> Outcome:
        """One answer. Raises ApiError."""
        tag = f"{self.head.id.removeprefix('chatcmpl-')}{n}_"
        return self.begun.outcome(n, tag, self.wanted)

    def extra(self) -> dict[str, Any]:
        """Usage, cost, and our own object."""
        spent = self.begun.spent()
        ends = [job.finished for job in self.begun.jobs if job.finished]
        why = self.outcome(0).why if ends else ""
        own = extension(self.begun.jobs[0].run, spent, ends, self.begun.settings(), why)
        return {"usage": chat_usage(spent), "system2": own}


def broken_off() -> ApiError:
    """A search that ended without an end."""
    return ApiError(500, "The search broke off.", "server_error", type="server_error")


async def create(request: Request) -> Response:
    """A completion."""
    server: Server = request.app.state.server
    key = request.state.key
    sent = await body_of(request)
    body = checked(ChatRequest, parsed(sent))
    served, _ = server.models.find(body.model)
    rules(body, served.profile)
    wanted = chat_wanted(body, server.may_fetch)
    name = named(request.headers, key.id, request.url.path, sent)
    async with server.chats.turn(name):
        held = server.chats.find(name, sent) if again(request.headers) else None
        if isinstance(held, Said):
            server.limits.draw(key)
            usage = bool(body.stream_options and body.stream_options.include_usage)
            return chat_again(held, stream=bool(body.stream), usage=usage)
        if held is None:
            begun = await begin(
                server, wanted, key, request.state.request_id,
                deadline=None if body.stream else deadline(request.headers),
                language=request.headers.get("accept-language"),
                seen=seen(request, heading(body, served.name)),
            )  # fmt: skip
            head = Head(f"chatcmpl-{secrets.token_hex(16)}", int(time.time()), body.model)
            held = Completion(head, slim(body), begun, wanted)
        else:
            await rejoined(server, held.begun, key)
        server.chats.keep(name, held, sent, key.id)
    listed(server, held, name)
    request.state.begun = held.begun
    begins, handed = first(request), False
    try:
        if body.stream:
            told = streamed(server, held, begins)
            events = EventStream(told, beat=server.beat, end=held.begun.release)
            handed = True
            return events
        out = await unless_gone(request, finished(server, held))
        begins()
        return replied(out)
    finally:
        if not handed:
            held.begun.release()


def slim(body: ChatRequest) -> ChatRequest:
    """What is still needed of a request: it is held for minutes, and its messages are in the problem."""
    kept = body.model_copy(update={} if body.store else {"messages": []})
    kept.__pydantic_extra__ = {}
    return kept


def listed(server: Server, one: Completion, name: str) -> None:
    """It can be found by its id, until the last of its searches is over; then its reply is all that is held."""

    def over() -> None:
        if all(job.task is None or job.task.done() for job in one.begun.jobs):
            server.completing.pop(one.head.id, None)
            if any(job.left for job in one.begun.jobs):
                server.chats.leave(name, one)
                return
            try:
                said = Said(orjson.dumps(whole(one)))
            except ApiError:  # whoever waits is told; whoever asks again may have more luck
                said = None
            server.chats.settle(name, one, said)

    server.completing[one.head.id] = one
    for job in one.begun.jobs:
        job.after(over)
    over()


def heading(body: ChatRequest, model: str) -> Heading:
    """What its span says of a request."""
    return Heading(
        model,
        "chat_completions",
        "/v1/chat/completions",
        body.max_completion_tokens,
        body.temperature,
        body.seed,
        body.n,
        body.stream,
    )


async def finished(server: Server, one: Completion) -> dict[str, Any]:
    """The whole completion, once all its searches are over."""
    await asyncio.gather(*(job.end() for job in one.begun.jobs))
    out = whole(one)
    await kept(server, one, out)
    return out


def whole(one: Completion) -> dict[str, Any]:
    """The completion, all of whose searches are over. Raises ApiError where a backend failed."""
    if one.out is not None:
        return one.out
    outcomes = one.outcomes()
    thoughts = [thought(job, one.begun.show) for job in one.begun.jobs]
    logprobs = [
        chances(spelt(job.events, job.answers)) if one.body.logprobs else None
        for job in one.begun.jobs
    ]
    body = completion(one.head, outcomes, thoughts, one.begun.show, logprobs) | one.extra()
    one.out = body | {"metadata": one.body.metadata} if one.body.metadata else body
    return one.out


async def kept(server: Server, one: Completion, out: dict[str, Any]) -> None:
    """Store the completion, if that was wished, and once however often it was asked for."""
    if not one.body.store or one.stored:
        return
    one.stored = True
    messages = [
        {"id": f"{one.head.id}-{n}"} | message.model_dump(exclude_none=True)
        for n, message in enumerate(one.body.messages)
    ]
    await server.stored.chats.add(
        Chat(
            one.head.id, one.begun.key.id, one.head.model, one.head.created, out, messages,
            one.body.metadata or {}, one.head.created + STORED,
        )
    )  # fmt: skip
    one.body.messages = []


def thought(job: Job, show: str) -> str:
    """What is shown of the thoughts of a search that is over."""
    if show == "summary":
        return "\n\n".join(event.text for event in job.events if isinstance(event, Noted))
    end = job.finished
    node = job.engine.tree.nodes[end.node] if end and end.node is not None else None
    return Thoughts().chosen(node) if show == "raw" else ""


async def streamed(
    server: Server, one: Completion, first: Callable[[], None]
) -> AsyncGenerator[bytes]:
    """The chunks, in order; those of several answers interleave. first: called at the first that says something."""
    asked = one.body.stream_options
    with_usage = bool(asked and asked.include_usage)
    raw = one.begun.show == "raw"
    streams = [
        ChatStream(
            one.head, n, one.begun.show, with_usage, live(one), one.body.logprobs is True,
            job.engine.tree.nodes.__getitem__,
        )
        for n, job in enumerate(one.begun.jobs)
    ]  # fmt: skip
    for stream in streams:
        for chunk in stream.open():
            yield data(chunk)
    try:
        async with aclosing(together(one.begun.jobs, thoughts=raw)) as events:
            async for n, event in events:
                for chunk in streams[n].take(event):
                    first()
                    yield data(chunk)
                if isinstance(event, Finished):
                    job = one.begun.jobs[n]
                    tokens = spelt(job.events, job.answers)
                    first()
                    for chunk in streams[n].close(one.outcome(n), tokens):
                        yield data(chunk)
    except ApiError as error:
        yield data(error.body())
        return
    except Exception:  # a fault of ours, which is logged; a stream has its last event all the same
        yield data(broken_off().body())
        raise
    if with_usage:
        yield data(one.head.of("chat.completion.chunk", []) | one.extra())
    await kept(server, one, whole(one))
    yield DONE


def live(one: Completion) -> bool:
    """May the reply be shown as it is written? Not one that is checked, cut or judged first."""
    return one.begun.live(one.wanted)


async def together(jobs: list[Job], *, thoughts: bool) -> AsyncGenerator[tuple[int, Event]]:
    """The events of several jobs as they come, each with its place. Closing it leaves them all."""
    queue: asyncio.Queue[tuple[int, Event] | BaseException | None] = asyncio.Queue(256)

    async def follow(n: int, job: Job) -> None:
        try:
            async with aclosing(job.follow(thoughts=thoughts)) as events:
                async for _, event in events:
                    await queue.put((n, event))
        except Exception as error:  # noqa: BLE001  told where it is read
            await queue.put(error)
        await queue.put(None)

    async with AsyncExitStack() as stack:
        tasks = [asyncio.create_task(follow(n, job)) for n, job in enumerate(jobs)]
        stack.push_async_callback(ended, tasks)
        left = len(tasks)
        while left:
            item = await queue.get()
            if item is None:
                left -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    """End these tasks."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
