"""What ends a search in haste spares no answer its verifier."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from engine.fakes import SUM, Bad, Judge, faults, settled, shape

from system2.core import (
    Born,
    Budget,
    Chain,
    Event,
    Finished,
    Meter,
    Problem,
    Scored,
    Strategy,
    Style,
    Tree,
    Write,
)
from system2.effort import checked_or_voted
from system2.engine import Engine, regrow
from system2.policies.fake import Digits
from system2.search import best_of
from system2.store import decode, encode


@dataclass
class Slow:
    """Never comes to an end before somebody is in haste; then says what it thinks of an answer."""

    wrong: set[str] = field(default_factory=set[str])
    all_wrong: bool = False
    hurry: bool = False
    looked: list[str | None] = field(default_factory=list[str | None])
    come: asyncio.Event = field(default_factory=asyncio.Event)

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        self.come.set()
        if not self.hurry:
            await asyncio.Event().wait()
        self.looked += [chain[-1].answer for chain in chains]
        wrong = [self.all_wrong or chain[-1].answer in self.wrong for chain in chains]
        return [0.0 if one else None for one in wrong]


def hurried(
    verifier: Slow, strategy: Strategy, *, reply: Style | None = None, budget: Budget | None = None
) -> tuple[Engine, Finished, list[Event]]:
    """A run that is asked for its answer while its verifier looks at all that was found."""
    engine = Engine(
        SUM, strategy, Digits(), Meter(budget or Budget()), verifier=verifier, reply=reply, seed=3
    )
    events: list[Event] = []
    engine.watchers.append(events.append)

    async def run() -> Finished:
        async with asyncio.timeout(30):
            task = asyncio.create_task(engine.run())
            if budget is None:
                await verifier.come.wait()
                verifier.hurry = True
                engine.stop("answer_now")
            return await task

    end = asyncio.run(run())
    assert settled(engine.meter)
    return engine, end, events


def found(engine: Engine) -> list[str | None]:
    return [node.answer for node in engine.tree.finals]


def test_the_answer_is_looked_at_before_it_is_shown():
    verifier = Slow()
    _, end, events = hurried(verifier, best_of(4, choose=checked_or_voted))
    assert end.why == "answer_now" and end.answer is not None and not end.refuted
    assert verifier.looked == [end.answer]
    assert [event.ask for event in events if isinstance(event, Scored)] == [0]


def test_a_refuted_one_gives_way_to_the_next():
    engine, first, _ = hurried(Slow(), best_of(4, choose=checked_or_voted))
    assert len({*found(engine)}) > 1
    verifier = Slow({first.answer or ""})
    strategy = best_of(4, choose=checked_or_voted)
    engine, end, events = hurried(verifier, strategy)
    assert end.answer not in (None, first.answer) and not end.refuted
    assert verifier.looked[0] == first.answer and len(verifier.looked) == 2
    stored = [decode(encode(event)) for event in events if not isinstance(event, Born)]
    assert stored[-1] == end
    assert shape(regrow(strategy, events)) == shape(engine.tree)


def test_where_all_are_wrong_it_says_so():
    verifier = Slow(all_wrong=True)
    engine, end, _ = hurried(verifier, best_of(4, choose=checked_or_voted))
    assert end.refuted
    assert {*verifier.looked} == {*found(engine)}


def test_a_reply_to_a_line_that_had_no_answer_is_looked_at():
    """The search ends before any line has: what is written then is an answer like any other."""

    def cut(tree: Tree) -> bool:
        return all(node.answer is None for node in tree.nodes)

    for wrong in (False, True):
        verifier = Slow(all_wrong=wrong, hurry=True)
        few = Budget(tokens=12, per_call=3, reserve=9)
        engine, end, _ = hurried(verifier, best_of(1), reply=Style(), budget=few)
        assert cut(engine.tree) and end.answer is not None
        assert verifier.looked == [end.answer]
        assert end.refuted is wrong


@pytest.mark.parametrize("verifier", [Bad("raises"), Bad("short"), Judge()])
def test_a_verifier_that_cannot_look_keeps_nobody_from_the_answer(verifier: Bad | Judge):
    engine = Engine(SUM, best_of(2), Digits(), Meter(Budget()), verifier=verifier)
    events: list[Event] = []
    engine.watchers.append(events.append)

    async def run() -> Finished:
        task = asyncio.create_task(engine.run())
        while not engine.line.running:
            await asyncio.sleep(0)
        for _ in range(12):
            await asyncio.sleep(0)
        engine.stop("answer_now")
        return await task

    end = asyncio.run(run())
    assert end.answer is not None or not engine.tree.finals
    assert settled(engine.meter)
    assert all(fault.role == "verifier" for fault in faults(events))
