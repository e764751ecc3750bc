"""Sidecars of every temper, a model for them to ask, and an engine that they stand beside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from engine.fakes import SUM, Late

from system2.core import (
    Bill,
    Budget,
    CallFailed,
    Chain,
    Delta,
    Event,
    Message,
    Meter,
    Moment,
    Note,
    Noted,
    Problem,
    Request,
    Strategy,
    Usage,
    Veto,
    Vetoed,
    Write,
)
from system2.engine import Aside, Engine
from system2.policies.fake import Digits

COST = 3  # completion tokens of a call of Talker


@dataclass
class Talker:
    """A policy that says `text` to whatever it is asked, in COST tokens. fault: what it does instead."""

    text: str = "**Note**\n\nIt goes on."
    fault: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    can: frozenset[str] = frozenset()

    def prompt_bound(self, request: Request) -> int:
        return 8

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.fault == "fails":
            raise CallFailed("the side server refused", retry=False)
        if self.fault == "hangs":
            await asyncio.Event().wait()
        for _ in range(100 if self.fault == "deaf" else COST - 1):
            yield Delta(0, "", kind="reply")
        yield Delta(0, self.text, kind="reply", end="answer")
        yield Bill(Usage(prompt=8, answer=COST, calls=1))


@dataclass
class Notes:
    """Says something of whatever it is shown, or does what `how` says; asks a model where it has tokens."""

    how: str = ""
    name: str = "notes"
    tokens: int = 0
    holds: bool = False
    turns: int = 0
    seed: int = 0
    shown: list[tuple[Moment, str]] = field(default_factory=list[tuple[Moment, str]])

    async def at_step(self, problem: Problem, chain: Chain, write: Write, moment: Moment) -> Any:
        self.shown.append((moment, "".join(step.text for step in chain)))
        dice = Random(f"{self.seed} {len(self.shown)}")
        for _ in range(dice.randint(0, self.turns)):
            await asyncio.sleep(0)
        if self.how == "raises":
            raise ZeroDivisionError("no idea")
        if self.how == "hangs":
            await asyncio.Event().wait()
        if self.how in ("word", "veto"):
            return "a note" if self.how == "word" else Veto("it may not")
        if self.tokens:
            asked = Problem((Message("user", repr([step.text for step in chain])),))
            await write(Request(asked, (), 1, "reply", self.tokens, (len(chain),)))
        return Note(f"**{moment.what}**")


@dataclass
class Censor:
    """Holds: forbids steps that `bad` says are, as far as they are new; late by up to `turns` turns of the loop."""

    bad: Callable[[str], bool]
    stop: bool = False
    turns: int = 0
    seed: int = 0
    name: str = "censor"
    holds: bool = True
    tokens: int = 0
    looks: int = 0
    fails: bool = False
    hangs: bool = False

    async def at_step(
        self, problem: Problem, chain: Chain, write: Write, moment: Moment
    ) -> Veto | None:
        self.looks += 1
        dice = Random(f"{self.seed} {self.looks}")
        for _ in range(dice.randint(0, self.turns)):
            await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise ValueError("no opinion")
        if self.tokens:
            asked = Problem((Message("user", repr([step.text for step in chain])),))
            await write(Request(asked, (), 1, "reply", self.tokens, (len(chain),)))
        bad = any(self.bad(step.text) for step in chain[moment.since :])
        return Veto("forbidden", stop=self.stop) if bad else None


def engine(
    strategy: Strategy, *asides: Aside, budget: Budget | None = None, **more: object
) -> Engine:
    policy = Late(Digits(base=3, repeat=0.4, after=0.0), 3)
    options: dict[str, object] = {"seed": 5} | more
    meter = Meter(budget or Budget())
    return Engine(SUM, strategy, policy, meter, sidecars=asides, **options)  # type: ignore


def notes(events: Sequence[Event]) -> list[Noted]:
    return [event for event in events if isinstance(event, Noted)]


def vetoes(events: Sequence[Event]) -> list[Vetoed]:
    return [event for event in events if isinstance(event, Vetoed)]
