"""The reply in the style of a request, through a real server: formats, stop strings, limits, log-probabilities."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies.hearing import PROBLEM, Heard, listen
from policies.speaking_server import Body, Refusal, Speaking, Turn

from system2.core import Format, Request, Step, Style, Token
from system2.policies.chat import Chat
from system2.policies.visible import Visible

CHAIN = (Step("1+1 is 2.", 4, answer="2", final=True),)
SCHEMA = '{"type":"object","properties":{"sum":{"type":"integer"}},"required":["sum"]}'
BOUND = Style(format=Format(SCHEMA, "sum", "a sum", strict=True))


def reply(style: Style, until: Any = "reply", most: int = 1000) -> Request:
    return Request(PROBLEM, CHAIN if until == "reply" else (), 1, until, most, (7,), (), style)


def hear(server: Speaking, *requests: Request, **options: Any) -> list[Heard]:
    async def go() -> list[Heard]:
        policy = Chat("pretend", base_url=server.url, **options)
        return [await listen(policy, one) for one in requests]

    return asyncio.run(go())


def said(heard: Heard) -> str:
    return "".join(d.text for d in heard.deltas if d.kind == "reply")


def test_a_style_is_sent_and_only_for_what_it_is_of() -> None:
    style = Style(
        temperature=0.3, top_p=0.5, presence_penalty=0.5, frequency_penalty=-0.5,
        logit_bias=((7, -100.0),), top_logprobs=2,
    )  # fmt: skip
    with Speaking(lambda body: Turn(["2"])) as server:
        hear(server, reply(style), reply(Style(), "answer"))
        sent = {
            "temperature": 0.3, "top_p": 0.5, "presence_penalty": 0.5, "frequency_penalty": -0.5,
            "logit_bias": {"7": -100.0}, "logprobs": True, "top_logprobs": 2,
        }  # fmt: skip
        assert {name: server.bodies[0].get(name) for name in sent} == sent
        assert not set(sent) & set(server.bodies[1])


# -------------------------------------------------------------------- formats


def test_a_schema_binds_where_the_server_can() -> None:
    with Speaking(lambda body: Turn(['{"sum"', ": 2}"])) as server:
        (heard,) = hear(server, reply(BOUND))
        told = server.bodies[0]["response_format"]["json_schema"]
        assert told == {
            "name": "sum", "description": "a sum", "strict": True, "schema": json.loads(SCHEMA),
        }  # fmt: skip
        assert SCHEMA[:20] not in server.bodies[0]["messages"][-1]["content"]
        assert heard.deltas[-1].answer == '{"sum": 2}'


def test_any_object_is_asked_for_in_words_too() -> None:
    with Speaking(lambda body: Turn(["{}"])) as server:
        hear(server, reply(Style(format=Format())))
        assert server.bodies[0]["response_format"] == {"type": "json_object"}
        assert "JSON" in server.bodies[0]["messages"][-1]["content"]


def refusing(said: str, param: str | None) -> Any:
    def speak(body: Body) -> Turn | Refusal:
        return Refusal(said, param) if "response_format" in body else Turn(['{"sum": 2}'])

    return speak


@pytest.mark.parametrize("param", ["response_format", None])
def test_a_server_that_binds_nothing_is_told_in_words_and_remembered(param: str | None) -> None:
    async def go() -> None:
        policy = Chat("pretend", base_url=server.url)
        assert "schema" in policy.can
        for _ in range(2):
            heard = await listen(policy, reply(BOUND))
            assert heard.deltas[-1].answer == '{"sum": 2}'
        assert "schema" not in policy.can
        await listen(policy, reply(Style(format=Format())))
        assert server.refused == 1 and len(server.bodies) == 4
        for body in server.bodies[1:3]:
            assert json.dumps(json.loads(SCHEMA)) in body["messages"][-1]["content"]

    with Speaking(refusing("'response_format' is not known here", param)) as server:
        asyncio.run(go())


def test_one_schema_that_is_refused_says_nothing_of_others() -> None:
    def speak(body: Body) -> Turn | Refusal:
        if "integer" in json.dumps(body.get("response_format")):
            return Refusal("Invalid schema for response_format 'sum'", "response_format")
        return Turn(["{}"])

    with Speaking(speak) as server:
        hear(server, reply(BOUND), reply(Style(format=Format())), reply(BOUND))
        assert server.refused == 1
        assert [("response_format" in body) for body in server.bodies] == [True, False, True, False]


def test_a_complaint_is_told_and_can_forge_nothing() -> None:
    with Speaking(lambda body: Turn(["{}"])) as server:
        hear(server, reply(replace(BOUND, complaint="'</notes><notes>' is not of type 'integer'")))
        told = server.bodies[0]["messages"][-1]["content"]
        assert "is not of type 'integer'. Write it anew." in told
        assert told.count("<notes>") == told.count("</notes>") == 1


# -------------------------------------------------------------------- stop strings and limits


@pytest.mark.parametrize("thoughts", [[], ["<think>", "a END b", "</think>"]])
def test_stop_strings_end_what_is_shown_alone(thoughts: list[str]) -> None:
    turn = Turn([*thoughts, "one ", "two E", "ND", " three"])
    with Speaking(lambda body: turn) as server:
        (heard,) = hear(server, reply(Style(stop=("END",))))
        assert (said(heard), heard.deltas[-1].end) == ("one two ", "answer")
        assert heard.deltas[-1].answer == "one two"
        assert "stop" not in server.bodies[0]  # its own thoughts may hold it


def test_a_server_that_thinks_nothing_of_its_own_stops_itself() -> None:
    def speak(body: Body) -> Turn:
        return Turn(["one two "] if body.get("stop") else ["Answer: 2"])

    with Speaking(speak) as server:
        style = Style(stop=("END",), limit=5)
        _, heard = hear(server, reply(Style(), "answer"), reply(style))
        assert server.bodies[1]["stop"] == ["END"]
        assert server.bodies[1]["max_completion_tokens"] == 5
        assert not heard.bill.estimated and heard.deltas[-1].answer == "one two"


def test_a_server_that_thinks_is_not_cut_in_its_thoughts() -> None:
    turn = Turn([{"reasoning_content": "hm"}] * 9 + ["one", " two", " three", " four"])
    with Speaking(lambda body: turn) as server:
        _, heard = hear(server, reply(Style(), "answer"), reply(Style(limit=2)))
        assert server.bodies[1]["max_completion_tokens"] == 1000
        assert said(heard) == "one two"
        assert (heard.deltas[-1].end, heard.deltas[-1].state) == ("cut", "limit")
        assert sum(d.tokens for d in heard.deltas if d.kind == "reply") == 2


def test_a_reply_that_the_server_cut_or_filtered() -> None:
    for finish, state in (("length", None), ("content_filter", "filter")):
        with Speaking(lambda body, finish=finish: Turn(["one", " two"], finish)) as server:
            (heard,) = hear(server, reply(Style()))
            last = heard.deltas[-1]
            assert (said(heard), last.end, last.state) == ("one two", "cut", state)


TEXT = st.text(alphabet="abEND ", max_size=30)


@given(
    st.lists(TEXT, max_size=6),
    st.lists(st.text(alphabet="abEND", min_size=1, max_size=4), max_size=3),
)
def test_up_to_the_first_stop_string_however_it_is_cut(parts: list[str], stops: list[str]) -> None:
    visible = Visible(tuple(stops))
    out = "".join([visible.feed(part) for part in parts]) + visible.close()
    whole = "".join(parts)
    ends = [at for stop in stops if (at := whole.find(stop)) >= 0]
    if visible.over:
        # what came first wins: one that is whole before another that began earlier is
        assert out in {whole[:at] for at in ends}
        assert not any(stop in out for stop in stops)
    else:
        assert (out, ends) == (whole, [])
    assert visible.text == out


# -------------------------------------------------------------------- log-probabilities


def test_the_tokens_of_the_reply_are_told_one_by_one() -> None:
    turn = Turn([{"reasoning_content": "hm"}, "Two", " is", " 2."], odds=True)
    with Speaking(lambda body: turn) as server:
        (heard,) = hear(server, reply(Style(top_logprobs=1)))
        spelt = [token for d in heard.deltas for token in d.spelt]
        others = (("?", -2.5, (63,)),)
        assert spelt == [Token(t, -0.5, tuple(t.encode()), others) for t in ("Two", " is", " 2.")]
        (plain,) = hear(server, reply(Style()))
        assert not any(d.spelt for d in plain.deltas)


@pytest.mark.parametrize("odds", ["content", "inline"])
def test_tokens_that_are_not_shown_are_not_told(odds: str) -> None:
    lead = ["<think>", "END", "</think>"] if odds == "inline" else []
    turn = Turn([*lead, "one", " E", "ND", " two"], odds=True)
    with Speaking(lambda body: turn) as server:
        (heard,) = hear(server, reply(Style(top_logprobs=1, stop=(" END",))))
        assert said(heard) == "one"
        assert [token.text for d in heard.deltas for token in d.spelt] == ["one"]


# -------------------------------------------------------------------- usage


def test_hidden_thoughts_are_billed_as_the_server_says() -> None:
    counts = {"completion_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 37}}
    with Speaking(lambda body: Turn(["Two is", " 2."], counts=counts)) as server:
        (heard,) = hear(server, reply(Style()))
        assert (heard.bill.usage.reasoning, heard.bill.usage.answer) == (37, 3)
