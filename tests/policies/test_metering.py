"""Reported ÷ true = 1 in every strategy, against a server that counts what it sends and misbehaves."""

import asyncio

import pytest
from policies.counting_server import Manners, Server

from system2.core import Budget, Meter, Problem
from system2.engine import Engine
from system2.policies.chat import Chat
from system2.search import agreed, beam, best_of, direct, majority, mcts, single

STRATEGIES = {
    "single": lambda: single(),
    "direct": lambda: direct(),
    "best of 12": lambda: best_of(12),
    "majority, early end": lambda: best_of(12, choose=majority, need=agreed(3)),
    "beam": lambda: beam(2, 3, depth=3),
    "mcts": lambda: mcts(2, 4, simulations=16),
}


def run(strategy, manners, *, whole=True, **budget):
    """Usage as reported, and the server's own records."""
    with Server(manners) as server:
        stops = {"prefill": "continue_final_message"} if manners.tells_stop else {}
        policy = Chat("pretend", base_url=server.url, **stops)
        meter = Meter(Budget(calls=64, **budget))
        engine = Engine(Problem.of("why?"), strategy, policy, meter, verifier=None)
        end = asyncio.run(engine.run())
        return end, meter, list(server.records)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("seed", [1, 2])
def test_truncated_replies_and_errors(name, seed):
    manners = Manners(seed=seed, truncate=0.2, fail=0.1, tells_stop=True, continues=True)
    end, meter, records = run(STRATEGIES[name](), manners)
    sent = sum(sum(record.sent) for record in records)
    asked = sum(record.prompt for record in records if record.outcome == "done")
    usage = meter.usage
    assert usage.completion == sent and usage.prompt == asked
    assert usage.unseen == 0 and meter.promised == 0 and meter.running == 0
    assert end.usage.completion == sent and set(end.roles) == {"policy"}
    assert usage.calls == len(records)


@pytest.mark.parametrize("name", STRATEGIES)
def test_resets_and_a_deadline(name):
    manners = Manners(seed=3, reset=0.3, pace=0.002, tells_stop=True, continues=True)
    _, meter, records = run(STRATEGIES[name](), manners, seconds=0.6)
    usage = meter.usage
    sent = sum(sum(record.sent) for record in records)
    assert usage.completion + usage.unseen >= sent  # what was in flight is reported apart
    assert usage.completion <= sent  # and nothing is invented
    assert meter.promised == 0 and meter.running == 0


@pytest.mark.parametrize("name", ["beam", "mcts"])
def test_steps_that_end_by_closing_the_stream(name):
    """A server that does not say where it stopped writes on for a while: that is bounded, not lost."""
    _, meter, records = run(STRATEGIES[name](), Manners(seed=4, pace=0.001), per_call=200)
    sent = sum(sum(record.sent) for record in records)
    assert meter.usage.completion <= sent <= meter.usage.completion + meter.usage.unseen
