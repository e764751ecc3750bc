"""A call that hangs among many that are answered is given up early, and never before its time."""

from __future__ import annotations

import asyncio

import pytest
from policies.counting_server import Manners, Server
from policies.hearing import ask, listen

from system2.core import CallFailed
from system2.policies.chat import Chat
from system2.policies.patience import ENOUGH, TIMES, Patience


async def answered(
    patience: Patience, count: int, silence: float = 0.0, *, hidden: bool = False
) -> None:
    for _ in range(count):
        _, longest = await patience.wait(asyncio.sleep(silence), silence)
        patience.answered(longest, hidden=hidden)


def test_one_that_was_waiting_before_is_given_up_too() -> None:
    async def go() -> None:
        patience = Patience(3600, least=0.05)
        hanging = asyncio.create_task(patience.wait(asyncio.Event().wait()))
        await answered(patience, ENOUGH - 1)
        await asyncio.sleep(0.1)
        assert not hanging.done() and patience.seconds == 3600
        await answered(patience, 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hanging, 30)

    asyncio.run(go())


def test_a_call_in_the_queue_is_no_call_that_hangs() -> None:
    """One slot: ten calls of ten pieces one after another, the last of which begins long after the limit."""

    async def go() -> list[int]:
        patience, slot = Patience(3600, least=0.05), asyncio.Semaphore(1)

        async def begin() -> None:
            await slot.acquire()

        async def call() -> int:
            await patience.wait(begin(), first=True)
            longest = 0.0
            for _ in range(10):
                _, longest = await patience.wait(asyncio.sleep(0.01), longest)
            slot.release()
            patience.answered(longest, hidden=False)
            return 1

        return await asyncio.gather(*(call() for _ in range(ENOUGH + 10)))

    assert len(asyncio.run(go())) == ENOUGH + 10


def test_silences_that_ended_stretch_it() -> None:
    async def go() -> None:
        patience = Patience(100, least=1)
        await answered(patience, ENOUGH)
        short = patience.seconds
        assert 1 <= short < 2
        patience.answered(5, hidden=False)
        assert patience.seconds == 1 + TIMES * 5
        patience.answered(50, hidden=False)
        assert patience.seconds == 100, "never longer than the user's own limit"

    asyncio.run(go())


def test_a_model_that_thinks_in_silence_is_left_alone() -> None:
    async def go() -> None:
        patience = Patience(100, least=0.01)
        await answered(patience, 3 * ENOUGH, hidden=True)
        assert patience.seconds == 100

    asyncio.run(go())


def test_what_fails_while_it_is_waited_for_fails() -> None:
    async def broken() -> None:
        raise ValueError("x")

    async def go() -> None:
        with pytest.raises(ValueError, match="x"):
            await Patience(1).wait(broken())

    asyncio.run(go())


def test_a_server_that_hangs_once() -> None:
    async def go() -> str:
        policy = Chat("pretend", base_url=server.url, timeout=3600)
        policy._patience.least = 0.05  # pyright: ignore
        for seed in range(ENOUGH):
            assert not (await listen(policy, ask(seed=seed))).failure
        for hang in ("start", "middle"):
            server.manners.hang = hang
            heard = await asyncio.wait_for(listen(policy, ask(seed=99)), 60)
            failure = heard.failure
            assert isinstance(failure, CallFailed) and failure.retry and failure.unseen
        return str(failure)

    with Server(Manners()) as server:
        assert "no sign of life" in asyncio.run(go())


def test_a_server_that_tells_of_hidden_thoughts() -> None:
    async def go() -> None:
        policy = Chat("pretend", base_url=server.url, timeout=3600)
        for seed in range(ENOUGH + 1):
            await listen(policy, ask(seed=seed))
        assert policy._patience.thinks and policy._patience.seconds == 3600  # pyright: ignore

    with Server(Manners(lies=5000)) as server:
        asyncio.run(go())
