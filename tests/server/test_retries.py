"""A call that is made again is one search: joined while it runs, gone on with where everybody had left."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import ASKED, CHAT, Live, chat, live, traces, until

BODIES = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


def bought_twice(backend: Backend) -> int:
    """Completed calls whose request was sent again."""
    whole = [str(r.body) for r in backend.records if r.outcome == "done"]
    return sum(count - 1 for count in Counter(whole).values())


def text(body: dict[str, Any]) -> str:
    """The answer of either API."""
    if "choices" in body:
        return body["choices"][0]["message"]["content"]
    return next(i["content"][0]["text"] for i in body["output"] if i["type"] == "message")


async def joined(one: Live, path: str, body: dict[str, Any], **headers: str) -> Any:
    """Ask, and ask again while the first is waiting; the second's reply."""
    first = await one.begin(path, body, **headers)
    await until(lambda: bool(one.server.jobs.running))
    second = await one.begin(path, body, **{"x-stainless-retry-count": "1"} | headers)
    return await asyncio.gather(first.reply(), second.reply())


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k1"}], ids=["count", "key"])
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("path", "body"), ASKED, ids=["chat", "responses"])
def test_a_retry_joins_the_search_that_runs(
    path: str, body: BODIES, stream: bool, headers: dict[str, str], tmp_path: Path
) -> None:
    async def main() -> None:
        with Backend(Manners(pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                replies = await joined(one, path, body(stream), **headers)
                assert [reply.status for reply in replies] == [200, 200]
                assert len(traces()) == 1 and len(backend.records) == 2
                a, b = replies
                if stream:
                    assert a.events()[-1] == b.events()[-1]
                else:
                    assert a.json() == b.json()
                late = await one.ask(path, body(stream), **headers, **{"x-stainless-retry-count": "2"})  # fmt: skip
                assert late.status == 200 and len(traces()) == 1  # over, and told again

    asyncio.run(main())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("path", "body"), ASKED, ids=["chat", "responses"])
def test_a_search_that_was_given_up_goes_on_and_buys_nothing_twice(
    path: str, body: BODIES, stream: bool, tmp_path: Path
) -> None:
    async def main() -> None:
        given = body(stream, reasoning_effort="low") if path == CHAT else body(stream)
        given["seed" if path == CHAT else "metadata"] = 7 if path == CHAT else {}
        with Backend(Manners(pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                first = await one.begin(path, given, **{"Idempotency-Key": "k"})
                await until(lambda: len(backend.records) == 2)  # the reply is being written
                first.leave()
                await one.idle()
                (job,) = one.server.jobs.known.values()
                assert job.left
                again = await one.ask(path, given, **{"Idempotency-Key": "k"})
                assert again.status == 200, again.body
                assert len(traces()) == 1 and bought_twice(backend) == 0
                await until(lambda: backend.records[-1].outcome != "begun")
                assert [r.outcome for r in backend.records] == ["done", "gone", "done"]
                await one.idle()
                booked = await one.booked()
                assert booked.completion <= backend.sent <= booked.completion + booked.unseen
                if not stream:
                    assert text(again.json()).startswith("S0")

    asyncio.run(main())


def test_one_that_left_before_its_turn_came_can_be_asked_again(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=60, pace=0.002)) as backend:
            async with live(tmp_path, backend, most=1) as one:
                busy = await one.begin(CHAT, chat(True, "busy?"))
                await until(lambda: bool(backend.records))
                first = await one.begin(CHAT, chat(False), **{"Idempotency-Key": "k"})
                await until(lambda: len(one.server.jobs.running) == 2)
                first.leave()
                await until(lambda: len(one.server.jobs.running) == 1)
                assert len(traces()) == 1  # nothing is left of what never began
                second = await one.begin(CHAT, chat(False), **{"Idempotency-Key": "k"})
                await until(lambda: len(one.server.jobs.running) == 2)
                busy.leave()
                reply = await second.reply()
                assert reply.status == 200, reply.body
                assert [*Counter(str(r.body) for r in backend.records).values()] == [1, 1, 1]

    asyncio.run(main())


@pytest.mark.parametrize(("path", "body"), ASKED, ids=["chat", "responses"])
def test_retries_that_come_together_are_one_search(path: str, body: BODIES, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                key = {"Idempotency-Key": "k"}
                asked = [one.ask(path, body(False), **key) for _ in range(8)]
                assert {reply.status for reply in await asyncio.gather(*asked)} == {200}
                assert len(traces()) == 1
                first = await one.begin(path, body(False, "and why?"), **key | {"Idempotency-Key": "l"})  # fmt: skip
                await until(lambda: bool(one.server.jobs.running))
                first.leave()
                await one.idle()
                asked = [one.ask(path, body(False, "and why?"), **{"Idempotency-Key": "l"}) for _ in range(8)]  # fmt: skip
                assert {reply.status for reply in await asyncio.gather(*asked)} == {200}
                assert len(traces()) == 2 and bought_twice(backend) == 0

    asyncio.run(main())


def test_a_key_of_another_body_is_told_so(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                key = {"Idempotency-Key": "k"}
                assert (await one.ask(CHAT, chat(False), **key)).status == 200
                reply = await one.ask(CHAT, chat(False, "something else?"), **key)
                assert reply.status == 400 and b"Idempotency-Key" in reply.body

    asyncio.run(main())


def test_a_cap_holds_over_all_attempts_together(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=40, pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                given = chat(False, max_completion_tokens=100)
                caller = await one.begin(CHAT, given, **{"Idempotency-Key": "k"})
                await until(lambda: bool(backend.records))
                caller.leave()
                await one.idle()
                reply = (await one.ask(CHAT, given, **{"Idempotency-Key": "k"})).json()
                assert reply["choices"][0]["finish_reason"] == "length"
                assert reply["usage"]["completion_tokens"] <= backend.sent <= 100
                assert len(traces()) == 1

    asyncio.run(main())


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_the_sdk_that_loses_patience_pays_once(api: str, tmp_path: Path) -> None:
    async def main() -> None:
        # Eight lines one after another take longer than the client waits; a call does not.
        with Backend(Manners(paragraphs=2, pace=0.01)) as backend:
            async with live(tmp_path, backend, samples=8, at_once=1) as one:
                url = f"http://127.0.0.1:{one.port}/v1"
                # told to wait for a minute and made to leave earlier: the server cannot know
                headers = {"x-stainless-read-timeout": "60"}
                async with AsyncOpenAI(api_key="x", base_url=url, timeout=0.8, max_retries=9) as sdk:  # fmt: skip
                    if api == "chat":
                        found = await sdk.chat.completions.create(
                            model="pretend", messages=[{"role": "user", "content": "why?"}],
                            extra_headers=headers,
                        )  # fmt: skip
                        assert found.choices[0].message.content
                    else:
                        made = await sdk.responses.create(
                            model="pretend", input="why?", extra_headers=headers
                        )
                        assert made.output_text
                assert len(traces()) == 1 and bought_twice(backend) == 0
                await one.idle()
                booked = await one.booked()
                assert booked.completion <= backend.sent <= booked.completion + booked.unseen

    asyncio.run(main())


def test_errors_are_not_kept(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                url = f"http://127.0.0.1:{one.port}/v1"
                async with AsyncOpenAI(api_key="x", base_url=url) as sdk:
                    for _ in range(2):
                        with pytest.raises(BadRequestError):
                            await sdk.chat.completions.create(
                                model="pretend", messages=[], extra_headers={"Idempotency-Key": "k"}
                            )
                assert not traces()

    asyncio.run(main())
