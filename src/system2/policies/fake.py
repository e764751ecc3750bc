"""A pretend policy for tests and examples: digits, decided by seeds alone. Knows nothing about models."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from hashlib import blake2b

from system2.core import Bill, CallFailed, Delta, Request, Usage


def dice(*key: object) -> int:
    """A number from 0 to 2³² - 1, always the same for the same key."""
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=4).digest(), "big")


def chance(*key: object) -> float:
    """A number from 0 to 1, always the same for the same key."""
    return dice(*key) / 2**32


@dataclass(slots=True)
class Digits:
    """Writes a digit a step; the answer is complete after `length` of them, and is these digits.

    size      tokens of a digit: the first ones bring no text
    delay     seconds of a token, times 1, 2 or 3
    fail, breaks, cut, hang, repeat   probabilities:
              of a call to fail before its first token, or in the middle;
              of a child to be cut off, or never to end;
              of a digit to be that of a child with another seed, so that children meet
    after     seconds it asks to wait when it failed; None: it does not say
    deaf      ignores max_tokens
    bills     tells what a call cost
    """

    length: int = 4
    base: int = 4
    seed: int = 0
    size: int = 1
    delay: float = 0.0
    fail: float = 0.0
    breaks: float = 0.0
    cut: float = 0.0
    hang: float = 0.0
    repeat: float = 0.0
    after: float | None = None
    deaf: bool = False
    bills: bool = True
    can: frozenset[str] = frozenset({"continue", "n"})
    calls: int = 0
    sent: int = 0
    open: int = 0
    tries: Counter[tuple[int, ...]] = field(default_factory=Counter[tuple[int, ...]])

    def prompt_bound(self, request: Request) -> int:
        """Exactly what the bill will say: 8 tokens and those of the chain."""
        chains = (request.chain, *request.also)
        return 8 + sum(max(1, step.tokens) for chain in chains for step in chain)

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """The children take turns, digit by digit. A try that failed may succeed when repeated."""
        self.calls += 1
        self.open += 1
        try:
            async for item in self._write(request):
                yield item
        finally:
            self.open -= 1

    async def _write(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        self.tries[request.seeds] += 1
        key = (self.seed, request.seeds, self.tries[request.seeds])
        if chance("fail", *key) < self.fail:
            raise CallFailed("the pretend server failed", retry=True, after=self.after)
        begun = "".join(step.text for step in request.chain)
        texts, spent, told = [begun] * request.n, 0, 0
        left = [10**9 if self.deaf else request.max_tokens] * request.n
        writing = list(range(request.n))
        broken = chance("breaks", *key) < self.breaks
        while writing:
            for child in [*writing]:
                if request.until == "reply":
                    digit, end = begun, "answer"
                else:
                    digit = self._digit(texts[child], request.seeds[child])
                    whole = len(texts[child]) + 1 >= self.length
                    end = "answer" if whole else "step"
                size = min(self.size, left[child])
                left[child] -= size
                lost = chance("cut", *key, child, len(texts[child])) * self.length < self.cut
                if size < self.size or (not left[child] and end == "step"):
                    lost = lost or size < self.size or request.until == "answer"
                if chance("hang", *key, child, len(texts[child])) * self.length < self.hang:
                    await asyncio.Event().wait()
                texts[child] += digit
                said = digit if request.until == "reply" else texts[child]
                for n in range(size):
                    if self.delay:
                        await asyncio.sleep(self.delay * (1 + dice(*key, child, spent) % 3))
                    self.sent += 1
                    spent += 1
                    last = n == size - 1
                    yield Delta(
                        child,
                        digit if last and size == self.size else "",
                        kind="reply" if request.until == "reply" else "thought",
                        end="" if not last else "cut" if lost else end,
                        answer=said if last and end == "answer" and not lost else None,
                    )
                told += size if request.until == "reply" else 0
                if lost or end == "answer" or request.until in ("step", "token"):
                    writing.remove(child)
                if broken:
                    raise CallFailed(
                        "the pretend server broke off", retry=True, after=self.after, unseen=True
                    )
        if self.bills:
            prompt = self.prompt_bound(request)
            yield Bill(Usage(prompt=prompt, reasoning=spent - told, answer=told, calls=1))

    def _digit(self, text: str, seed: int) -> str:
        """The next digit: the seed's own, or everybody's."""
        shared = chance("repeat", self.seed, seed, text) < self.repeat
        return str(dice("digit", self.seed, text, None if shared else seed) % self.base)
