"""The calls that a judge is lent: how they are put, and what their replies say. Knows nothing about scores."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from system2.core import CallFailed, Chain, Problem, Reply, Request, Style, Write


def request(
    problem: Problem, chains: tuple[Chain, ...], n: int, tokens: int, style: Style
) -> Request:
    """A call that reads these chains; its seeds are its own, and the same whenever it is made."""
    told = repr([[(step.text, step.answer) for step in chain] for chain in chains])
    if problem.tools:  # who judges a line calls none
        problem = replace(problem, tool_choice="none", allowed=())
    data = told.encode(errors="surrogatepass")
    seeds = [
        int.from_bytes(blake2b(data, digest_size=7, salt=vote.to_bytes(8, "big")).digest(), "big")
        for vote in range(n)
    ]
    return Request(problem, (), n, "answer", tokens, tuple(seeds), chains, style)


async def replies(requests: Sequence[Request], write: Write) -> list[Reply | None]:
    """All replies, None for calls that failed. Raises CallFailed where all did."""
    came = await asyncio.gather(*map(write, requests), return_exceptions=True)
    for reply in came:
        if isinstance(reply, BaseException) and not isinstance(reply, CallFailed):
            raise reply
    whole = [reply if isinstance(reply, Reply) else None for reply in came]
    for reply in came:
        if isinstance(reply, CallFailed) and not any(whole):
            raise reply
    return whole


def said(reply: Reply | None) -> list[str]:
    """The answers of a reply, those that came to one."""
    ends = [chain[-1] for chain in reply.chains if chain] if reply else []
    return [step.answer for step in ends if step.answer is not None and not step.cut]
