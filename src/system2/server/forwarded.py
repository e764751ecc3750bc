"""Plain completions of a backend that has them: passed on, and booked as it bills them. Writes nothing itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

from system2.core import CallFailed, Meter, Usage
from system2.policies.upstream import Refused
from system2.server.data.keys import Key
from system2.server.direct import Direct, direct, failed
from system2.server.errors import ApiError
from system2.server.served import Served
from system2.server.server import Server
from system2.server.wire.completion_reply import Head, usage_of
from system2.server.wire.completion_request import CompletionRequest

LIMIT = 16  # tokens that a backend writes where a request names no limit
OWN = frozenset({"model", "stream", "stream_options"})


async def forwarded(
    server: Server,
    served: Served,
    key: Key,
    body: CompletionRequest,
    request: str,
    head: Head,
    above: Meter | None = None,
) -> dict[str, Any]:
    """The completion, whole. Raises ApiError."""
    sizes = bounds(body)
    async with direct(
        server, served, key, request, tokens=sizes[1], prompt=sizes[0], above=above
    ) as calls:
        await calls.meter.enter()
        try:
            whole = await served.upstream().complete(asked(body))
        except CallFailed as error:
            if error.unseen:
                calls.bill(Usage(failed=0, unseen=sizes[1], calls=1), estimated=True)
            raise refused(error) from error
        finally:
            calls.meter.leave()
        bill(calls, whole.get("usage"), texts(whole), sizes)
        return named(whole, head) | {"usage": told(calls)}


async def forwarding(
    stack: AsyncExitStack,
    server: Server,
    served: Served,
    key: Key,
    body: CompletionRequest,
    request: str,
    head: Head,
) -> AsyncGenerator[dict[str, Any]]:
    """The chunks to come, the last with the usage. Raises ApiError where it may not begin."""
    sizes = bounds(body)
    calls = await stack.enter_async_context(
        direct(server, served, key, request, tokens=sizes[1], prompt=sizes[0])
    )
    return following(calls, served, body, head, sizes)


async def following(
    calls: Direct, served: Served, body: CompletionRequest, head: Head, sizes: tuple[int, int]
) -> AsyncGenerator[dict[str, Any]]:
    """The backend's chunks as ours."""
    usage: Any = None
    came = 0
    await calls.meter.enter()
    try:
        async with aclosing(served.upstream().stream(asked(body))) as chunks:
            async for chunk in chunks:
                usage = chunk.get("usage") or usage
                if chunk.get("choices"):
                    came += texts(chunk)
                    yield {**named(chunk, head)}
    except Refused as error:
        sizes = (0, 0)  # it has written nothing
        raise refused(error) from error
    except CallFailed as error:
        raise refused(error) from error
    finally:
        calls.meter.leave()
        if usage or sizes != (0, 0):
            bill(calls, usage, came, sizes)
    yield head.of([]) | {"usage": told(calls)}


def asked(body: CompletionRequest) -> dict[str, Any]:
    """What the backend is asked."""
    given = body.model_dump(exclude_unset=True, exclude_none=True)
    return {name: value for name, value in given.items() if name not in OWN}


def bounds(body: CompletionRequest) -> tuple[int, int]:
    """Tokens that may be read and written, at most: a token is at least a byte."""
    prompts = body.prompts()
    read = sum(
        len(one.encode(errors="replace")) if isinstance(one, str) else len(one) for one in prompts
    )
    each = LIMIT if body.max_tokens is None else body.max_tokens
    return read + len(prompts), each * len(prompts) * max(body.n or 1, body.best_of or 1)


def named(whole: dict[str, Any], head: Head) -> dict[str, Any]:
    """A reply or chunk of the backend under our own head."""
    choices = cast(list[dict[str, Any]], whole.get("choices") or [])
    return head.of([{"logprobs": None, "finish_reason": None, **one} for one in choices])


def texts(whole: dict[str, Any]) -> int:
    """Bytes of what was written: as many tokens as it can be."""
    choices = cast(list[dict[str, Any]], whole.get("choices") or [])
    return sum(len(str(one.get("text") or "").encode(errors="replace")) for one in choices)


def bill(calls: Direct, usage: Any, came: int, sizes: tuple[int, int]) -> None:
    """Book what the backend says, else the most that it can be."""
    counts = cast(dict[str, Any], usage) if isinstance(usage, dict) else {}
    read, wrote = counts.get("prompt_tokens"), counts.get("completion_tokens")
    if isinstance(read, int) and isinstance(wrote, int | None) and read >= 0 and (wrote or 0) >= 0:
        details = counts.get("prompt_tokens_details")
        cached = cast(dict[str, Any], details).get("cached_tokens") if details else 0
        cached = cached if isinstance(cached, int) and 0 <= cached <= read else 0
        calls.bill(Usage(read, cached, answer=wrote or 0, calls=1))
        return
    calls.bill(Usage(sizes[0], answer=min(came, sizes[1]), calls=1), estimated=True)


def told(calls: Direct) -> dict[str, Any]:
    """`usage` of the reply."""
    price = calls.served.price
    return usage_of(calls.usage, None if price is None else float(price.of(calls.usage)))


def refused(error: CallFailed) -> ApiError:
    """What a client is told where the backend does not do it."""
    if isinstance(error, Refused):
        if error.status == 429:
            return ApiError(
                429, str(error), "rate_limit_exceeded", type="requests",
                headers={"Retry-After": str(int(error.after or 1) or 1)},
            )  # fmt: skip
        return ApiError(
            error.status, f"{str(error)[:1].upper()}{str(error)[1:]}.", "unsupported_value"
        )
    return failed(error)
