"""One text as the embedded model continues it, token by token, without a search. Knows no request and no money."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from system2.policies.local.policy import Model
from system2.policies.local.schedule import Row
from system2.policies.visible import Visible
from system2.server.wire.completion_reply import Spelling

UNSEEN = ("<pad>", "<bos>", "<eos>")
"""Special tokens that stand in no text; the others do by their names, and are read by them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How to continue: limit of tokens, 0 to score alone; temperature 0 is greedy; stops are left out of the text.

    echo  begin with the prompt; top: likelihoods, with so many alternatives of each token; None: none
    """

    limit: int
    temperature: float
    stops: tuple[str, ...] = ()
    echo: bool = False
    top: int | None = None


@dataclass(slots=True)
class Continued:
    """A text under way. `finish`: why it ended; `spent`: tokens that were written for it, shown or not."""

    model: Model
    prompt: tuple[int, ...]
    seed: int
    wish: Wish
    finish: str | None = None
    spent: int = 0
    kept: list[int] = field(default_factory=list[int])  # of those written
    offsets: list[int] = field(default_factory=list[int])  # of what is shown, prompt included

    async def pieces(self) -> AsyncGenerator[str]:
        """The text as it comes; close it and nothing more is written. Raises DecoderError."""
        spelling = spelled(self.model)
        begun, places = "", list[int]()
        for id in self.prompt:
            places.append(spelling.size)
            begun += spelling.feed(id)
        base = 0 if self.wish.echo else spelling.size
        if self.wish.echo:
            self.offsets += places
            yield begun
        if self.wish.limit:
            visible = Visible(self.wish.stops)
            end = self.model.tokenizer.special["<eos>"]
            row = Row(
                self.prompt, self.seed, self.wish.limit, self.wish.temperature, frozenset({end})
            )
            async with aclosing(self.model.decoder.stream([row])) as stream:
                async for tokens in stream:
                    self.spent += len(tokens)
                    text = ""
                    for token in tokens:
                        if self.finish:
                            break  # written before anybody saw that the text was over
                        self.kept.append(token.id)
                        self.offsets.append(spelling.size - base)
                        text += visible.feed(spelling.feed(token.id))
                        if token.id == end or visible.over:
                            self.finish = "stop"
                    if text:
                        yield text
                    if self.finish:
                        break
            if rest := visible.feed(spelling.close()) + visible.close():
                yield rest
            self.trim(len(visible.text), visible.over)
        self.finish = self.finish or "length"

    def trim(self, size: int, stopped: bool) -> None:
        """Only tokens whose text begins before a stop string are told of."""
        if not stopped:
            return
        echoed = len(self.prompt) if self.wish.echo else 0
        base = self.offsets[echoed] if len(self.offsets) > echoed else 0
        while self.kept and self.offsets[-1] - base >= size:
            self.kept.pop()
            self.offsets.pop()

    async def likelihoods(self) -> dict[str, Any] | None:
        """`logprobs`, once the text is whole; None: nobody wants them. Raises DecoderError."""
        if self.wish.top is None:
            return None
        ids, first = [*self.prompt, *self.kept], 0 if self.wish.echo else len(self.prompt)
        scored = (
            await self.model.decoder.score(ids, first=first, top=self.wish.top)
            if first < len(ids)
            else []
        )
        return spelled(self.model).likelihoods(scored, self.offsets, self.wish.top)


def spelled(model: Model) -> Spelling:
    """How this model's tokens are spelt."""
    hidden = {model.tokenizer.special[name] for name in UNSEEN}
    return Spelling(model.tokenizer.raw, lambda one: one not in hidden)


def read(model: Model, text: str, *, whole: bool = True) -> list[int]:
    """A text as tokens, its special ones by their names; whole: begun with <bos>, as every text the model has seen."""
    ids = model.tokenizer.encode_trace(text)
    begin = model.tokenizer.special["<bos>"]
    return ids if not whole or ids[:1] == [begin] else [begin, *ids]
