"""POST /v1/completions: texts and tokens continued and scored by the model alone, without a search."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from system2.core import CallFailed, Meter, Usage
from system2.policies.local import LocalPolicy
from system2.policies.local.decoder import DecoderError
from system2.policies.local.policy import Model
from system2.server.app import body_of, replied, seen
from system2.server.continuing import Continued, Wish, read
from system2.server.data.keys import Key
from system2.server.direct import Direct, direct
from system2.server.errors import ApiError, invalid
from system2.server.forwarded import forwarded, forwarding
from system2.server.served import Served
from system2.server.server import Server
from system2.server.sse import DONE, EventStream, data, unless_gone
from system2.server.watch.spans import Heading
from system2.server.wire.check import checked, parsed
from system2.server.wire.completion_reply import Head, choice, usage_of
from system2.server.wire.completion_request import CompletionRequest

LIMIT = 16  # tokens where a request names none, as with OpenAI
SOLE = ("suffix", "top_p", "presence_penalty", "frequency_penalty", "logit_bias")
"""What the embedded model's decoder does not do, but for the values that change nothing."""
NOTHING: dict[str, Any] = {"top_p": 1, "suffix": ""}


@dataclass(slots=True)
class Whole:
    """A completion under way: its choices, and the calls they are."""

    head: Head
    body: CompletionRequest
    choices: list[Continued]
    prompts: int  # tokens read, each prompt once

    async def one(self, index: int) -> dict[str, Any]:
        """A choice, once it is whole."""
        text = ""
        async with aclosing(self.choices[index].pieces()) as pieces:
            async for piece in pieces:
                text += piece
        logprobs = await self.choices[index].likelihoods()
        return choice(index, text, self.choices[index].finish, logprobs)

    async def parts(self, index: int) -> AsyncGenerator[dict[str, Any]]:
        """A choice piece by piece; with likelihoods in one piece, since they are known at its end."""
        if self.body.logprobs is not None:
            yield await self.one(index)
            return
        async with aclosing(self.choices[index].pieces()) as pieces:
            async for piece in pieces:
                yield choice(index, piece, None, None)
        yield choice(index, "", self.choices[index].finish, None)

    def usage(self, *, broken: bool) -> Usage:
        """What it has cost so far."""
        spent = sum(one.spent for one in self.choices)
        return Usage(self.prompts, answer=spent, aborted=spent if broken else 0, calls=1)


async def create(request: Request) -> Response:
    """A completion, whole or streamed."""
    server: Server = request.app.state.server
    key: Key = request.state.key
    body = checked(CompletionRequest, parsed(await body_of(request)))
    served, _ = server.models.find(body.model)
    seen(request, heading(body, served.name))
    name = request.state.request_id
    if body.stream:
        stack = (
            AsyncExitStack()
        )  # a request that may not be made is refused before its stream begins
        chunks = await begun(stack, server, served, key, body, name)
        return EventStream(written(stack, chunks, body), beat=server.beat)
    return replied(await unless_gone(request, complete(server, key, body, name)))


def heading(body: CompletionRequest, model: str) -> Heading:
    """What its span says of a request."""
    return Heading(
        model, "completions", None, body.max_tokens, body.temperature, body.seed, body.n, body.stream
    )  # fmt: skip


async def complete(
    server: Server, key: Key, body: CompletionRequest, request: str, above: Meter | None = None
) -> dict[str, Any]:
    """The whole completion. above: the meter that its calls share with others. Raises ApiError."""
    served, _ = server.models.find(body.model)
    head = headed(body)
    if not served.local:
        return await forwarded(server, served, key, body, request, head, above)
    work = prepared(served, body, head)
    async with direct(
        server, served, key, request, tokens=most(work), prompt=work.prompts, above=above
    ) as calls:
        async with billed(calls, work):
            indices = range(len(work.choices))
            choices = await together([work.one(index) for index in indices])
        return head.of(choices) | {"usage": usage_of(calls.usage, cost(calls))}


def headed(body: CompletionRequest) -> Head:
    """The head of a new completion."""
    return Head(f"cmpl-{secrets.token_hex(16)}", int(time.time()), body.model)


def prepared(served: Served, body: CompletionRequest, head: Head) -> Whole:
    """What the embedded model is to do. Raises ApiError 400 for what it cannot."""
    for name in SOLE:
        given = getattr(body, name)
        if given and given != NOTHING.get(name):
            raise invalid(
                f"Unsupported value: '{name}' is not supported by the embedded model.",
                name,
                "unsupported_value",
            )
    if body.best_of not in (None, body.n or 1):
        raise invalid("'best_of' other than 'n' is not supported.", "best_of", "unsupported_value")
    limit = LIMIT if body.max_tokens is None else body.max_tokens
    if not limit and not body.echo:
        raise invalid("'max_tokens' is at least 1 unless 'echo' is set.", "max_tokens")
    model = embedded(served)
    heat = 1.0 if body.temperature is None else body.temperature
    wish = Wish(limit, heat, body.stops(), body.echo is True, body.logprobs)
    choices: list[Continued] = []
    prompts = [
        tuple(read(model, given)) if isinstance(given, str) else given for given in body.prompts()
    ]
    dice = random.Random(secrets.randbits(64) if body.seed is None else body.seed)
    for n, ids in enumerate(prompts):
        fits(model, ids, limit, n)
        for _ in range(body.n or 1):
            choices.append(Continued(model, ids, dice.getrandbits(63), wish))
    return Whole(head, body, choices, sum(map(len, prompts)))


def fits(model: Model, ids: Sequence[int], limit: int, n: int) -> None:
    """Raises ApiError 400 where the model cannot read these tokens, or has no room to continue them."""
    sizes, known = model.decoder.sizes, model.tokenizer.size
    if wrong := [id for id in ids if id >= known]:
        raise invalid(
            f"Token {wrong[0]} is none of this model's: they are numbered from 0 to {known - 1}.",
            f"prompt[{n}]",
        )
    if len(ids) + limit > sizes.context:
        raise invalid(
            f"This model's maximum context length is {sizes.context} tokens. However, you requested "
            f"{len(ids) + limit} tokens ({len(ids)} in the prompt, {limit} for the completion). Please "
            "reduce your prompt or completion length.",
            f"prompt[{n}]",
            "context_length_exceeded",
        )


def embedded(served: Served) -> Model:
    """The embedded model that is served under this name."""
    return cast(LocalPolicy, served.policy(served.options)).model


def most(work: Whole) -> int:
    """Tokens that it may write."""
    return sum(one.wish.limit for one in work.choices)


def cost(calls: Direct) -> float | None:
    """Dollars of these calls, as a reply tells them; None: nobody knows."""
    price = calls.served.price
    return None if price is None else float(price.of(calls.usage))


class billed:  # noqa: N801  reads as what it does
    """The block's work has a slot of the meter, and is booked at its end, however it ends."""

    def __init__(self, calls: Direct, work: Whole) -> None:
        self.calls, self.work, self.entered = calls, work, False

    async def __aenter__(self) -> None:
        await self.calls.meter.enter()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self.calls.meter.leave()
        self.calls.bill(self.work.usage(broken=error is not None))
        if isinstance(error, DecoderError):
            raise ApiError(
                500, "The embedded model failed; the server's log says why.", "server_error",
                type="server_error",
            ) from error  # fmt: skip


async def together(works: Sequence[Any]) -> list[Any]:
    """What these come to, all at once; where one fails the others are given up, and its error raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# -------------------------------------------------------------------- streamed


async def begun(
    stack: AsyncExitStack,
    server: Server,
    served: Served,
    key: Key,
    body: CompletionRequest,
    request: str,
) -> AsyncGenerator[dict[str, Any]]:
    """The chunks to come of a request that was admitted; the stack holds what it must give back."""
    head = headed(body)
    if not served.local:
        return await forwarding(stack, server, served, key, body, request, head)
    work = prepared(served, body, head)
    calls = await stack.enter_async_context(
        direct(server, served, key, request, tokens=most(work), prompt=work.prompts)
    )
    return streamed(calls, work)


async def streamed(calls: Direct, work: Whole) -> AsyncGenerator[dict[str, Any]]:
    """The chunks of all choices as they come, and the usage."""
    queue: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()

    async def follow(index: int) -> None:
        try:
            async with aclosing(work.parts(index)) as parts:
                async for part in parts:
                    queue.put_nowait(part)
        except Exception as error:  # noqa: BLE001  raised where it is read
            queue.put_nowait(error)
        queue.put_nowait(None)

    async with billed(calls, work):
        tasks = [asyncio.create_task(follow(index)) for index in range(len(work.choices))]
        try:
            left = len(tasks)
            while left:
                item = await queue.get()
                if item is None:
                    left -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    yield work.head.of([item])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    yield work.head.of([]) | {"usage": usage_of(calls.usage, cost(calls))}


async def written(
    stack: AsyncExitStack, chunks: AsyncGenerator[dict[str, Any]], body: CompletionRequest
) -> AsyncGenerator[bytes]:
    """The chunks as bytes; the usage only where it was asked for."""
    usage = bool(body.stream_options and body.stream_options.include_usage)
    async with stack, aclosing(chunks):
        try:
            async for chunk in chunks:
                if "usage" not in chunk:
                    yield data(chunk | {"usage": None} if usage else chunk)
                elif usage:
                    yield data(chunk)
        except ApiError as error:
            yield data(error.body())
            return
        except CallFailed as error:
            yield data(ApiError(502, str(error), "server_error", type="server_error").body())
            return
        yield DONE
