"""What a chat policy sends, and how its calls fail: against a real HTTP server, in sentences."""

from __future__ import annotations

import asyncio
import email.utils
import gc
import socket
import subprocess
import sys
import time
import traceback
from dataclasses import replace
from typing import Any

import pytest
from policies.counting_server import Manners, Record, Server
from policies.hearing import KEY, Heard, ask, chains, hear, hear_all, listen

from system2.core import CallFailed, Problem, Request, Style
from system2.policies.chat import Chat
from system2.policies.prompts import messages

# -------------------------------------------------------------------- the request


def test_what_is_sent() -> None:
    with Server(Manners(key=KEY)) as server:
        options: dict[str, Any] = {
            "key": KEY,
            "efforts": True,
            "temperature": 0.5,
            "extra": {"top_k": 3},
        }
        hear(server, ask(seed=2**62, style=Style(stop=("END",))), **options)
        body = server.records[0].body
        assert body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert body["messages"][1]["content"].startswith("What is 1+1?\n\n")
        assert (body["temperature"], body["reasoning_effort"], body["top_k"]) == (0.5, "high", 3)
        assert body["stop"] == ["END"] and body["seed"] == 2**62 % 2**31
        assert "n" not in body and "logprobs" not in body
        hear(server, ask(style=Style(temperature=0.0)), key=KEY)
        body = server.records[1].body
        assert body["temperature"] == 0.0
        assert "reasoning_effort" not in body


def test_refused_fields_are_remembered() -> None:
    async def go() -> None:
        policy = Chat("pretend", base_url=server.url)
        for tries in (4, 1):
            server.records.clear()
            heard = await listen(policy, ask(max_tokens=9))
            assert len(server.records) == tries
            assert heard.bill.estimated and heard.bill.usage.completion == server.sent == 9
            body = server.records[-1].body
            assert body["max_tokens"] == 9 and not set(body) & server.manners.refuse

    with Server(
        Manners(refuse=frozenset({"max_completion_tokens", "stream_options", "seed"}))
    ) as server:
        asyncio.run(go())


def test_a_field_that_is_only_named_is_kept() -> None:
    async def go() -> None:
        policy = Chat("pretend", base_url=server.url)
        heard = await listen(policy, ask(max_tokens=101))
        assert heard.failure and not heard.failure.retry and "too large: 101" in str(heard.failure)
        await listen(policy, ask(max_tokens=50))
        assert "max_completion_tokens" in server.records[-1].body

    with Server(Manners(most=100)) as server:
        asyncio.run(go())


def test_prompts() -> None:
    others = (chains("first"), chains("second"))
    sent = messages(ask(also=others))
    assert "<attempt 1>\nfirst" in sent[-1]["content"] and "second" in sent[-1]["content"]
    told = messages(ask(style=Style(prompt="Only yes or no.")))
    assert told[-1]["content"] == "What is 1+1?\n\nOnly yes or no."
    assert messages(ask("reply"))[-1]["content"] == "What is 1+1?"
    by = messages(ask(chain=chains("a")), by="marker", prefill="plain-assistant")
    assert by[-1]["content"] == "a<step>"


def test_the_bound_holds_and_is_stretched() -> None:
    with Server() as server:
        policy = Chat("pretend", base_url=server.url)
        request = ask()

        async def go() -> None:
            before = policy.prompt_bound(request)
            await listen(policy, request)
            assert server.records[0].prompt <= before == policy.prompt_bound(request)
            server.records.clear()
            long = replace(request, problem=Problem.of("a " * 10))
            policy._stretch = 1.5  # pyright: ignore[reportPrivateUsage]
            assert policy.prompt_bound(long) > 1.4 * (256 + 20)

        asyncio.run(go())


# -------------------------------------------------------------------- failures


def failure(
    manners: Manners, request: Request | None = None, **options: Any
) -> tuple[CallFailed, Heard, list[Record]]:
    with Server(manners) as server:
        heard = hear(server, request or ask(), **options)
        assert heard.failure and not heard.bills
        return heard.failure, heard, server.records


def test_errors_in_sentences() -> None:
    failed, _, _ = failure(Manners(key=KEY), key="wrong-" + KEY)
    assert not failed.retry and "OPENAI_API_KEY" in str(failed) and "--key-file" in str(failed)
    failed, _, _ = failure(Manners(model="other"))
    assert not failed.retry and "no model 'pretend'" in str(failed)
    failed, _, _ = failure(Manners(fail=1.0, said="out of memory"))
    assert (
        failed.retry
        and not failed.unseen
        and "500" in str(failed)
        and "out of memory" in str(failed)
    )
    failed, _, _ = failure(Manners(status=504))
    assert failed.retry and failed.unseen
    failed, _, _ = failure(Manners(status=400, said="this model's maximum context length is 8"))
    assert not failed.retry and "maximum context length" in str(failed)
    failed, _, _ = failure(Manners(status=503, headers={"x-should-retry": "false"}))
    assert not failed.retry
    failed, _, _ = failure(Manners(status=429, code="insufficient_quota"))
    assert not failed.retry and "no money" in str(failed)


def test_wrong_path_is_told() -> None:
    with Server() as server:

        async def go() -> Heard:
            return await listen(Chat("pretend", base_url=server.url.removesuffix("/v1")), ask())

        heard = asyncio.run(go())
        assert heard.failure and "/v1" in str(heard.failure) and not heard.failure.retry


def test_retry_after_in_every_form() -> None:
    def after(headers: dict[str, str]) -> float | None:
        failed, _, _ = failure(Manners(throttled=1, headers=headers))
        assert failed.retry
        return failed.after

    now = time.time()
    assert after({"Retry-After": "7"}) == 7.0
    assert after({"retry-after-ms": "1500", "Retry-After": "9"}) == 1.5
    assert after({"Retry-After": email.utils.formatdate(now + 90, usegmt=True)}) == pytest.approx(
        90, abs=5
    )
    theirs = {
        "Retry-After": email.utils.formatdate(1030, usegmt=True),
        "Date": email.utils.formatdate(1000, usegmt=True),
    }
    assert after(theirs) == 30.0
    assert after({}) is None and after({"Retry-After": "soon"}) is None


def test_a_dead_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def go() -> Heard:
        return await listen(Chat("m", base_url=f"http://127.0.0.1:{port}/v1"), ask())

    failed = asyncio.run(go()).failure
    assert failed and failed.retry and not failed.unseen and "no server answers" in str(failed)


def test_reset_in_mid_body_keeps_what_came() -> None:
    with Server(Manners(reset=1.0)) as server:
        everything = hear_all(server, [ask(seed=seed) for seed in range(8)])
        for heard, record in zip(everything, server.records, strict=True):
            assert heard.failure and heard.failure.retry and heard.failure.unseen
            assert heard.tokens == sum(record.sent) and record.outcome == "reset"


def test_hanging_is_noticed() -> None:
    failed, heard, _ = failure(Manners(hang="start"), timeout=0.2)
    assert failed.retry and failed.unseen and "0.2 seconds" in str(failed) and not heard.deltas
    failed, heard, records = failure(Manners(hang="middle"), timeout=0.2)
    assert failed.retry and failed.unseen and heard.tokens == sum(records[0].sent) > 0


@pytest.mark.parametrize("abort", ["event", "short"])
def test_broken_off(abort: str) -> None:
    failed, heard, records = failure(Manners(abort=abort))
    assert failed.retry and failed.unseen and heard.tokens == sum(records[0].sent) > 0


def test_the_key_never_shows() -> None:
    with Server(Manners(status=400)) as server:
        policy = Chat("pretend", base_url=server.url.replace("//", "//user:pass@"), key=KEY)

        async def go() -> CallFailed:
            try:
                async for _ in policy.stream(ask()):
                    pass
            except CallFailed as failed:
                shown = "".join(traceback.format_exception(failed))
                assert KEY not in shown and "pass" not in str(failed)
                return failed
            raise AssertionError

        failed = asyncio.run(go())
        assert "***" in str(failed) and KEY not in repr(failed)
        assert KEY not in repr(policy) and "user" not in repr(policy)


def test_a_policy_outlives_its_event_loop_and_leaves_nothing_open() -> None:
    with Server() as server:
        policy = Chat("pretend", base_url=server.url)
        for _ in range(3):
            assert asyncio.run(listen(policy, ask())).bill.usage.completion
            gc.collect()  # what was left open would warn, and warnings are errors

        async def closed() -> None:
            await listen(policy, ask())
            await policy.aclose()
            assert (await listen(policy, ask())).bill.usage.completion

        asyncio.run(closed())


def test_a_cancelled_call_closes_its_stream() -> None:
    async def go() -> None:
        policy, heard = Chat("pretend", base_url=server.url), Heard()
        task = asyncio.create_task(listen(policy, ask(), heard))
        while not heard.tokens:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not heard.failure and not heard.bills

    with Server(Manners(hang="middle")) as server:
        asyncio.run(go())


def test_many_at_once_are_all_counted() -> None:
    async def go() -> list[Heard]:
        policy = Chat("pretend", base_url=server.url)
        return await asyncio.gather(*(listen(policy, ask(seed=s)) for s in range(32)))

    with Server(Manners(truncate=0.2, fail=0.2)) as server:
        heard = asyncio.run(go())
        assert sum(h.tokens for h in heard) == server.sent
        assert sum(h.bills[0].usage.completion for h in heard if h.bills) == server.sent
        assert 0 < sum(h.failure is not None for h in heard) < 32


def test_aiohttp_is_imported_late() -> None:
    code = "import sys, system2.policies.chat; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
