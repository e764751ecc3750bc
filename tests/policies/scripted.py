"""A policy that says what a function says, in tokens of a few characters, and counts what it sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from system2.core import Bill, CallFailed, Delta, Request, Usage
from system2.policies.fake import chance
from system2.policies.segment import answered


@dataclass
class Script:
    """Says `speak(request)` to every continuation.

    size     characters of a token; told: with log-probabilities and ids
    fail, breaks   probabilities of a call to fail before its first token, or in the middle
    thinks   tokens of hidden thought before a reply
    deaf     ignores max_tokens; bills: tells what a call cost
    """

    speak: Callable[[Request], str]
    size: int = 4
    told: bool = False
    fail: float = 0.0
    breaks: float = 0.0
    thinks: int = 0
    deaf: bool = False
    bills: bool = True
    can: frozenset[str] = frozenset({"continue"})
    requests: list[Request] = field(default_factory=list[Request])
    sent: int = 0
    billed: int = 0

    def prompt_bound(self, request: Request) -> int:
        return 8 + sum(len(step.text) for chain in (request.chain, *request.also) for step in chain)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        assert request.n == 1 or "n" in self.can
        self.requests.append(request)
        key = len(self.requests), request.seeds
        if chance("fail", *key) < self.fail:
            raise CallFailed("the script failed", retry=True, after=0.0)
        spent = 0
        for child in range(request.n):
            text = self.speak(request)
            thought = [""] * (self.thinks if request.until == "reply" else 0)
            tokens = [*thought, *(text[n : n + self.size] for n in range(0, len(text), self.size))]
            limit = len(tokens) if self.deaf else min(len(tokens), request.max_tokens)
            answer = answered(text)
            for n, token in enumerate(tokens[:limit]):
                await asyncio.sleep(0)
                if n == limit // 2 and chance("breaks", *key, child) < self.breaks:
                    raise CallFailed("the script broke off", retry=True, after=0.0, unseen=True)
                self.sent += 1
                spent += 1
                last = n == limit - 1
                whole = "answer" if answer is not None or request.until != "step" else "step"
                end = "" if not last else "cut" if limit < len(tokens) else whole
                yield Delta(
                    child, token, 1,
                    "reply" if request.until == "reply" and n >= len(thought) else "thought",
                    (-n / 8,) if self.told else (), (n,) if self.told else (), end,
                    answer if end == "answer" else None,
                )  # fmt: skip
        if self.bills:
            self.billed += spent
            yield Bill(Usage(prompt=self.prompt_bound(request), reasoning=spent, calls=1))
