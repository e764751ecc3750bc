"""Many questions on one budget: it holds whatever happens, nothing is paid for twice, hard ones get more."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from system2.batch import Batch, Item, Row, pot_of
from system2.core import Budget, CallFailed, Price, Usage
from system2.policies.fake import Digits
from system2.search import agreed, best_of, majority

PRICE = Price(Decimal(2), Decimal(10))
ITEMS = [Item(str(n), f"question {n}") for n in range(12)]


def sitting(
    policy: Any, budget: Budget, runs: dict[str | int, str], spent: Usage, items: list[Item] = ITEMS,
    stop_after: int = 0, parallel: int = 3, **given: Any,
) -> tuple[Batch, list[Row], list[Item]]:  # fmt: skip
    """One call of the command, so to say."""
    rows: list[Row] = []

    def tell(row: Row) -> None:
        rows.append(row)
        if len(rows) == stop_after:
            batch.stop("interrupted")

    options = {
        "policy": policy, "verifier": None, "price": PRICE, "per_call": 8,
        "strategy": best_of(8, choose=majority, need=agreed(3)), **given,
    }  # fmt: skip
    batch = Batch(
        options, pot_of(budget, options, spent), runs, lambda item, run: None, tell, parallel
    )  # type: ignore[arg-type]
    left = asyncio.run(batch.run(items))
    return batch, rows, left


def test_all_are_answered_once_without_a_budget() -> None:
    policy = Digits(base=2, length=2)
    batch, rows, left = sitting(policy, Budget(), {}, Usage())
    assert sorted(row.item.id for row in rows) == sorted(item.id for item in ITEMS)
    assert not left and all(row.settled and row.result and row.result.answer for row in rows)
    assert batch.pot.usage.completion == policy.sent == sum(row.usage.completion for row in rows)


@example(252, None, 0, 0.0, 2)  # kept lines of thought came in beyond the quota of their wave
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.none() | st.integers(1, 400), st.none() | st.integers(0, 5000), st.integers(0, 99),
    st.sampled_from([0.0, 0.5]), st.integers(0, 12),
)  # fmt: skip
def test_the_budget_holds_over_any_sittings(
    tokens: int | None, microdollars: int | None, seed: int, cut: float, stop_after: int
) -> None:
    """Stopped at any row and gone on with, twice: never more than the budget, every question told once."""
    dollars = None if microdollars is None else Decimal(microdollars) / 10**6
    budget = Budget(tokens, dollars)
    policy = Digits(base=3, seed=seed, cut=cut)
    runs: dict[str | int, str] = {}
    spent, done = Usage(), dict[str | int, Row]()
    for stop in (stop_after, 3, 0):
        items = [item for item in ITEMS if item.id not in done]
        batch, rows, _ = sitting(policy, budget, runs, spent, items, stop)
        done |= {row.item.id: row for row in rows if row.settled}
        usage = spent = batch.pot.usage
        assert usage.completion + usage.unseen <= (10**9 if tokens is None else tokens)
        assert dollars is None or PRICE.of(usage) <= dollars
        assert batch.pot.promised == 0 and batch.pot.promises == 0
    assert policy.sent == usage.completion  # nothing was asked for twice
    assert {row.item.id for row in rows} | {*done} == {item.id for item in ITEMS}


def test_easy_questions_leave_their_budget_to_hard_ones() -> None:
    """Half of the questions agree at once; the others get several times their even share."""

    class Mixed(Digits):
        """Even questions have one possible answer."""

        def _digit(self, text: str, seed: int) -> str:
            return "7" if self.easy else Digits._digit(self, text, seed)

        async def stream(self, request: Any) -> Any:
            self.easy = int(request.problem.question.split()[-1]) % 2 == 0
            async for item in Digits.stream(self, request):
                yield item

    items = [Item(str(n), f"question {n}") for n in range(20)]
    policy = Mixed(base=10, length=2)
    strategy = best_of(200, choose=majority, need=agreed(3))
    batch, rows, left = sitting(policy, Budget(2000), {}, Usage(), items, strategy=strategy)
    easy = [row.usage.completion for row in rows if int(row.item.id) % 2 == 0]
    hard = [row.usage.completion for row in rows if int(row.item.id) % 2]
    assert not left and max(easy) < 20 < 100 < sum(hard) / len(hard)
    assert batch.pot.usage.completion > 0.8 * 2000


def test_a_server_that_is_down_is_left_alone() -> None:
    policy = Digits(fail=1.0, after=0.0)
    batch, rows, left = sitting(policy, Budget(), {}, Usage())
    assert {row.item.id for row in rows} | {item.id for item in left} == {i.id for i in ITEMS}
    assert len(rows) < len(ITEMS) / 2
    assert all(row.why == "failed" and "pretend server" in row.error for row in rows)
    assert "3 questions in a row failed, the last: the pretend server failed" in batch.ending


def test_a_question_that_is_none_is_refused_and_the_rest_goes_on() -> None:
    items = [Item("1", ""), Item("2", "fine"), Item("3", "\x00")]
    _, rows, left = sitting(Digits(), Budget(), {}, Usage(), items)
    assert not left
    assert {row.item.id: row.why == "refused" for row in rows} == {"1": True, "2": False, "3": True}
    assert all(row.error for row in rows if row.why == "refused")


def test_questions_the_server_refuses_at_once_do_not_stop_the_others() -> None:
    """Three of twenty fail at once, and so end before any other is answered."""

    class Choosy(Digits):
        """Fails for some."""

        async def stream(self, request: Any) -> Any:
            if request.problem.question in ("question 1", "question 2", "question 3"):
                raise CallFailed("too long", retry=False)
            async for item in Digits.stream(self, request):
                await asyncio.sleep(0.001)
                yield item

    items = [Item(n, f"question {n}") for n in range(20)]
    batch, rows, left = sitting(Choosy(), Budget(), {}, Usage(), items, parallel=16)
    assert not batch.ending and not left and len(rows) == 20
    assert [row.why for row in rows].count("failed") == 3


def test_what_there_is_when_time_is_up_is_told() -> None:
    class Late(Digits):
        """Time is up with its hundredth call."""

        async def stream(self, request: Any) -> Any:
            if self.calls == 100:
                batch.stop("time")
            async for item in Digits.stream(self, request):
                yield item

    rows: list[Row] = []
    options: Any = {
        "policy": Late(base=10, length=2), "verifier": None, "price": PRICE, "at_once": 4,
        "strategy": best_of(500),
    }  # fmt: skip
    batch = Batch(
        options, pot_of(Budget(), options, Usage()), {}, lambda i, r: None, rows.append, 3
    )
    left = asyncio.run(batch.run(ITEMS))
    assert len(left) == len(ITEMS) and len(rows) == 3
    assert all(row.why == "time" and row.result and row.result.answer for row in rows)


def test_an_open_answer_is_not_lost_where_nothing_is_left() -> None:
    runs: dict[str | int, str] = {}
    first, rows, _ = sitting(
        Digits(base=9), Budget(60), runs, Usage(), ITEMS[:3], strategy=best_of(50)
    )
    again, later, _ = sitting(
        Digits(base=9), Budget(60), runs, first.pot.usage, ITEMS[:3], strategy=best_of(50)
    )
    answers = {row.item.id: row.result and row.result.answer for row in rows}
    assert any(answers.values())
    assert {row.item.id: row.result and row.result.answer for row in later} == answers
    assert again.pot.usage == first.pot.usage


def test_the_second_round_is_shared_evenly() -> None:
    """Shares given out, but not yet promised to a call, are nobody else's."""
    shares: list[int] = []
    items = [Item(n, f"question {n}") for n in range(8)]

    class Told(Batch):
        """Keeps the shares."""

        def allow(self, meter: Any, share: Any) -> None:
            if self.second:
                shares.append(share.tokens)
            super().allow(meter, share)

        async def round(self, items: Any, part: float | None) -> Any:
            self.second = part is None
            return await super().round(items, part)

    options: Any = {
        "policy": Digits(base=10, length=2, delay=0.002), "verifier": None, "price": PRICE,
        "per_call": 4, "strategy": best_of(400, choose=majority, need=agreed(40)),
    }  # fmt: skip
    pot = pot_of(Budget(1600), options, Usage())
    asyncio.run(Told(options, pot, {}, lambda item, run: None, lambda row: None, 8).run(items))
    assert len(shares) == 8 and max(shares) <= 1.25 * min(shares)


def test_wrong_options_are_one_error() -> None:
    with pytest.raises(ValueError, match="there is no effort"):
        sitting(Digits(), Budget(), {}, Usage(), effort="huge")
