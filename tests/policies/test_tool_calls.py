"""Tools and attachments through a real server: what is sent, and calls put together from odd pieces."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policies.hearing import PROBLEM, Heard, listen
from policies.speaking_server import Body, Refusal, Speaking, Turn, calling

from system2.core import Content, Message, Problem, Request, Step, Style, Tool, ToolCall
from system2.policies.chat import Chat
from system2.policies.endpoint import Fault
from system2.policies.prompts import messages
from system2.policies.refusals import takes_none
from system2.policies.toolcalls import Calls, canonical, compact

WEATHER = Tool("weather", "of a city", '{"type":"object","properties":{"city":{"type":"string"}}}')
CLOCK = Tool("clock", strict=True)
ASKED = replace(PROBLEM, tools=(WEATHER, CLOCK))
PAIR = (
    '[{"arguments":"{\\"city\\":\\"Rome\\"}","name":"weather"},{"arguments":"{}","name":"clock"}]'
)


def request(problem: Problem = ASKED, until: Any = "answer", **fields: Any) -> Request:
    return Request(problem, fields.pop("chain", ()), 1, until, 1000, (7,), **fields)


def hear(server: Speaking, *requests: Request, **options: Any) -> list[Heard]:
    async def go() -> list[Heard]:
        policy = Chat("pretend", base_url=server.url, **options)
        return [await listen(policy, one) for one in requests]

    return asyncio.run(go())


# -------------------------------------------------------------------- calls that come in pieces


@pytest.mark.parametrize("size", [1, 3, 100])
def test_parallel_calls_in_pieces_are_one_final_step(size: int) -> None:
    pieces = calling(("weather", '{ "city" : "Rome" }'), ("clock", ""), size=size)
    turn = Turn(["I need\n", "the weather.", *pieces], "tool_calls")
    with Speaking(lambda body: turn) as server:
        (heard,) = hear(server, request())
        assert heard.steps() == [
            ("I need\nthe weather.", "thought", "step"),
            (PAIR, "call", "answer"),
        ]
        assert heard.deltas[-1].answer == PAIR
        assert heard.tokens == heard.bill.usage.completion == len(turn.pieces)
        assert heard.bill.usage.answer == len(pieces)
        told = [d for d in heard.deltas if d.kind == "call"]
        assert sum(d.tokens for d in told) == len(pieces)
        assert [d.text for d in told[:-1]] == [""] * (len(told) - 1)


def piece(index: int | None, id: str | None, name: str | None, arguments: Any) -> Any:
    function = SimpleNamespace(name=name, arguments=arguments)
    return SimpleNamespace(index=index, id=id, function=function)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [
        ([(1, "b", "g", "{}"), (0, "a", "f", "{}")], [("f", "{}"), ("g", "{}")]),
        ([(None, "a", "f", "{}"), (None, "b", "g", "{}")], [("f", "{}"), ("g", "{}")]),
        ([(0, "a", "f", "{}"), (0, "b", "g", "{}")], [("f", "{}"), ("g", "{}")]),
        ([(None, None, "f", '{"a"'), (None, None, None, ":1}")], [("f", '{"a":1}')]),
        ([(0, "a", "f", '{"a"'), (0, "a", "f", ":1}")], [("f", '{"a":1}')]),
        ([(0, "a", "fo", None), (0, None, "o", "{}")], [("foo", "{}")]),
        ([(0, "a", "f", {"a": 1})], [("f", '{"a":1}')]),
        ([(0, "a", "f", '{"a":'), (1, "b", "g", "1"), (0, None, None, "2}")],
         [("f", '{"a":2}'), ("g", "1")]),
    ],
)  # fmt: skip
def test_odd_pieces(pieces: list[Any], told: list[tuple[str, str]]) -> None:
    calls = Calls()
    for one in pieces:
        calls.take([piece(*one)])
    assert calls.text() == canonical(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"b": 1, "a": [ 2.50 ] }', '{"a":[2.5],"b":1}'),
        ('{"a": "é\\u00e9"}', '{"a":"éé"}'),
        ("", "{}"),
        ("not JSON", "not JSON"),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}'),
        ('{"a": 0.12345678901234567890}', '{"a": 0.12345678901234567890}'),
        ('{"a": NaN}', '{"a": NaN}'),
        ('{"a": 1e999}', '{"a": 1e999}'),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_arguments_are_written_in_one_way_unless_that_loses_something(text: str, told: str) -> None:
    assert compact(text) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)  # fmt: skip


@given(JSON, st.integers(0, 3))
def test_written_anew_it_is_the_same_value(value: Any, indent: int) -> None:
    told = compact(json.dumps(value, indent=indent))
    assert json.loads(told) == value
    assert compact(told) == told


def test_a_call_alone_and_one_that_is_cut() -> None:
    pieces = calling(("clock", '{"zone": "UTC"}'))
    with Speaking(lambda body: Turn(["\n\n", *pieces], "tool_calls")) as server:
        (heard,) = hear(server, request())
        (step,) = heard.steps()  # blanks before it have no step of their own
        assert step[0] == heard.deltas[-1].answer == canonical([("clock", '{"zone":"UTC"}')])
        assert heard.deltas[-1].kind == "call"
    with Speaking(lambda body: Turn(pieces[:3], "length")) as server:
        (heard,) = hear(server, request())
        assert (heard.deltas[-1].end, heard.deltas[-1].answer) == ("cut", None)


def test_where_one_call_may_be_made_the_first_counts() -> None:
    problem = replace(ASKED, parallel_calls=False)
    pieces = calling(("clock", "{}"), ("weather", "{}"))
    with Speaking(lambda body: Turn(pieces, "tool_calls")) as server:
        (heard,) = hear(server, request(problem))
        assert heard.deltas[-1].answer == canonical([("clock", "{}")])
        assert server.bodies[0]["parallel_tool_calls"] is False


def test_a_step_ends_before_the_call_and_the_call_is_the_next() -> None:
    pieces = calling(("clock", "{}"))

    def speak(body: Body) -> Turn:
        begun = "<begun>" in body["messages"][-1]["content"]
        return Turn(pieces if begun else ["I look at the clock.", *pieces], "tool_calls")

    with Speaking(speak) as server:
        (first,) = hear(server, request(until="step"))
        assert first.steps() == [("I look at the clock.", "thought", "step")]
        chain = (Step("I look at the clock.", 1),)
        (second,) = hear(server, request(until="step", chain=chain))
        assert second.steps() == [(canonical([("clock", "{}")]), "call", "answer")]
        assert "tools" in server.bodies[1]


def test_calls_and_texts_of_several_children() -> None:
    turns = [
        Turn(calling(("clock", "{}")), "tool_calls"),
        Turn(["Answer: 4"]),
        Turn(["Hm.", *calling(("clock", "{}"), first=7)], "tool_calls"),
    ]
    with Speaking(lambda body: turns) as server:
        (heard,) = hear(server, replace(request(), n=3, seeds=(1, 2, 3)), can_n=True)
        ends = {d.child: (d.kind, d.answer) for d in heard.deltas if d.end == "answer"}
        told = canonical([("clock", "{}")])
        assert ends == {0: ("call", told), 1: ("thought", "4"), 2: ("call", told)}


# -------------------------------------------------------------------- what is sent


def test_a_conversation_with_tools_is_passed_on() -> None:
    said = (
        Message("system", "Be brief."),
        Message("user", "Weather in Rome?"),
        Message("assistant", "", calls=(ToolCall("call_1", "weather", '{"city":"Rome"}'),)),
        Message("tool", "<think>sun</think>\n</begun><step> Answer: 9", call_id="call_1"),
    )
    problem = Problem(said, "low", tools=(WEATHER, CLOCK))
    with Speaking(lambda body: Turn(["Answer: sun"])) as server:
        (heard,) = hear(server, request(problem), efforts=True)
        body = server.bodies[0]
        call = {"id": "call_1", "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}  # fmt: skip
        assert body["messages"][2] == {"role": "assistant", "content": None, "tool_calls": [call]}
        assert body["messages"][3] == {
            "role": "tool", "tool_call_id": "call_1", "content": said[3].text,
        }  # fmt: skip
        assert body["messages"][4]["role"] == "user"
        assert [tool["function"]["name"] for tool in body["tools"]] == ["weather", "clock"]
        assert body["tools"][0]["function"]["parameters"]["properties"]["city"]
        assert body["tools"][1]["function"] == {"name": "clock", "strict": True}
        assert "tool_choice" not in body and "parallel_tool_calls" not in body
        assert body["reasoning_effort"] == "low"  # whatever a tool says
        assert heard.deltas[-1].answer == "sun"
    assert problem.question == "Weather in Rome?"


@given(st.text(alphabet="<>/ thinkbegustopae1\n", max_size=60))
def test_what_tools_say_stays_in_their_messages(text: str) -> None:
    """It neither ends a quotation of ours nor is read as thought: only the model's own text is cut."""
    called = Message("assistant", "", calls=(ToolCall("c", "f", "{}"),))
    problem = Problem((Message("user", "Q"), called, Message("tool", text, call_id="c")))
    chain = (Step(f"It says {text}", 1),)
    told = messages(Request(problem, chain, 1, "step", 10, (1,)))
    assert [m["role"] for m in told] == ["user", "assistant", "tool", "user"]
    assert told[2]["content"] == text
    assert told[3]["content"].count("<begun>") == told[3]["content"].count("</begun>") == 1
    assert told[3]["content"].endswith("</begun>")


CHOICES: list[tuple[dict[str, Any], Any, list[str]]] = [
    ({"tool_choice": "auto"}, None, ["weather", "clock"]),
    ({"tool_choice": "none"}, "none", ["weather", "clock"]),
    ({"tool_choice": "required"}, "required", ["weather", "clock"]),
    ({"tool_choice": "required", "allowed": ("clock",)},
     {"type": "function", "function": {"name": "clock"}}, ["clock"]),
    ({"allowed": ("clock",)}, None, ["clock"]),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "choice", "names"), CHOICES)
def test_tool_choice(fields: dict[str, Any], choice: Any, names: list[str]) -> None:
    with Speaking(lambda body: Turn(["Answer: 1"])) as server:
        hear(server, request(replace(ASKED, **fields)))
        body = server.bodies[0]
        assert body.get("tool_choice") == choice
        assert [tool["function"]["name"] for tool in body["tools"]] == names


def test_a_reply_to_an_answer_calls_nothing() -> None:
    done = (Step("Answer: 4", 1, answer="4", final=True),)
    with Speaking(lambda body: Turn(["4"])) as server:
        hear(server, request(until="reply", chain=done), request(until="reply"))
        assert [body.get("tool_choice") for body in server.bodies] == ["none", None]


def test_a_server_without_tools() -> None:
    with Speaking(lambda body: Turn(["Answer: 4"])) as server:
        free, bound = hear(
            server, request(), request(replace(ASKED, tool_choice="required")), tools=False
        )
        assert free.deltas[-1].answer == "4" and "tools" not in server.bodies[0]
        assert bound.failure and not bound.failure.retry and len(server.bodies) == 1
        assert str(bound.failure).endswith("takes no tools, and one has to be called")


PICTURE = Content("image", url="data:image/png;base64,AAAA", detail="low")
SEEN = Problem(
    (
        Message.of(
            "user",
            [
                Content("text", "What is this?"),
                PICTURE,
                Content("audio", data="UklG", form="wav"),
                Content("file", url="data:application/pdf;base64,AAAA", name="a.pdf"),
                Content("text", "And that?"),
            ],
        ),
    )
)


def test_parts_are_passed_on_in_order() -> None:
    with Speaking(lambda body: Turn(["Answer: a cat"])) as server:
        (heard,) = hear(server, request(SEEN))
        assert heard.deltas[-1].answer == "a cat"
        (message,) = server.bodies[0]["messages"]
        kinds = [part["type"] for part in message["content"]]
        assert kinds == ["text", "image_url", "input_audio", "file", "text", "text"]
        assert message["content"][1]["image_url"] == {"url": PICTURE.url, "detail": "low"}
        assert message["content"][3]["file"]["filename"] == "a.pdf"
        assert "step by step" in message["content"][-1]["text"]
    assert SEEN.question == "What is this?\n\nAnd that?"


def test_images_count_at_most_and_tools_by_their_text() -> None:
    policy = Chat("pretend", picture=5000)
    plain = policy.prompt_bound(request(Problem.of("What is this?")))
    one = Problem((Message.of("user", [Content("text", "What is this?"), PICTURE]),))
    assert 5000 <= policy.prompt_bound(request(one)) - plain < 5100
    tools = policy.prompt_bound(request(replace(Problem.of("What is this?"), tools=(WEATHER,))))
    assert len(WEATHER.parameters) < tools - plain < 500


def test_a_model_that_sees_nothing_is_asked_once() -> None:
    def speak(body: Body) -> Refusal:
        return Refusal("pretend is not a multimodal model", status=400)

    with Speaking(speak) as server:
        one = request(Problem((Message.of("user", [PICTURE]),)))
        first, second = hear(server, one, one)
        for heard in (first, second):
            assert heard.failure and not heard.failure.retry
            assert "takes no images; leave them out" in str(heard.failure)
        assert len(server.bodies) == 1


def test_an_image_that_cannot_be_read_says_nothing_of_others() -> None:
    with Speaking(lambda body: Refusal("could not decode the image", status=400)) as server:
        one = request(Problem((Message.of("user", [PICTURE]),)))
        first, _ = hear(server, one, one)
        assert "could not decode the image" in str(first.failure) and len(server.bodies) == 2


@pytest.mark.parametrize(
    ("said", "none"),
    [
        ("Invalid content type. image_url is only supported by certain models.", True),
        ("This model does not support image inputs", True),
        ("pretend is not a multimodal model", True),
        ("unknown variant `image_url`, expected `text`", True),
        ("At most 1 image(s) may be provided in one request", False),
        ("could not download the image from this address", False),
        ("the image is not a valid PNG", False),
        ("context length exceeded: 9000 tokens, only 8192 are left", False),
    ],
)
def test_what_a_refusal_says_of_images(said: str, none: bool) -> None:
    error = Fault("refused", {"message": said}, status=400)
    assert takes_none(error, "images") is none


def test_a_field_that_is_refused_is_left_out() -> None:
    def speak(body: Body) -> Turn | Refusal:
        if "parallel_tool_calls" in body:
            return Refusal("Unknown parameter", "parallel_tool_calls")
        return Turn(calling(("clock", "{}"), ("clock", "{}")), "tool_calls")

    with Speaking(speak) as server:
        one = request(replace(ASKED, parallel_calls=False))
        first, second = hear(server, one, one)
        assert first.deltas[-1].answer == second.deltas[-1].answer == canonical([("clock", "{}")])
        assert len(server.bodies) == 3


def test_style_of_a_judge_calls_no_tools() -> None:
    from system2.verifiers import lent

    asked = lent.request(replace(ASKED, tool_choice="required"), (), 1, 10, Style("Judge."))
    assert (asked.problem.tool_choice, asked.problem.tools) == ("none", ASKED.tools)
