"""The chat policy against a real HTTP server that counts every token it sends: what is reported is what was sent."""

from __future__ import annotations

import asyncio
import email.utils
import gc
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from policies.counting_server import Manners, Record, Server, chain

from system2.core import Bill, CallFailed, Delta, Problem, Request, Step, Style, Until
from system2.policies.chat import Chat
from system2.policies.prompts import messages

KEY = "sk-very-secret-0123456789"
PROBLEM = Problem.of("What is 1+1?", system="Be brief.", effort="high")


@dataclass
class Heard:
    deltas: list[Delta] = field(default_factory=list[Delta])
    bills: list[Bill] = field(default_factory=list[Bill])
    failure: CallFailed | None = None

    @property
    def bill(self) -> Bill:
        assert len(self.bills) == 1, self.failure
        return self.bills[0]

    @property
    def tokens(self) -> int:
        return sum(d.tokens for d in self.deltas)

    def steps(self, child: int = 0) -> list[tuple[str, str, str]]:
        """(text, kind, end) of the child's steps, made as the engine makes them."""
        out: list[tuple[str, str, str]] = []
        text, kind = "", ""
        for d in (d for d in self.deltas if d.child == child):
            text, kind = text + d.text, kind or d.kind
            if d.end:
                out.append((text, kind, d.end))
                text, kind = "", ""
        return [*out, (text, kind, "")] if kind else out


def ask(until: Until = "answer", n: int = 1, seed: int = 7, **fields: Any) -> Request:
    chain = fields.pop("chain", ())
    seeds = tuple(seed + i for i in range(n))
    return Request(PROBLEM, chain, n, until, fields.pop("max_tokens", 1000), seeds, **fields)


async def listen(policy: Chat, request: Request, into: Heard | None = None) -> Heard:
    heard = into or Heard()
    try:
        async for item in policy.stream(request):
            (heard.deltas if isinstance(item, Delta) else heard.bills).append(item)  # type: ignore[arg-type]
    except CallFailed as failure:
        heard.failure = failure
    return heard


def hear(server: Server, request: Request, **options: Any) -> Heard:
    return hear_all(server, [request], **options)[0]


def hear_all(server: Server, requests: Sequence[Request], **options: Any) -> list[Heard]:
    """One after the other, by one policy."""

    async def go() -> list[Heard]:
        policy = Chat("pretend", base_url=server.url, **options)
        return [await listen(policy, request) for request in requests]

    return asyncio.run(go())


def chains(text: str, cut: bool = False) -> tuple[Step, ...]:
    return (Step(text, 1, cut=cut),)


# -------------------------------------------------------------------- what is reported is what was sent

MODES: dict[str, Manners] = {
    "plain": Manners(),
    "inline": Manners(thoughts="inline", reasoning_counts=False),
    "reasoning": Manners(thoughts="reasoning"),
    "reasoning_content": Manners(thoughts="reasoning_content"),
    "uncounted": Manners(thoughts="reasoning", reasoning_counts=False),
    "cached": Manners(cached=5),
    "bundled": Manners(per_chunk=3),
    "shattered": Manners(shatter=True),
    "running": Manners(running_usage=True),
    "truncating": Manners(truncate=0.2),
}


@pytest.mark.parametrize("name", MODES)
def test_bill_is_the_truth(name: str) -> None:
    with Server(replace(MODES[name])) as server:
        everything = hear_all(server, [ask(seed=seed) for seed in range(8)])
        for heard, record in zip(everything, server.records, strict=True):
            bill = heard.bill
            assert not bill.estimated
            assert bill.usage.completion == sum(record.sent)
            assert bill.usage.prompt == record.prompt
            assert bill.usage.cached == server.manners.cached
            if name != "bundled":  # there a chunk counts as one until the bill comes
                assert heard.tokens == sum(record.sent)
            if "reasoning" in server.manners.thoughts or name == "uncounted":
                assert bill.usage.reasoning == sum(record.thought)
            assert heard.deltas[-1].end in ("answer", "cut")


@pytest.mark.parametrize("thoughts", ["content", "inline", "reasoning", "reasoning_content"])
@pytest.mark.parametrize("shatter", [False, True])
def test_the_text_arrives_whole(thoughts: str, shatter: bool) -> None:
    with Server(Manners(thoughts=thoughts, shatter=shatter)) as server:
        heard = hear(server, ask())
        paragraphs = "".join(chain(7, 4)).split("\n\n")[:-1]
        steps = heard.steps()
        assert [s[0].strip() for s in steps[:4]] == paragraphs
        assert {s[1] for s in steps[:4]} == {"thought"}
        assert [s[2] for s in steps] == ["step"] * 4 + ["answer"]
        assert steps[4][0] == "Answer: 7"
        assert steps[4][1] == ("thought" if thoughts == "content" else "reply")
        assert heard.deltas[-1].answer == "7"


def test_log_probabilities_count_tokens() -> None:
    with Server(Manners(per_chunk=3)) as server:
        heard = hear(server, ask(), logprobs=True)
        assert heard.tokens == heard.bill.usage.completion == server.sent
        paid = [d for d in heard.deltas if d.tokens]
        assert all(len(d.logprobs) == d.tokens == 1 for d in paid)
        assert all(d.logprobs == () for d in heard.deltas if not d.tokens)
        assert "".join(d.text for d in heard.deltas) == server.records[0].texts[0]


def test_no_usage_is_estimated_from_what_came() -> None:
    with Server(Manners(usage=False, thoughts="reasoning")) as server:
        heard = hear(server, ask())
        assert heard.bill.estimated
        assert heard.bill.usage.completion == server.sent
        assert heard.bill.usage.reasoning == sum(server.records[0].thought)
        assert heard.bill.usage.prompt >= server.records[0].prompt


def test_truncated_replies_are_cut() -> None:
    with Server(Manners(truncate=0.2)) as server:
        ends: list[str] = []
        for heard in hear_all(server, [ask(seed=seed) for seed in range(20)]):
            ends.append(heard.deltas[-1].end)
            assert (heard.deltas[-1].answer is None) == (ends[-1] == "cut")
        assert 1 <= ends.count("cut") <= 10
        assert {"cut", "answer"} == set(ends)


def test_the_grant_is_sent_and_a_deaf_server_is_billed() -> None:
    with Server() as server:
        heard = hear(server, ask(max_tokens=5))
        assert server.records[-1].body["max_completion_tokens"] == 5
        assert heard.tokens == heard.bill.usage.completion == 5 and heard.deltas[-1].end == "cut"
        server.manners.deaf = True
        heard = hear(server, ask(max_tokens=5))
        assert heard.bill.usage.completion == server.records[-1].sent[0] > 5


def test_a_closed_stream_gives_no_more_than_was_sent() -> None:
    async def go() -> None:
        policy, came = Chat("pretend", base_url=server.url), 0
        stream = policy.stream(ask())
        async for item in stream:
            came += isinstance(item, Delta) and item.tokens
            if came == 6:
                break
        await stream.aclose()
        record = server.records[0]
        async with asyncio.timeout(5):
            while record.outcome == "begun":
                await asyncio.sleep(0.01)
        assert record.outcome == "gone" and 6 <= record.sent[0] < len(chain(7, 60))

    with Server(Manners(pace=0.01, paragraphs=60)) as server:
        asyncio.run(go())


# -------------------------------------------------------------------- steps


def test_a_step_ends_the_call() -> None:
    with Server(Manners(pace=0.005, paragraphs=30)) as server:
        heard = hear(server, ask("step"))
        ((text, kind, end),) = heard.steps()
        assert text == "".join(chain(7, 1)) and (kind, end) == ("thought", "step")
        assert heard.bill.estimated
        first = len(chain(7, 1))
        assert heard.bill.usage.completion == heard.tokens == first + 1  # one to see that it ended
        assert first + 1 <= server.sent < len(chain(7, 30))


def test_running_usage_tells_the_prompt_of_a_closed_call() -> None:
    with Server(Manners(pace=0.005, paragraphs=30, running_usage=True)) as server:
        heard = hear(server, ask("step"))
        assert heard.bill.estimated and heard.bill.usage.prompt == server.records[0].prompt


def test_steps_by_stop_strings_are_billed_exactly() -> None:
    manners = Manners(tells_stop=True, continues=True)
    with Server(manners) as server:
        steps: tuple[Step, ...] = ()
        for _ in range(10):
            heard = hear(server, ask("step", chain=steps), prefill="continue_final_message")
            ((text, _, end),) = heard.steps()
            assert not heard.bill.estimated
            assert heard.bill.usage.completion == sum(server.records[-1].sent)
            steps = (*steps, Step(text, 1, final=end == "answer"))
            if end == "answer":
                break
        assert "".join(s.text for s in steps) == "".join(chain(7, 4)) + "Answer: 7"
        assert len(steps) == 5 and heard.deltas[-1].answer == "7"
        body = server.records[-1].body
        assert body["continue_final_message"] is True and body["add_generation_prompt"] is False
        assert body["messages"][-1] == {"role": "assistant", "content": "".join(chain(7, 4))}
        assert body["stop"] == ["\n\n"]


def test_a_template_that_strips_turns_stops_off() -> None:
    with Server(Manners(tells_stop=True, continues=True, strips=True)) as server:
        begun = chains("S0.\n\n")
        heard = hear(server, ask("step", chain=begun), prefill="continue_final_message")
        assert [("stop" in r.body) for r in server.records] == [True, False]
        ((text, _, end),) = heard.steps()
        assert text.strip() == "".join(chain(7, 2, 1)).strip() and end == "step"


@pytest.mark.parametrize("prefill", ["prompt", "plain-assistant"])
def test_a_chain_is_continued(prefill: Any) -> None:
    with Server(Manners(continues=True)) as server:
        begun = chains("".join(chain(7, 2)))
        heard = hear(server, ask(chain=begun), prefill=prefill)
        last = server.records[0].body["messages"][-1]
        if prefill == "prompt":
            assert last["role"] == "user" and begun[0].text in last["content"]
            assert len(heard.steps()) == 5
        else:
            assert last == {"role": "assistant", "content": begun[0].text}
            assert len(heard.steps()) == 3
        assert heard.deltas[-1].answer == "7"


def test_forced_text_costs_nothing_and_is_part_of_the_step() -> None:
    with Server(Manners(continues=True)) as server:
        heard = hear(server, ask(style=Style(prefix="Hm, ")), prefill="plain-assistant")
        assert heard.steps()[0][0].startswith("Hm, S0") and heard.tokens == server.sent
        hear(server, ask(style=Style(prefix="Hm, ")))
        assert "Hm, " in server.records[-1].body["messages"][-1]["content"]


def test_one_token() -> None:
    with Server(Manners(paragraphs=30)) as server:
        heard = hear(server, ask("token"))
        assert heard.steps() == [("S0", "thought", "step")]
        assert not heard.bill.estimated and heard.bill.usage.completion == 1
        server.manners.deaf = True
        server.manners.pace = 0.005
        heard = hear(server, ask("token"))
        assert heard.steps()[0][0] == "S0"
        assert len(heard.steps()) == 1


def test_the_reply_is_all_reply() -> None:
    with Server() as server:
        heard = hear(server, ask("reply", chain=chains("notes")))
        assert {d.kind for d in heard.deltas} == {"reply"} and heard.bill.usage.reasoning == 0
        assert [s[2] for s in heard.steps()] == ["answer"]
        assert "notes" in server.records[0].body["messages"][-1]["content"]
        server.manners.thoughts = "reasoning_content"
        heard = hear(server, ask("reply", chain=chains("notes")))
        assert "".join(d.text for d in heard.deltas if d.kind == "reply") == "Answer: 7"


# -------------------------------------------------------------------- several at once


@pytest.mark.parametrize("thoughts", ["content", "reasoning"])
def test_several_in_one_call(thoughts: str) -> None:
    with Server(Manners(thoughts=thoughts)) as server:
        heard = hear(server, ask(n=3), can_n=True)
        assert len(server.records) == 1 and server.records[0].body["n"] == 3
        for child in range(3):
            text = "".join(d.text for d in heard.deltas if d.child == child)
            assert text == server.records[0].texts[child]
            assert heard.steps(child)[-1][2] == "answer"
        assert heard.tokens == heard.bill.usage.completion == server.sent


@pytest.mark.parametrize("manners", [Manners(refuse=frozenset({"n"})), Manners(ignore_n=True)])
def test_one_at_a_time_where_the_server_cannot(manners: Manners) -> None:
    async def go() -> None:
        policy = Chat("pretend", base_url=server.url)
        assert "n" not in policy.can
        for calls in (3 + (not manners.ignore_n), 3):
            server.records.clear()
            heard = await listen(policy, ask(n=3))
            assert "n" not in policy.can and len(server.records) == calls
            assert heard.tokens == heard.bill.usage.completion == server.sent
            assert [heard.steps(c)[-1][0] for c in range(3)] == [
                "Answer: 7",
                "Answer: 8",
                "Answer: 9",
            ]
            good = [r for r in server.records if r.status == 200]
            assert heard.bill.usage.prompt == sum(r.prompt for r in good)
            assert heard.bill.usage.calls == 3

    with Server(manners) as server:
        asyncio.run(go())


def test_a_server_that_takes_n_is_remembered() -> None:
    async def go() -> None:
        policy = Chat("pretend", base_url=server.url)
        await listen(policy, ask(n=2))
        assert "n" in policy.can

    with Server() as server:
        asyncio.run(go())


def test_steps_of_several_wait_for_each_other() -> None:
    with Server(Manners(pace=0.002, paragraphs=20)) as server:
        heard = hear(server, ask("step", n=3), can_n=True)
        for child in range(3):
            assert heard.steps(child) == [("".join(chain(7 + child, 1)), "thought", "step")]
        assert heard.tokens < heard.bill.usage.completion <= server.sent + 3


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


def test_the_sdk_is_imported_late() -> None:
    code = "import sys, system2.policies.chat; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
