"""What runs like this took: from alike and finished ones only, with an interval."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from system2.core import Finished, Problem, Started, Usage
from system2.estimate import estimate
from system2.records import Summary


def ran(
    tokens: int, why: str = "enough", cost: Decimal | None = Decimal(0), **settings: str
) -> Summary:
    started = Started("r", Problem.of("q"), 1, False, {"effort": "high", **settings})
    usage = Usage(reasoning=tokens)
    end = Finished(None, None, why, 1, usage, {"policy": usage}, cost, tokens / 100)
    return Summary("r", started, end)


def test_the_middle_of_runs_alike() -> None:
    alike = [ran(100 * n) for n in range(1, 12)]
    others = [ran(9, effort="low"), ran(9, samples="3"), ran(9, why="interrupted")]
    killed = Summary("r", alike[0].started, None)
    found = estimate([*others, killed, *alike], {"effort": "high", "tokens": "5"})
    assert found and found.runs == 11 and found.tokens == (100, 600, 1100)
    assert found.seconds == (1.0, 6.0, 11.0) and "$" not in str(found)
    assert "11 runs like this took 100 to 1,100 tokens (median 600)" in str(found)


def test_too_few_say_nothing() -> None:
    assert estimate([ran(1)] * 8, {"effort": "high"}) is None
    assert estimate([], {}) is None


def test_dollars_only_where_all_are_known() -> None:
    priced = [ran(100, cost=Decimal(n) / 100) for n in range(1, 12)]
    found = estimate(priced, {"effort": "high"})
    assert found and found.dollars == (Decimal("0.01"), Decimal("0.06"), Decimal("0.11"))
    assert "$0.0100 to $0.1100 (median $0.0600)" in str(found)
    found = estimate([*priced, ran(1, cost=None)], {"effort": "high"})
    assert found and found.dollars is None


def test_only_the_latest_count() -> None:
    found = estimate([ran(1)] * 200 + [ran(1000)] * 200, {"effort": "high"})
    assert found and found.tokens == (1, 1, 1)


@pytest.mark.parametrize("runs", [9, 10, 19, 40, 200])
def test_the_interval_holds_eight_of_ten_next_runs(runs: int) -> None:
    rng, held = Random(runs), 0
    for _ in range(2000):
        found = estimate([ran(rng.randrange(10**6)) for _ in range(runs)], {"effort": "high"})
        assert found
        held += found.tokens[0] <= rng.randrange(10**6) <= found.tokens[2]
    assert 0.78 < held / 2000 < 0.87
