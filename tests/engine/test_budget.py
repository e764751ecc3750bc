"""Whatever the plan, the order and the failures: the budget holds, and all promises come back."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from engine.fakes import SUM, Bad, Judge, Late, Marks, arrived, faults, settled
from engine.plans import sheaf, strategies
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import PLAIN, Budget, Event, Meter, Price, Usage
from system2.engine import Engine
from system2.policies.fake import Digits

PRICE = Price(Decimal(2), Decimal(10), Decimal("0.5"))

budgets = st.builds(
    Budget,
    tokens=st.none() | st.integers(1, 120),
    dollars=st.none() | st.integers(0, 3000).map(lambda n: Decimal(n) / 10**6),
    calls=st.none() | st.integers(1, 3),
    per_call=st.integers(1, 12),
    reserve=st.integers(0, 12),
)
chances = st.sampled_from([0.0, 0.0, 0.2, 0.6])
policies = st.builds(
    Digits,
    length=st.integers(1, 4),
    base=st.integers(1, 3),
    seed=st.integers(0, 99),
    size=st.integers(1, 3),
    fail=st.sampled_from([0.0, 0.0, 0.3, 1.0]),
    breaks=chances,
    cut=chances,
    repeat=chances,
    deaf=st.booleans(),
    bills=st.booleans(),
    can=st.sampled_from([frozenset({"continue", "n"}), frozenset({"continue"})]),
)
verifiers = st.sampled_from([None, Marks(), Judge(), Bad("raises"), Bad("short")])


def within(meter: Meter) -> bool:
    """Is what was spent, but for what servers sent unasked, within the budget?"""
    budget, usage = meter.budget, meter.usage
    tokens = usage.completion + usage.unseen - usage.overrun
    held = budget.tokens is None or tokens <= budget.tokens
    if budget.dollars is None:
        return held
    asked = Usage(prompt=usage.prompt, cached=usage.cached, reasoning=tokens)
    return held and PRICE.of(asked) <= budget.dollars


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_budget_holds(data: st.DataObject) -> None:
    parent = data.draw(st.none() | st.builds(Meter, budgets, st.just(PRICE)))
    engines: list[Engine] = []
    events: list[list[Event]] = []
    for _ in range(data.draw(st.integers(1, 2))):
        options: dict[str, Any] = {
            "verifier": data.draw(verifiers),
            "seed": data.draw(st.none() | st.integers(0, 9)),
            "reply": data.draw(st.sampled_from([None, PLAIN])),
            "verify_seconds": 5.0,
        }
        policy = Late(data.draw(policies), data.draw(st.integers(0, 99)))
        meter = Meter(data.draw(budgets), PRICE, parent)
        engine = Engine(SUM, data.draw(strategies), policy, meter, **options)
        events.append([])
        engine.watchers.append(events[-1].append)
        engines.append(engine)

    async def all_run() -> list[Any]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*(engine.run() for engine in engines))

    ends = asyncio.run(all_run())
    for engine, end, happened in zip(engines, ends, events, strict=True):
        meter, digits = engine.meter, engine.policy.inner  # type: ignore
        assert settled(meter)
        assert all(within(one) for one in meter.lineage())
        assert (end.node is None) == (len(engine.tree.nodes) == 1)
        assert end.usage.completion == meter.spent.get("policy", Usage()).completion
        assert end.why in ("complete", "enough", "stuck", "budget", "cost", "failed"), end.why
        if end.why == "cost":
            assert any(one.budget.dollars is not None for one in meter.lineage())
        if end.why == "enough":
            assert engine.strategy.need(engine.tree) == 0
        if end.why == "budget" and not parent and meter.budget.dollars is None:
            before = end.usage.completion if not engine.reply else 0
            spent = before + meter.usage.unseen
            assert meter.budget.tokens is not None
            assert (
                engine.reply
                or meter.budget.tokens - spent - meter.budget.reserve < 1
                or ("verifier" in meter.spent)
            )
        if end.why == "failed":
            assert faults(happened)
        if not digits.bills and not engine.reply:
            assert arrived(engine.tree) == end.usage.completion


@given(st.integers(1, 5), st.integers(1, 9), st.booleans())
@settings(max_examples=30, deadline=None)
def test_never_more_calls_than_lines(lines: int, n: int, ordered: bool) -> None:
    policy = Late(Digits(can=frozenset({"continue"})), least=100)
    parent = Meter(Budget(calls=lines))
    seed = 1 if ordered else None
    engines = [Engine(SUM, sheaf(n), policy, Meter(parent=parent), seed=seed) for _ in range(2)]

    async def both() -> None:
        async with asyncio.timeout(60):
            await asyncio.gather(*(engine.run() for engine in engines))

    asyncio.run(both())
    assert policy.peak == min(lines, 2 * n)
    assert settled(engines[0].meter)
    assert [len(engine.tree.finals) for engine in engines] == [n, n]
