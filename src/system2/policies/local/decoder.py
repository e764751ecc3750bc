"""One thread owns the model and serves the rows of all callers together. Knows nothing about text.

Continuous batching: every forward pass takes one token of each running row and pieces of new prompts.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol

from system2.policies.local.plain import Batch, Plain
from system2.policies.local.sample import Drawn, Floats
from system2.policies.local.schedule import Open, Row, Schedule, Token
from system2.policies.local.scoring import Scored, Scoring
from system2.policies.local.weights import Weights

Choice = Literal["auto", "kernel", "plain"]

HOLD = 0.05
"""Seconds that tokens may wait to cross to their loop together; a row's last one never waits."""

_CLOSED = "the decoder was closed; make a new one"


class DecoderError(Exception):
    """The decoder was closed, or a forward pass failed: it is of no more use."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since the start (prompt tokens computed and shared, passes, rows) and of this moment.

    used    KV blocks that running rows hold
    kept    further blocks whose contents later rows may share
    """

    computed: int
    shared: int
    passes: int
    rows: int
    running: int
    waiting: int
    used: int
    kept: int


class Engine(Protocol):
    """A forward pass over `blocks` KV blocks by up to `workers` threads: Kernel or Plain."""

    name: str
    blocks: int
    workers: int

    def copy(self, source: int, target: int) -> None: ...
    def run(self, batch: Batch, worker: int = 0) -> Drawn: ...
    def logits(self, batch: Batch) -> Floats: ...


class Decoder:
    """Streams tokens of many rows to many event loops from one model.

    engine   "kernel" (numba; compiles for 10 s where `python -m system2.policies.local.kernel` was
             never run), "plain" (numpy), or "auto": the kernel wherever it can run. Never one
             after the other, since they round differently
    memory   bytes of keys and values; prompts and answers stay there until the room is needed
    workers  threads of a pass with many rows; None: the processor's cores, at most 2
    """

    def __init__(
        self,
        weights: Weights,
        *,
        engine: Choice = "auto",
        memory: int = 64 << 20,
        workers: int | None = None,
    ) -> None:
        self.sizes = weights.sizes
        cores = workers or min(2, os.cpu_count() or 1)
        self._make: Callable[[], Engine] = lambda: make(weights, engine, memory, cores)
        self._turn = threading.Condition()
        self._schedule = Schedule[_Inbox]()
        self._texts = deque[Scoring]()  # to be scored, one after another
        self._thread: threading.Thread | None = None
        self._error: DecoderError | None = None
        self._closed = False

    def stream(self, rows: Sequence[Row]) -> AsyncGenerator[list[Token]]:
        """Tokens of all rows as they come, in lists; ends when every row has ended.

        ValueError: a row cannot be run. DecoderError: the model failed. Closing the generator takes
        its rows away at once.
        """
        sizes, rows = self.sizes, tuple(rows)
        for row in rows:
            if not row.prompt or not 0 <= min(row.prompt) <= max(row.prompt) < sizes.vocab:
                raise ValueError(f"a prompt needs ids from 0 to {sizes.vocab - 1}: {row.prompt}")
            if row.limit < 1 or len(row.prompt) + row.limit > sizes.context:
                raise ValueError(
                    f"a prompt ({len(row.prompt)} tokens) and its limit ({row.limit}, at least 1) "
                    f"must fit into the context of {sizes.context}; shorten one"
                )
            if not row.temperature >= 0:
                raise ValueError(f"a temperature is 0 or more, not {row.temperature}")
        return self._stream(rows)

    async def _stream(self, rows: tuple[Row, ...]) -> AsyncGenerator[list[Token]]:
        inbox = _Inbox()
        mine = [Open(row, i, inbox) for i, row in enumerate(rows)]
        left = len(mine)
        try:
            self._submit(mine)
            while left:
                tokens = await inbox.get()
                left -= sum(token.last for token in tokens)
                yield tokens
        finally:
            if left:
                self._withdraw(mine)

    async def score(self, ids: Sequence[int], *, first: int = 0, top: int = 0) -> list[Scored]:
        """How likely the tokens from number `first` on are after those before them; `top` likeliest beside each.

        The first token of all has no log-probability. Rows are written meanwhile. ValueError: the text
        cannot be read; DecoderError: the model failed.
        """
        sizes = self.sizes
        if not ids or not 0 <= min(ids) <= max(ids) < sizes.vocab:
            raise ValueError(f"a text needs ids from 0 to {sizes.vocab - 1}: {tuple(ids)}")
        if len(ids) > sizes.context:
            raise ValueError(
                f"a text of {len(ids)} tokens was given, and the context has room for {sizes.context}"
            )
        if not 0 <= first < len(ids) or not 0 <= top <= sizes.vocab:
            raise ValueError(f"first ({first}) must be a token's number, top ({top}) at least 0")
        text = Scoring(ids, first, top)
        if text.done:
            return text.scored
        try:
            with self._turn:
                self._begin()
                self._texts.append(text)
                self._turn.notify()
            return await text.future
        finally:
            text.closed = True

    def stats(self) -> Stats:
        """What has been done and what is going on."""
        with self._turn:
            now = self._schedule
            return Stats(
                computed=now.computed,
                shared=now.shared,
                passes=now.passes,
                rows=now.rows,
                running=len(now.running),
                waiting=len(now.waiting),
                used=now.blocks.used,
                kept=now.blocks.kept,
            )

    def close(self) -> None:
        """Ends the thread after its pass; open streams end with DecoderError."""
        with self._turn:
            self._closed = True
            self._turn.notify()
        if self._thread is not None:
            self._thread.join()

    def _submit(self, rows: list[Open[_Inbox]]) -> None:
        with self._turn:
            self._begin()
            self._schedule.add(rows)
            self._turn.notify()

    def _begin(self) -> None:
        """Start the thread, if it is not there."""
        if self._error is not None or self._closed:
            # A new exception each time: a raised one carries its caller's traceback.
            raise DecoderError(str(self._error or _CLOSED)) from self._error
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="decoder", daemon=True)
            self._thread.start()

    def _withdraw(self, rows: Iterable[Open[_Inbox]]) -> None:
        with self._turn:
            for row in rows:
                row.closed = True
            line = self._schedule.waiting
            for row in [row for row in line if row.closed]:
                line.remove(row)
            self._turn.notify()

    # From here on: the decoder's own thread.

    def _work(self) -> None:
        error = DecoderError(_CLOSED)
        try:
            engine = self._make()
            with self._turn:
                blocks, copy, workers = engine.blocks, engine.copy, engine.workers
                self._schedule.equip(blocks, copy, self.sizes.context, workers)
            with ThreadPoolExecutor(1, "decoder") as helper:
                self._serve(engine, helper)
        except Exception as cause:  # noqa: BLE001 - the border: whatever a pass raises goes to the callers
            error = DecoderError(f"the decoder stopped: {type(cause).__name__}: {cause}")
            error.__cause__ = cause
        with self._turn:
            self._error = error
            left = [*self._schedule.running, *self._schedule.waiting]
            owners = {row.owner for row in left if not row.closed}
            for row in left:
                row.closed = True
            self._schedule.sweep()
            texts = [*self._texts]
        self._tell({owner: [] for owner in owners}, error)
        for text in texts:
            _send(text, error)

    def _serve(self, engine: Engine, helper: ThreadPoolExecutor) -> None:
        """Pass after pass until the decoder is closed."""
        while True:
            with self._turn:
                self._schedule.sweep()
                while not (self._closed or self._schedule.busy or self._texts):
                    self._turn.wait()
                if self._closed:
                    return
                parts = self._schedule.plan() if self._schedule.busy else []
            others = [helper.submit(engine.run, part.batch, 1) for part in parts[1:]]
            draws = [engine.run(part.batch, 0) for part in parts[:1]]
            draws += [other.result() for other in others]
            with self._turn:
                news = self._schedule.settle(parts, draws)
            self._tell(_ripe(news), None)
            self._read(engine)

    def _read(self, engine: Engine) -> None:
        """A piece of the text that is scored next: it waits where rows hold all the memory."""
        blocks = self._schedule.blocks
        with self._turn:
            while self._texts and self._texts[0].closed:
                self._texts.popleft().release(blocks)
            text = self._texts[0] if self._texts else None
            batch = text.piece(blocks, self.sizes.context) if text else None
        if text is None or batch is None:
            return
        logits = engine.logits(batch)
        with self._turn:
            text.take(logits, blocks)
            if over := text.done:
                self._texts.popleft().release(blocks)
        if over:
            _send(text, None)

    def _tell(self, news: dict[_Inbox, list[Token]], error: DecoderError | None) -> None:
        """Cross to each event loop once."""
        loops: dict[asyncio.AbstractEventLoop, dict[_Inbox, list[Token]]] = {}
        for inbox, tokens in news.items():
            loops.setdefault(inbox.loop, {})[inbox] = tokens
        for loop, letters in loops.items():
            try:
                loop.call_soon_threadsafe(_deliver, letters, error)
            except RuntimeError:  # that loop has ended, and with it whoever waited
                with self._turn:
                    for row in (*self._schedule.running, *self._schedule.waiting):
                        row.closed |= row.owner in letters
                    self._schedule.sweep()


class _Inbox:
    """Tokens on their way to one generator. `held` and `due` are the decoder's, the rest its loop's."""

    def __init__(self) -> None:
        self.held: list[Token] = []
        self.due = 0.0
        self.loop = asyncio.get_running_loop()
        self.tokens: list[Token] = []
        self.error: DecoderError | None = None
        self.ready = asyncio.Event()

    def put(self, tokens: list[Token], error: DecoderError | None) -> None:
        self.tokens += tokens
        self.error = self.error or error
        self.ready.set()

    async def get(self) -> list[Token]:
        await self.ready.wait()
        if self.error is not None:
            raise DecoderError(str(self.error)) from self.error
        self.ready.clear()
        tokens, self.tokens = self.tokens, []
        return tokens


def _ripe(news: dict[_Inbox, list[Token]]) -> dict[_Inbox, list[Token]]:
    """What is due: to wake a task costs more than to compute a token, so many cross at once."""
    now = time.monotonic()
    ripe: dict[_Inbox, list[Token]] = {}
    for inbox, tokens in news.items():
        inbox.held += tokens
        if now >= inbox.due or any(token.last for token in tokens):
            ripe[inbox], inbox.held, inbox.due = inbox.held, [], now + HOLD
    return ripe


def make(weights: Weights, engine: Choice, memory: int, workers: int) -> Engine:
    """The engine called for; "auto" is plain without numba or fp16 instructions."""
    if engine == "plain":
        return Plain(weights, memory)
    try:
        from system2.policies.local import kernel  # numba takes 0.3 s to import
    except ModuleNotFoundError as error:
        if engine == "kernel" or error.name not in ("numba", "llvmlite"):
            raise
        return Plain(weights, memory)
    if engine == "auto" and not kernel.fast():
        return Plain(weights, memory)
    return kernel.Kernel(weights, memory, workers)


def _send(text: Scoring, error: DecoderError | None) -> None:
    """A text's scores cross to its loop."""
    try:
        text.loop.call_soon_threadsafe(_hand, text, error)
    except RuntimeError:  # that loop has ended, and with it whoever waited
        text.closed = True


def _hand(text: Scoring, error: DecoderError | None) -> None:
    if not text.future.done():
        if error is None:
            text.future.set_result(text.scored)
        else:
            text.future.set_exception(DecoderError(str(error)))


def _deliver(letters: dict[_Inbox, list[Token]], error: DecoderError | None) -> None:
    for inbox, tokens in letters.items():
        inbox.put(tokens, error)
