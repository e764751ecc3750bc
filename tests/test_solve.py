"""What a Python user hands to `think` works with every effort."""

import asyncio
import subprocess
import sys

import pytest

from system2 import best_of, stream, think
from system2.core import Finished, Piece, Started
from system2.effort import EFFORTS
from system2.policies.local import LocalPolicy


@pytest.mark.parametrize("name", EFFORTS)
def test_a_policy_of_ones_own_with_every_effort(name):
    done = think("1+1", effort=name, policy=LocalPolicy(), samples=1, tokens=300, trace=False)
    assert done.answer and done.cost == 0


def test_a_strategy_of_ones_own():
    done = think("1+1", strategy=best_of(3), policy=LocalPolicy(temperature=1.0), trace=False)
    assert done.samples == 3 == len(done.chains)


def test_a_strategy_samples_at_an_effort_that_is_greedy():
    done = think("Use 13, 8, 5 to make 57", effort="low", strategy=best_of(4), trace=False, seed=1)
    assert len({tuple(step.text for step in chain) for chain in done.chains}) > 1


def test_samples_beside_a_strategy_are_refused():
    with pytest.raises(ValueError, match="samples and strategy"):
        think("1+1", strategy=best_of(3), samples=2)


def test_think_inside_a_running_loop():
    async def notebook():
        return think("1+1", effort="low", trace=False).answer

    assert asyncio.run(notebook()) == think("1+1", effort="low", trace=False).answer


def test_stream_tells_everything_in_order():
    async def watch():
        return [event async for event in stream("1+1", effort="low", trace=False)]

    events = asyncio.run(watch())
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    text = "".join(event.text for event in events if isinstance(event, Piece))
    assert events[-1].answer and events[-1].answer in text


def test_closing_a_stream_cancels_the_search():
    async def watch():
        events = stream("Use 13, 8, 5, 2 to make 57", samples=64, trace=False)
        async for _ in events:
            break
        await events.aclose()
        return len(asyncio.all_tasks())

    assert asyncio.run(watch()) == 1


def test_the_stop_button_of_a_notebook_ends_the_search():
    """Ctrl-C inside `think` inside a loop: the search must not go on spending behind one's back."""
    script = """
import asyncio, os, signal, sys, threading
from system2 import best_of, think
from system2.policies.fake import Digits
policy = Digits(delay=0.01, length=100_000)

async def notebook():
    threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        think("1+1", policy=policy, strategy=best_of(1), per_call=100_000, tokens=100_000, trace=False)
    except KeyboardInterrupt:
        print("stopped")

runner = asyncio.Runner()
signal.signal(signal.SIGINT, signal.default_int_handler)
loop = runner.get_loop()
loop.run_until_complete(notebook())
"""
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
    )
    assert ran.stdout == b"stopped\n", ran.stderr
