"""Asks a chat policy of a counting server and keeps what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from policies.counting_server import Server

from system2.core import Bill, CallFailed, Delta, Problem, Request, Step, Until
from system2.policies.chat import Chat

KEY = "sk-very-secret-0123456789"
PROBLEM = Problem.of("What is 1+1?", system="Be brief.", effort="high")


@dataclass
class Heard:
    deltas: list[Delta] = field(default_factory=list[Delta])
    bills: list[Bill] = field(default_factory=list[Bill])
    failure: CallFailed | None = None

    @property
    def bill(self) -> Bill:
        assert len(self.bills) == 1, self.failure
        return self.bills[0]

    @property
    def tokens(self) -> int:
        return sum(d.tokens for d in self.deltas)

    def steps(self, child: int = 0) -> list[tuple[str, str, str]]:
        """(text, kind, end) of the child's steps, made as the engine makes them."""
        out: list[tuple[str, str, str]] = []
        text, kind = "", ""
        for d in (d for d in self.deltas if d.child == child):
            text, kind = text + d.text, kind or d.kind
            if d.end:
                out.append((text, kind, d.end))
                text, kind = "", ""
        return [*out, (text, kind, "")] if kind else out


def ask(until: Until = "answer", n: int = 1, seed: int = 7, **fields: Any) -> Request:
    chain = fields.pop("chain", ())
    seeds = tuple(seed + i for i in range(n))
    return Request(PROBLEM, chain, n, until, fields.pop("max_tokens", 1000), seeds, **fields)


async def listen(policy: Chat, request: Request, into: Heard | None = None) -> Heard:
    heard = into or Heard()
    try:
        async for item in policy.stream(request):
            (heard.deltas if isinstance(item, Delta) else heard.bills).append(item)  # type: ignore[arg-type]
    except CallFailed as failure:
        heard.failure = failure
    return heard


def hear(server: Server, request: Request, **options: Any) -> Heard:
    return hear_all(server, [request], **options)[0]


def hear_all(server: Server, requests: Sequence[Request], **options: Any) -> list[Heard]:
    """One after the other, by one policy."""

    async def go() -> list[Heard]:
        policy = Chat("pretend", base_url=server.url, **options)
        return [await listen(policy, request) for request in requests]

    return asyncio.run(go())


def chains(text: str, cut: bool = False) -> tuple[Step, ...]:
    return (Step(text, 1, cut=cut),)
