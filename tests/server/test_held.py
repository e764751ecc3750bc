"""What is held of requests that are over: the bytes of their replies, so many of a key, and no tree."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import ASKED, CHAT, RESPONSES, Reply, chat, live, response, traces, until

from system2.core import Born, Node
from system2.engine import Engine
from system2.server.jobs import Job, Jobs
from system2.server.retries import Retries, Said

BODIES = Callable[..., dict[str, Any]]
MANY = 10_000


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


class Search:
    """What was begun, with something large in it."""

    def __init__(self, weight: int) -> None:
        self.weight, self.tree = weight, [0] * 100


def test_of_ten_thousand_that_are_over_only_bytes_are_held_and_not_too_many():
    kept = Retries[Search](lambda one: one.weight, most=1_000, heaviest=500_000, each=200_000)
    alive: weakref.WeakSet[Search] = weakref.WeakSet()
    for n in range(MANY):
        one = Search(10**9)
        alive.add(one)
        key = f"key {n % 3}"
        kept.keep(str(n), one, b"", key)
        kept.settle(str(n), one, Said(b"x" * 400))
        del one
        assert not alive
        assert kept.bytes <= 500_000 and kept.count <= 1_000
        assert all(kept.of(f"key {k}") <= 200_000 for k in range(3))
    assert kept.find(str(MANY - 1), b"") == Said(b"x" * 400)
    assert kept.find("0", b"") is None


def test_no_key_drives_out_anothers():
    kept = Retries[Search](lambda one: one.weight, most=100, heaviest=10_000, each=3_000)
    kept.keep("mine", Search(0), b"", "me")
    kept.settle("mine", cast(Any, kept.find("mine", b"")), Said(b"y" * 1_000))
    for n in range(MANY):
        kept.keep(str(n), (one := Search(0)), b"", "a flood")
        kept.settle(str(n), one, Said(b"x" * 1_000))
    assert kept.find("mine", b"") == Said(b"y" * 1_000)
    assert kept.of("a flood") <= 3_000


def test_what_is_under_way_is_not_forgotten_and_what_was_left_is_weighed():
    kept = Retries[Search](lambda one: one.weight, most=10, heaviest=1_000, each=1_000)
    running = [Search(0) for _ in range(50)]
    for n, one in enumerate(running):
        kept.keep(str(n), one, b"", "k")
    kept.sweep()
    assert [kept.find(str(n), b"") for n in range(50)] == running
    for one in running:
        one.weight = 400  # their clients have left
    kept.sweep()
    assert kept.bytes <= 1_000 and kept.find("49", b"") is running[49]


def test_a_reply_of_another_search_under_its_name_is_not_taken():
    kept = Retries[Search](lambda _: 0)
    first, second = Search(0), Search(0)
    kept.keep("n", first, b"", "k")
    kept.keep("n", second, b"", "k")
    kept.settle("n", first, Said(b"of the first"))
    assert kept.find("n", b"") is second
    kept.settle("n", second, None)  # it failed
    assert kept.find("n", b"") is None and kept.bytes == 0


def test_of_ten_thousand_jobs_that_are_over_few_events_are_held():
    async def main() -> None:
        jobs, before = Jobs(heaviest=5_000), counted(Job)
        event = Born(1, 0, 1, 0, cast(Any, None), None)

        async def run() -> Any:
            return None

        for n in range(MANY):
            engine = SimpleNamespace(name=f"run {n}", watchers=[], run=run)
            job = Job(cast(Any, engine), cast(Any, None), "m")
            job.events = [event] * 100
            jobs.add(job)
            assert job.task
            await asyncio.sleep(0)
            del job, engine
            if n % 1_000 == 999:
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert sum(len(one.events) for one in jobs.known.values()) <= 5_000
        assert counted(Job) - before <= 51

    asyncio.run(main())


def counted(kind: type[Any]) -> int:
    """Live objects of a kind."""
    gc.collect()
    return sum(type(one) is kind for one in gc.get_objects())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("path", "body"), ASKED, ids=["chat", "responses"])
def test_no_tree_outlives_its_request(path: str, body: BODIES, stream: bool, tmp_path: Path):
    async def main() -> None:
        with Backend(Manners(paragraphs=8)) as backend:
            async with live(tmp_path, backend, samples=4) as one:
                one.server.jobs.heaviest = 0
                before = counted(Engine), counted(Node)
                for n in range(12):
                    key = {"Idempotency-Key": f"k{n}"}
                    assert (await one.ask(path, body(stream, f"why {n}?"), **key)).status == 200
                await one.idle()
                one.server.jobs.sweep()
                await until(lambda: counted(Engine) <= before[0])
                assert counted(Node) <= before[1]
                calls = len(backend.records)
                again = [
                    await one.ask(path, body(stream, f"why {n}?"), **{"Idempotency-Key": f"k{n}"})
                    for n in range(12)
                ]
                assert {reply.status for reply in again} == {200}
                assert len(backend.records) == calls and len(traces()) == 12

    asyncio.run(main())


def shown(path: str, reply: Reply, stream: bool) -> dict[str, Any]:
    """What a client makes of a reply: the text, the thoughts, the usage, why it ended."""
    if path == RESPONSES:
        out = reply.events()[-1]["response"] if stream else reply.json()
        assert not stream or [e["sequence_number"] for e in reply.events()] == [
            *range(len(reply.events()))
        ]
        text = [e["delta"] for e in reply.events() if "delta" in e] if stream else []
        return {"id": out["id"], "output": out["output"], "usage": out["usage"], "s": "".join(text)}
    if not stream:
        out = reply.json()
        return {"id": out["id"], "choices": out["choices"], "usage": out["usage"]}
    chunks = reply.events()
    whole: dict[str, str] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            for name, piece in choice["delta"].items():
                whole[name] = whole.get(name, "") + str(piece or "")
    ends = [c["finish_reason"] for chunk in chunks for c in chunk["choices"]]
    return {"id": chunks[0]["id"], "usage": chunks[-1]["usage"], "ends": ends[-1], **whole}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("path", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_told_again_it_says_the_same(path: str, stream: bool, tmp_path: Path):
    async def main() -> None:
        with Backend(Manners()) as backend:
            async with live(tmp_path, backend) as one:
                more: dict[str, Any] = {"system2": {"reasoning_visibility": "raw"}}
                if path == CHAT and stream:
                    more |= {"stream_options": {"include_usage": True}}
                given = chat(stream, **more) if path == CHAT else response(stream, **more)
                replies = [await one.ask(path, given, **{"Idempotency-Key": "k"}) for _ in range(3)]
                first, *others = [shown(path, reply, stream) for reply in replies]
                assert others == [first, first]

    asyncio.run(main())


@pytest.mark.parametrize(("path", "body"), ASKED, ids=["chat", "responses"])
def test_one_whose_backend_failed_is_tried_anew(path: str, body: BODIES, tmp_path: Path):
    async def main() -> None:
        with Backend(Manners(status=400)) as backend:
            async with live(tmp_path, backend) as one:
                key = {"Idempotency-Key": "k"}
                assert (await one.ask(path, body(False), **key)).status == 502
                backend.manners.status = 0
                assert (await one.ask(path, body(False), **key)).status == 200

    asyncio.run(main())


def test_a_response_in_the_background_is_held_as_it_ended(tmp_path: Path):
    async def main() -> None:
        with Backend(Manners()) as backend:
            async with live(tmp_path, backend) as one:
                given, key = response(False, background=True), {"Idempotency-Key": "k"}
                first = (await one.ask(RESPONSES, given, **key)).json()
                assert first["status"] == "queued"
                await one.idle()
                again = (await one.ask(RESPONSES, given, **key)).json()
                assert again["id"] == first["id"] and again["status"] == "completed"
                assert again == json.loads((await one.ask(f"{RESPONSES}/{first['id']}")).body)
                assert len(traces()) == 1

    asyncio.run(main())
