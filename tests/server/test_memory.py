"""What is held of requests and for readers is bounded: private thoughts are marked, slow readers cut off."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from system2.core import Message, Piece, Problem
from system2.server.chat import slim
from system2.server.errors import ApiError
from system2.server.jobs import LOST, SLOW, Follower, Job
from system2.server.server import EVENT, TOKEN, weight
from system2.server.wire.chat_request import ChatRequest
from system2.server.wire.check import checked
from system2.server.wire.items import NOTES, messages

MANY = 3 * LOST


def test_a_reader_that_is_far_behind_gets_no_thoughts_but_the_reply():
    follower = Follower(thoughts=True, waits=True)
    for n in range(MANY):
        follower.tell((n, Piece(1, 0, "x", False)), spare=True)
    assert follower.pieces.qsize() == SLOW and not follower.lost
    follower.tell((MANY, Piece(1, 0, "said", False)))
    assert follower.pieces.qsize() == SLOW + 1


def test_a_reader_that_is_too_far_behind_is_cut_off():
    follower = Follower(thoughts=True, waits=True)
    for n in range(MANY):
        follower.tell((n, Piece(1, 0, "x", False)))
        assert follower.pieces.qsize() <= LOST
    assert follower.lost and follower.pieces.get_nowait() is None and follower.pieces.empty()


def test_who_is_cut_off_is_told():
    async def main() -> None:
        job = Job(cast(Any, SimpleNamespace(name="run")), cast(Any, None), "m", background=True)
        job.answers.add(1)
        told = job.follow()
        reading = asyncio.ensure_future(anext(told))
        while not job.followers:
            await asyncio.sleep(0)
        for _ in range(LOST + 2):
            job.hear(Piece(1, 0, "x", False))
        with pytest.raises(ApiError) as caught:
            await reading
            async for _ in told:
                pass
        assert caught.value.status == 503

    asyncio.run(main())


def test_what_is_held_of_a_request_is_little():
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "a" * 10**6}],
        "more": "b" * 10**6,
    }
    held = slim(checked(ChatRequest, body))
    assert len(held.model_dump_json()) < 5_000
    stored = slim(checked(ChatRequest, body | {"store": True}))
    assert len(stored.messages) == 1 and not stored.__pydantic_extra__


def test_a_great_question_weighs():
    def held(text: str) -> Any:
        problem = Problem((Message("user", text),))
        usage = SimpleNamespace(completion=10)
        engine = SimpleNamespace(problem=problem, meter=SimpleNamespace(usage=usage))
        job = SimpleNamespace(task=SimpleNamespace(done=lambda: True), weight=2, engine=engine)
        return SimpleNamespace(begun=SimpleNamespace(jobs=[job, job]))

    assert weight(held("a")) == 1_024 + 1 + 4 * EVENT + 20 * TOKEN
    assert weight(held("a" * 10**6)) > 10**6


def test_thoughts_that_are_opened_are_marked_as_private():
    items = [
        {"role": "user", "content": "a"},
        {"type": "reasoning", "encrypted_content": "sealed"},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "7"},
    ]
    made, lost = messages(items, None, lambda _: "a secret", lambda _: False, all_turns=False)
    assert not lost and made[1].text == NOTES + "a secret" and made[1].calls
    plain = [*items, {"role": "user", "content": "Repeat your last message."}]
    made, _ = messages(plain, None, lambda _: "a secret", lambda _: False, all_turns=False)
    assert "a secret" not in "".join(one.text for one in made)
