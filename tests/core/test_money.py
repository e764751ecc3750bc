"""Usage, prices, budgets and meters, one promise at a time."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system2.core import FREE, Budget, Meter, Price, Usage

PRICE = Price(Decimal(2), Decimal(10), Decimal("0.5"))
counts = st.integers(0, 10**6)
usages = st.builds(Usage, *[counts] * len(fields(Usage)))


@given(usages, usages, usages)
def test_adding_usages(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + Usage() == a
    assert (a + b).completion == a.completion + b.completion
    for field in fields(Usage):
        assert getattr(a + b, field.name) == getattr(a, field.name) + getattr(b, field.name)


@given(usages, counts)
def test_told_moves_reasoning_to_the_answer(usage: Usage, tokens: int) -> None:
    told = usage.told(tokens)
    assert told.completion == usage.completion
    assert told.answer - usage.answer == min(tokens, usage.reasoning)


def test_a_price_counts_cached_tokens_apart() -> None:
    usage = Usage(prompt=1000, cached=400, reasoning=70, answer=30, unseen=9, aborted=5)
    assert PRICE.of(usage) == Decimal("0.0024")
    assert Price(Decimal(2), Decimal(10)).of(usage) == Decimal("0.003")
    assert Price(Decimal(2), Decimal(10), Decimal(0)).of(usage) == Decimal("0.0022")
    assert FREE.of(usage) == 0


@given(counts, counts, counts)
def test_most_is_an_upper_bound(prompt: int, cached: int, completion: int) -> None:
    usage = Usage(prompt=prompt + cached, cached=cached, reasoning=completion)
    for price in (PRICE, Price(Decimal(1), Decimal(3), Decimal(4)), FREE):
        assert price.of(usage) <= price.most(usage.prompt, completion)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tokens", 0),
        ("tokens", -5),
        ("dollars", Decimal("-0.01")),
        ("dollars", Decimal("NaN")),
        ("seconds", -1.0),
        ("seconds", float("nan")),
        ("calls", 0),
        ("per_call", 0),
        ("reserve", -1),
        ("reserve_seconds", -1.0),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"budget: {name} must be at least [01], .* was given"):
        Budget(**{name: value})  # type: ignore[arg-type]


def test_a_dollar_cap_needs_a_price() -> None:
    with pytest.raises(
        ValueError, match=r"a cap of 3 dollars .* the price .* unknown; give --price"
    ):
        Meter(Budget(dollars=Decimal(3)))
    assert Meter(Budget(dollars=Decimal(3)), FREE).cost == 0
    assert Meter().cost is None


def test_a_promise_is_cut_to_what_there_is() -> None:
    meter = Meter(Budget(tokens=25))
    first = meter.promise(4, 0, 10)
    assert first and (first.rows, first.tokens) == (2, 20)
    assert meter.promise(1, 0, 10) is None, "five are left, but more will come back"
    assert not meter.idle
    meter.settle(first, Usage(reasoning=20), "policy")
    last = meter.promise(3, 0, 10)
    assert last and (last.rows, last.tokens) == (1, 5), "nothing will come back"
    meter.settle(last, Usage(reasoning=9, overrun=4), "policy")
    assert meter.promise(1, 0, 10) is None, "less than nothing is left"
    assert meter.idle and meter.promised == 0
    assert meter.usage == meter.spent["policy"] == Usage(reasoning=29, overrun=4)


def test_the_reserve_is_left_alone() -> None:
    meter = Meter(Budget(tokens=20))
    assert meter.promise(1, 0, 5, reserve=20) is None
    assert meter.promise(1, 0, 5, reserve=30) is None
    promise = meter.promise(9, 0, 5, reserve=8)
    assert promise and promise.tokens == 10
    left = meter.promise(1, 0, 10)
    assert left and left.tokens == 10


def test_the_reserve_keeps_money_for_its_prompt() -> None:
    budget = Budget(dollars=Decimal("0.001"))
    meter = Meter(budget, PRICE)
    plain = Meter(budget, PRICE).promise(1, 200, 100)
    assert plain and plain.tokens == 60
    reserved = meter.promise(1, 200, 100, reserve=1)
    assert reserved is None, "200 + 300 prompt tokens cost all there is"
    reserved = meter.promise(1, 100, 20, reserve=10)
    assert reserved and reserved.tokens == 20
    meter.settle(reserved, Usage(prompt=100, reasoning=20), "policy")
    reply = meter.promise(1, 120, 10)
    assert reply and reply.tokens == 10


def test_dollars_bound_tokens() -> None:
    meter = Meter(Budget(dollars=Decimal("0.001")), PRICE)
    promise = meter.promise(1, 100, 1000)
    assert promise and promise.tokens == 80
    assert meter.promised_dollars == Decimal("0.001")
    meter.settle(promise, Usage(prompt=100, reasoning=30, unseen=50), "policy")
    assert meter.promised_dollars == 0
    assert meter.cost == Decimal("0.0005")
    assert meter.room(0) == 0, "what was not seen may have been billed"
    assert meter.room(1) == 0
    free = Meter(Budget(dollars=Decimal(0)), FREE)
    assert free.room(10**6) is None


def test_a_parent_without_caps_keeps_nobody_waiting() -> None:
    """What others have promised under it can never make room: the last tokens are granted at once."""
    parent = Meter(Budget(calls=64), PRICE)
    one, other = (Meter(Budget(tokens=8), PRICE, parent) for _ in range(2))
    assert one.promise(1, 0, 5)
    assert not one.idle and other.idle
    last = other.promise(1, 0, 10)
    assert last and last.tokens == 8


def test_a_parent_must_grant_too() -> None:
    parent = Meter(Budget(tokens=10), PRICE)
    one, other = Meter(parent=parent), Meter(Budget(tokens=8), parent=parent)
    mine = one.promise(1, 5, 6)
    assert mine and parent.promised == 6
    assert other.room(0) == 4
    assert other.promise(1, 0, 6) is None and not other.idle
    one.settle(mine, Usage(reasoning=3), "policy")
    theirs = other.promise(1, 0, 8)
    assert theirs and theirs.tokens == 7
    assert (parent.usage.completion, other.usage.completion) == (3, 0)


def test_what_a_call_left_is_a_purse() -> None:
    meter = Meter(Budget(tokens=50, dollars=Decimal(1)), PRICE)
    promise = meter.promise(1, 10, 20)
    assert promise
    purse = meter.purse([promise], Usage(prompt=10, reasoning=5, unseen=3))
    assert purse and purse.room(0) == 12
    assert meter.purse([promise], Usage(prompt=10, reasoning=20)) is None
    assert meter.purse([promise], Usage(prompt=5000, reasoning=2)) is None
    assert Meter().purse([], Usage()) is None


def test_slots_are_first_come_first_served() -> None:
    parent = Meter(Budget(calls=2))
    meter = Meter(Budget(calls=3), parent=parent)
    order: list[int] = []

    async def call(n: int) -> None:
        await meter.enter()
        assert parent.running <= 2
        order.append(n)
        await asyncio.sleep(0)
        meter.leave()

    async def run() -> None:
        tasks = [asyncio.create_task(call(n)) for n in range(9)]
        await asyncio.sleep(0)
        assert (meter.running, parent.running) == (3, 2)
        tasks[2].cancel()  # holds a slot here, waits for one above
        tasks[5].cancel()  # waits here
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())
    assert order == [0, 1, 3, 4, 6, 7, 8]
    assert (meter.running, parent.running) == (0, 0)


def test_waiting_for_room() -> None:
    parent = Meter(Budget(tokens=10))
    one, other = Meter(parent=parent), Meter(parent=parent)

    async def run() -> list[str]:
        told: list[str] = []

        async def wait(meter: Meter, name: str) -> None:
            await meter.freed()
            told.append(name)

        tasks = [asyncio.create_task(wait(other, "other")), asyncio.create_task(wait(one, "one"))]
        await asyncio.sleep(0)
        promise = one.promise(1, 0, 5)
        assert promise and not told
        other.wake()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert told == ["other"]
        one.settle(promise, Usage(), "policy")
        await asyncio.gather(*tasks)
        return told

    assert asyncio.run(run()) == ["other", "one"]
    assert not parent._waiting and not one._waiting  # pyright: ignore[reportPrivateUsage]


def test_the_time_left_is_the_least_of_all() -> None:
    assert Meter().seconds_left() is None
    meter = Meter(Budget(seconds=50), parent=Meter(Budget(seconds=5), parent=Meter()))
    left = meter.seconds_left()
    assert left is not None and left <= 5
    assert Meter(Budget(seconds=0)).seconds_left() == 0
