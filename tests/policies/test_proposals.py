"""Proposals: one call's list becomes children, however it was split; nothing paid for is lost."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from engine.fakes import SUM, Fault, Faulty, only, refused, reset
from hypothesis import given
from hypothesis import strategies as st
from policies.counting_server import Manners, Server
from policies.scripted import Script

from system2.core import Bill, Budget, CallFailed, Delta, Meter, Policy, Request, Step, Style
from system2.engine import Engine
from system2.engine.writing import Writing
from system2.policies.chat import Chat
from system2.policies.fake import Digits
from system2.policies.prompts import messages
from system2.policies.proposals import Cutter, Proposals
from system2.search import beam

Child = tuple[str, str, str | None]
INK = st.sampled_from(
    [
        *"ab 4.-*\n(）、一①\r\t",
        "\n",
        "\n1. ",
        "\n2) ",
        "\n- ",
        "\n\n",
        "Answer: ",
        "**",
        "```",
        "x + 1",
        ":\n",
        "\\boxed{3}",
    ]
)
TEXT = st.lists(INK, max_size=40).map("".join)
CHAIN = (Step("4 + 8 = 12\n", 5),)


def cut(text: str, n: int = 9, at: list[int] | None = None, *, short: bool = False) -> list[Child]:
    """(text, end, answer) of the children, the reply split at these places."""
    places = [0, *sorted({min(p, len(text)) for p in at or []}), len(text)]
    cutter, deltas = Cutter(n), list[Delta]()
    for start, end in pairwise(places):
        deltas += cutter.take(Delta(0, text[start:end], end - start, "reply"))
    deltas += cutter.close(cut=short)
    assert sum(delta.tokens for delta in deltas) == len(text)
    assert [delta.child for delta in deltas] == [*range(len(deltas))]
    assert len(deltas) <= n
    return [(delta.text, delta.end, delta.answer) for delta in deltas]


def texts(text: str, n: int = 9, *, short: bool = False) -> list[str]:
    return [said.strip() for said, *_ in cut(text, n, short=short)]


# ------------------------------------------------------------------ reading lists


@pytest.mark.parametrize(
    "text",
    [
        *("1. one\n2. two", "1) one\n2) two\n", "(1) one\n(2) two", "1、one\n2、two", "一、one\n二、two"),
        *("（一）one\n（二）two", "① one\n②two", "- one\n- two", "* one\n* two", "• one\n•two"),
        *("Step 1: one\nStep 2: two", "第一步：one\n第二步：two", "1：one\n2：two", "[1] one\n[2] two"),
        *("one\ntwo", "one\n\n\ntwo\n", "1.one\r\n2.two\r\n", "  1. one\n  2. two"),
        *("**1.** one\n**2.** two", "**1. one**\n**2. two**", "1.\none\n\n2.\n\ntwo"),
        *("Here they are:\n\n1. one\n2. two\n\nGood luck with these.", "Two steps.\n1. one\n2. two"),
        *("Possible steps:\none\ntwo", "步骤如下：\none\ntwo", "```\n1. one\n2. two\n```"),
        *("1. one\n1. one\n2.  two \n3. one", "- one\n-\n- two\n- "),
    ],
)  # fmt: skip
def test_lists_are_read(text: str) -> None:
    assert texts(text) == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("1. 1.5 + 2 = 3.5\n2. 10 - 4 = 6", ["1.5 + 2 = 3.5", "10 - 4 = 6"]),
        ("10 - 4 = 6\n-4 + 8 = 4\n1.5 * 2 = 3", ["10 - 4 = 6", "-4 + 8 = 4", "1.5 * 2 = 3"]),
        ("1. one\n   (left: 2)\n2. two\n   - so", ["one\n(left: 2)", "two\n- so"]),
        ("1. one\n\n   set in\n\nremark\n2. two", ["one\nset in", "two"]),
        ("十 apples\n三角形 is flat", ["十 apples", "三角形 is flat"]),
        ("1. one\n- detail\n2. two", ["one\n- detail", "two"]),
        ("", []),
        ("\n \n1.\n", []),
    ],
)
def test_what_is_no_mark_stays(text: str, entries: list[str]) -> None:
    assert [t for t in texts(text) if t] == entries


def test_an_answer_ends_a_line_of_thought() -> None:
    assert cut("1. one\n2. Answer: 7\n3. **Answer:** 8\n4. 最终答案：9\n\nAnswer: 10") == [
        ("one\n", "step", None),
        ("Answer: 7", "answer", "7"),
        ("**Answer:** 8", "answer", "8"),
        ("最终答案：9", "answer", "9"),
        ("Answer: 10", "answer", "10"),
    ]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("1. one\n2. tw", [("one\n", "step"), ("tw", "cut")]),
        ("1. one\n2. two\n", [("one\n", "step"), ("two\n", "step")]),
        ("1. one\n2", [("one\n", "step")]),
        ("1. one\n2.", [("one\n", "step")]),
        ("1. one\n  (lef", [("one\n(lef", "cut")]),
        ("1. one\n2. Answer: 1", [("one\n", "step"), ("Answer: 1", "cut")]),
        ("one\ntw", [("one\n", "step"), ("tw", "cut")]),
        ("1. one\n2. one", [("one\n", "step")]),
        ("thinking", [("thinking", "cut")]),
        ("1", [("", "cut")]),
    ],
)
def test_half_a_line_is_marked(text: str, ends: list[tuple[str, str]]) -> None:
    assert [(said, end) for said, end, _ in cut(text, short=True)] == ends


def test_no_more_children_than_were_asked_for() -> None:
    assert texts("1. a\n2. b\n3. c\n4. d", 2) == ["a", "b"]
    assert texts("1. a\n2. a\n3. b\n4. c", 2) == ["a", "b"]


@given(TEXT, st.integers(1, 5), st.lists(st.integers(0, 90)), st.booleans())
def test_children_are_the_same_however_the_text_was_split(
    text: str, n: int, at: list[int], short: bool
) -> None:
    whole = cut(text, n, short=short)
    assert cut(text, n, at, short=short) == cut(text, n, [*range(len(text))], short=short) == whole
    said = [t.strip() for t, *_ in whole]
    assert len({" ".join(t.split()) for t in said}) == len(said)
    assert all(said) or said == [""]


@given(st.lists(st.text(st.sampled_from("abcxyz +=(")).filter(lambda t: t.strip()), min_size=1))
def test_what_was_listed_comes_back(lines: list[str]) -> None:
    said = [*dict.fromkeys(" ".join(line.split()) for line in lines)]
    listed = "\n".join(f"{n}. {' '.join(line.split())}" for n, line in enumerate(lines[:99], 1))
    assert texts(listed, 99) == said


def test_a_line_pays_for_the_pieces_that_begin_in_it() -> None:
    cutter = Cutter(3)
    pieces = ["Steps:\n", "1. a", "\n2", ". b", "\n2. b", "\n\nthe", " end"]
    deltas = [d for p in pieces for d in cutter.take(Delta(0, p, 1, "reply", (-1.0,), (len(p),)))]
    deltas += cutter.close(cut=False)
    assert [(d.text, d.tokens) for d in deltas] == [("a\n", 3), ("b\n", 4)]
    assert [d.ids for d in deltas] == [(7, 4, 2), (3, 5, 5, 4)]
    assert all(len(d.logprobs) == d.tokens for d in deltas)


def test_a_child_is_given_once_the_next_is_whole() -> None:
    cutter = Cutter(3)
    assert cutter.take(Delta(0, "1. a\n2. b\n", 4, "reply")) == []
    assert [d.text for d in cutter.take(Delta(0, "3. c", 2, "reply"))] == []
    assert [d.text for d in cutter.take(Delta(0, "\n4", 2, "reply"))] == ["a\n"]
    assert [d.text for d in cutter.close(cut=False)] == ["b\n", "c\n4\n"]


# ------------------------------------------------------------------ calls


def ask(n: int = 3, until: Any = "step", tokens: int = 50, **fields: Any) -> Request:
    chain = fields.pop("chain", CHAIN)
    return Request(SUM, chain, n, until, tokens, tuple(range(7, 7 + n)), **fields)


def hear(policy: Policy, request: Request) -> tuple[list[Delta], list[Bill], CallFailed | None]:
    deltas, bills, failure = list[Delta](), list[Bill](), None

    async def go() -> None:
        async for item in policy.stream(request):
            deltas.append(item) if isinstance(item, Delta) else bills.append(item)

    try:
        asyncio.run(go())
    except CallFailed as error:
        failure = error
    return deltas, bills, failure


LIST = "1. 6 * 2 = 12\n2. 6 - 2 = 4\n3. Answer: 24"


def test_one_call_asks_for_all_steps() -> None:
    script = Script(lambda request: LIST, told=True)
    policy = Proposals(script)
    deltas, bills, _ = hear(policy, ask())
    (call,) = script.requests
    assert (call.n, call.until, call.max_tokens, call.seeds) == (1, "reply", 150, (7,))
    assert call.chain == CHAIN
    text = messages(call)[-1]["content"]
    assert text.startswith("1+1\n\n") and "up to 3 different" in text
    assert text.endswith("<notes>\n4 + 8 = 12\n\n</notes>")
    assert [(d.child, d.text, d.end) for d in deltas] == [
        (0, "6 * 2 = 12\n", "step"),
        (1, "6 - 2 = 4\n", "step"),
        (2, "Answer: 24", "answer"),
    ]
    assert [b.usage.completion for b in bills] == [script.sent]
    assert [i for d in deltas for i in d.ids] == [*range(script.sent)]
    assert policy.prompt_bound(ask()) == script.prompt_bound(call) == bills[0].usage.prompt
    own = Proposals(script, prompt="{n}, {braces} and all")
    hear(own, ask())
    assert script.requests[-1].style == Style("3, {braces} and all")


@pytest.mark.parametrize(
    "request_",
    [
        *(ask(1), ask(1, "answer"), ask(1, "reply"), ask(1, "token"), ask(3, "answer")),
        *(ask(3, "token"), ask(3, style=Style(prompt="So?")), ask(3, style=Style("", "Hm"))),
        *(ask(3, style=Style(at=2)), ask(3, style=Style(stop=("x",)))),
    ],
)
def test_all_else_passes_through_untouched(request_: Request) -> None:
    script = Script(lambda request: "7", can=frozenset({"n", "continue"}))
    policy = Proposals(script)
    assert hear(policy, request_) == hear(script, request_)
    assert script.requests == [request_, request_]
    assert policy.prompt_bound(request_) == script.prompt_bound(request_)


def test_who_writes_one_at_a_time_is_asked_for_one_at_a_time() -> None:
    script = Script(lambda request: f"Answer: {request.seeds[0]}", can=frozenset({"logprobs"}))
    policy = Proposals(script)
    assert policy.can == {"logprobs", "n"}
    deltas, (bill,), _ = hear(policy, ask(3, "answer"))
    assert [d.answer for d in deltas if d.end] == ["7", "8", "9"]
    assert {d.child for d in deltas} == {0, 1, 2}
    assert (bill.usage.completion, bill.usage.calls) == (script.sent, 3)
    assert bill.usage.prompt == policy.prompt_bound(ask(3, "answer"))
    silent = Proposals(Script(lambda request: "Answer: 7", bills=False))
    assert hear(silent, ask(3, "answer"))[1] == []


def test_temperature_is_passed_on() -> None:
    script = Script(lambda request: LIST)
    hear(Proposals(script), ask(style=Style(temperature=0.3)))
    assert script.requests[0].style.temperature == 0.3 and script.requests[0].style.prompt


def test_what_came_before_a_failure_is_kept() -> None:
    for error in (reset(), refused()):
        inner = Faulty(Script(lambda request: LIST), only(1, Fault(6, error)))
        deltas, bills, failure = hear(Proposals(inner), ask())
        assert failure is error and not bills and inner.closed == 1
        assert [(d.text, d.end) for d in deltas] == [("6 * 2 = 12\n", "step"), ("6 - 2 =", "cut")]
        assert sum(d.tokens for d in deltas) == 6
    inner = Faulty(Script(lambda request: LIST), only(1, Fault(0, reset())))
    assert hear(Proposals(inner), ask())[0] == []


def test_a_stream_that_just_ends_has_been_cut() -> None:
    inner = Faulty(Script(lambda request: LIST), only(1, Fault(6)))
    deltas, _, failure = hear(Proposals(inner), ask())
    assert failure is None and deltas[-1].end == "cut"


def test_who_ignores_the_limit_is_broken_off() -> None:
    script = Script(lambda request: "1. " + "a" * 10_000, deaf=True)
    deltas, bills, _ = hear(Proposals(script), ask(2, tokens=5))
    assert script.sent == 11 == sum(d.tokens for d in deltas) and not bills
    assert [d.end for d in deltas] == ["cut"]


def test_hidden_thought_is_paid_for_by_the_first_child() -> None:
    deltas, _, _ = hear(Proposals(Script(lambda request: LIST, thinks=30)), ask())
    assert deltas[0].tokens >= 30 and len(deltas) == 3
    deltas, _, _ = hear(Proposals(Script(lambda request: LIST, thinks=300)), ask())
    assert [(d.text, d.tokens, d.end) for d in deltas] == [("", 150, "cut")]


@given(TEXT, st.integers(2, 5), st.integers(1, 30), st.integers(1, 5), st.integers(0, 9))
def test_the_engine_sees_every_token(
    text: str, n: int, tokens: int, size: int, thinks: int
) -> None:
    script = Script(lambda request: text, size=size, thinks=thinks)
    deltas, bills, _ = hear(Proposals(script), ask(n, tokens=tokens))
    writing = Writing(n * tokens)
    for delta in deltas:
        writing.take(delta)
    writing.end()
    steps = [step for chain in writing.chains.values() for step in chain]
    assert len(steps) == len(deltas) == len(writing.chains)
    assert writing.tokens == script.sent == sum(step.tokens for step in steps) <= n * tokens
    assert [bill.usage.completion for bill in bills] == [script.sent]


@pytest.mark.parametrize("thoughts", ["content", "inline", "reasoning_content"])
@pytest.mark.parametrize("can_n", [None, True])
def test_proposals_behind_a_server_are_billed_as_the_server_counts(
    thoughts: str, can_n: bool | None
) -> None:
    with Server(Manners(seed=2, truncate=0.2, fail=0.1, thoughts=thoughts)) as server:
        inner, meter = Chat("pretend", base_url=server.url, can_n=can_n), Meter(Budget(calls=64))
        engine = Engine(SUM, beam(2, 3, 4), Proposals(inner), meter)
        asyncio.run(engine.run())
    assert meter.usage.completion == server.sent and meter.promised == 0
    assert meter.usage.prompt == sum(r.prompt for r in server.records if r.outcome == "done")
    assert meter.usage.calls == len(server.records)
    assert all("n" not in record.body for record in server.records)
    planted = [node.step.tokens * node.count for node in engine.tree.nodes if node.step]
    assert sum(planted) == server.sent


def test_a_policy_of_digits_has_nothing_to_propose() -> None:
    deltas, (bill,), _ = hear(Proposals(Digits()), ask(chain=()))
    assert [(d.text, d.end) for d in deltas] == [("", "cut")] and bill.usage.completion == 1
