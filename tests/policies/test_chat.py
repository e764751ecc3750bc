"""The chat policy against a real HTTP server that counts every token it sends: what is reported is what was sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from policies.counting_server import Manners, Server, chain
from policies.hearing import ask, chains, hear, hear_all, listen

from system2.core import Delta, Step, Style
from system2.policies.chat import Chat

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


@pytest.mark.parametrize("lies", [0, -1000])
def test_a_bill_that_cannot_be_is_not_believed(lies: int) -> None:
    """Nought or less would let a search go on for ever, or fill its budget up again."""
    with Server(Manners(lies=lies)) as server:
        heard = hear(server, ask())
        assert heard.bill.estimated and heard.bill.usage.prompt > 0
        assert heard.bill.usage.completion == heard.tokens == server.sent


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


def test_an_answer_at_once_is_the_whole_reply() -> None:
    with Server() as server:
        heard = hear(server, ask("reply"))
        assert "notes" not in server.records[0].body["messages"][-1]["content"]
        assert heard.deltas[-1].answer == "".join(server.records[0].texts[0]).strip()
        assert "\n" in (heard.deltas[-1].answer or "")


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
