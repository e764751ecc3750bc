"""The watcher that counts one run. Each thing is counted once: of a resumed run only what is new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from prometheus_client import Counter

from system2.core import (
    Asked,
    Billed,
    Born,
    Called,
    Event,
    Failed,
    Finished,
    Handed,
    Merged,
    Piece,
    Recalled,
    Replied,
    Resumed,
    Started,
    Usage,
)
from system2.server.watch.bills import Bills
from system2.server.watch.instruments import Instruments
from system2.server.watch.trouble import OURS, code

KINDS = {"verifier": "evaluator", "summary": "summary", "moderation": "moderation"}
"""Of tokens that others than the policy cost, prompts included: roles, and names of sidecars."""


class Counting:
    """Counts a run as it goes; `close` it where the run may have broken off without `Finished`.

    What is shown is known only at the end: of the tokens that came, as many as may yet turn out to
    be the answer's are held back, and counted as reasoning or visible when the run is over.
    """

    def __init__(
        self,
        instruments: Instruments,
        model: str,
        key_id: str,
        backend: str,
        *,
        strategy: str,
        bills: Bills,
        clock: Callable[[], float],
    ) -> None:
        self._to, self._bills, self._clock = instruments, bills, clock
        self._model, self._backend = instruments.model(model), instruments.backend(backend)
        self._strategy, self._key = instruments.strategy(strategy), instruments.key(key_id)
        nodes = instruments.nodes
        self._open = nodes.labels(self._strategy, "open")
        self._solved = nodes.labels(self._strategy, "solved")
        self._cut = nodes.labels(self._strategy, "failed")
        self._again = nodes.labels(self._strategy, "duplicate")
        self._kinds: dict[str, Counter] = {}
        self._dollars = instruments.cost.labels(self._model, self._key)
        self._began: float | None = None  # None: not begun, or over
        self._thought: float | None = None  # seconds until the reply was asked for
        self._wrote = defaultdict[int, int](int)  # completion tokens of calls under way
        self._came = 0  # completion tokens of calls that are over
        self._told = 0  # the most of them that one answer's text can be
        self._booked = 0  # of these, counted as reasoning
        self._depths = [0]
        self._asks: dict[int, tuple[int, bool]] = {}  # asks for steps: depth, does it go back
        self._last: int | None = None  # the depth of the ask handed over last
        self._kept: set[tuple[int, int]] = set()  # continuations paid for before
        self._old: set[int] = set()  # their asks

    def __call__(self, event: Event) -> None:
        match event:
            case Piece():  # by far most are
                pass
            case Born():
                self._born(event)
            case Merged():
                if (event.ask, event.child) not in self._kept:
                    self._again.inc()
            case Called():
                self._bills.called(event)
            case Billed():
                self._billed(event)
            case Replied(role="policy"):
                told = [sum(step.told for step in steps) for _, steps in event.chains]
                self._told = max(self._told, *told, 0)
                self._came += self._wrote.pop(event.call, 0)
                self._reasoned(self._came - self._told)
            case Asked():
                self._asked(event)
            case Handed():
                self._handed(event)
            case Recalled():
                self._kept.add((event.ask, event.child))
                self._old.add(event.ask)
            case Failed():
                if (word := code(event.error)) not in OURS:
                    backend = self._backend if event.role == "policy" else event.role
                    self._to.errors.labels(backend, word).inc()
            case Started():
                self._begin()
            case Resumed():
                self._begin()
                for role, lost in event.lost.items():  # nobody was there to be billed
                    self._spent(role, lost)
            case Finished():
                self._finished(event)
            case _:
                pass

    def close(self) -> None:
        """The run is over, whether it said so or not."""
        if self._began is not None:
            self._began = None
            self._to.active.dec()
        self._reasoned(self._came + sum(self._wrote.values()))

    def _born(self, event: Born) -> None:
        self._depths.append(self._depths[event.parent] + 1)
        if (event.ask, event.child) in self._kept:
            return
        step = event.step
        (self._cut if step.cut else self._solved if step.final else self._open).inc()

    def _begin(self) -> None:
        self._began = self._clock()
        self._to.active.inc()

    def _billed(self, event: Billed) -> None:
        if event.role == "policy":
            self._wrote[event.call] += event.usage.completion
        self._spent(self._bills.name(event), event.usage)
        if (dollars := self._bills.dollars(event)) is not None:
            self._dollars.inc(float(dollars))

    def _spent(self, who: str, usage: Usage) -> None:
        """All but the policy's completion tokens, which may be of two kinds."""
        if who == "policy":
            self._count("prompt", usage.prompt)
            self._count("cached", usage.cached)
        else:
            self._count(KINDS.get(who, "other"), usage.prompt + usage.completion)

    def _count(self, kind: str, tokens: int) -> None:
        if tokens:
            if kind not in self._kinds:
                self._kinds[kind] = self._to.tokens.labels(self._model, kind)
            self._kinds[kind].inc(tokens)

    def _reasoned(self, tokens: int) -> None:
        """So many tokens in all are reasoning, whatever the answer will be."""
        if tokens > self._booked:
            self._count("reasoning", tokens - self._booked)
            self._booked = tokens

    def _asked(self, event: Asked) -> None:
        if event.until in ("step", "token"):
            depth = self._depths[event.node]
            self._asks[event.ask] = depth, self._last is not None and depth <= self._last
        elif event.until == "reply" and self._began is not None and self._thought is None:
            self._thought = self._clock() - self._began

    def _handed(self, event: Handed) -> None:
        for ask in event.asks:
            if ask in self._asks:
                self._last, back = self._asks.pop(ask)
                if back and ask not in self._old:
                    self._to.backtracks.inc()

    def _finished(self, event: Finished) -> None:
        came = self._came + sum(self._wrote.values())
        shown = max(0, min(event.usage.answer, came - self._booked))
        self._count("visible", shown)
        self._booked += shown
        seconds = event.seconds if self._thought is None else self._thought
        self._to.thinking.labels(self._model).observe(seconds)
        self._to.samples.observe(event.samples)
        self._to.runs.labels(self._strategy, self._to.why(event.why)).inc()
        self.close()
