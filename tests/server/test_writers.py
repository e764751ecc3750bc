"""Events of real searches as both APIs tell them: in order, whole, and the same as what is told at once."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from system2.core import PLAIN, Budget, Event, Finished, Meter, Noted, Piece, Problem
from system2.engine import Engine
from system2.policies.fake import Digits
from system2.search import best_of, direct, majority
from system2.server.errors import ApiError
from system2.server.wire.chat_reply import ChatStream, Head, completion
from system2.server.wire.outcome import Outcome, outcome
from system2.server.wire.response_object import ended, skeleton
from system2.server.wire.response_writer import ResponseWriter
from system2.server.wire.responses_request import ResponseRequest
from system2.server.wire.usage import Spent, chat_usage, response_usage
from system2.server.wire.wanted import VISIBILITIES, Visibility

SHOWS = st.sampled_from(VISIBILITIES)
WILD = st.fixed_dictionaries(
    {
        "lines": st.integers(0, 6),
        "seed": st.integers(0, 10**6),
        "tokens": st.integers(1, 60) | st.none(),
        "fail": st.sampled_from((0.0, 0.3, 1.0)),
        "cut": st.sampled_from((0.0, 0.4)),
        "reply": st.booleans(),
    }
)


def heard(wild: dict[str, Any]) -> tuple[list[Event], Engine, Finished]:
    """A search with its events, notes among them."""
    lines = wild["lines"]
    engine = Engine(
        Problem.of("?"),
        best_of(lines, choose=majority) if lines else direct(),
        Digits(fail=wild["fail"], cut=wild["cut"], seed=wild["seed"], after=0.0),
        Meter(Budget(tokens=wild["tokens"], reserve=4 if wild["reply"] and wild["tokens"] else 0)),
        seed=wild["seed"],
        reply=PLAIN if wild["reply"] else None,
    )
    events: list[Event] = []
    engine.watchers.append(events.append)
    end = asyncio.run(engine.run())
    for place in range(2, len(events), 5):
        events.insert(place, Noted(1, 0, f"**Note**\n\n{place}", "summary", "step", ""))
    return events, engine, end


def outcome_of(engine: Engine, end: Finished) -> Outcome:
    """What it comes to; a backend that failed comes to nothing."""
    node = engine.tree.nodes[end.node] if end.node is not None else None
    try:
        return outcome(end, node, stop=(), whole=False, tag="x")
    except ApiError as error:
        assert error.status == 502
        assert end.answer is None
        return Outcome("", "length", end.why)


@given(WILD, SHOWS)
def test_chunks_add_up_to_the_whole_completion(wild: dict[str, Any], show: Visibility) -> None:
    events, engine, end = heard(wild)
    head = Head("chatcmpl-1", 1, "m")
    stream = ChatStream(head, 0, show, False, True, False, engine.tree.nodes.__getitem__)
    one = outcome_of(engine, end)
    chunks = stream.open()
    for event in events:
        chunks += stream.take(event)
    chunks += stream.close(one, ())
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    said = [n for n, delta in enumerate(deltas) if delta.get("content")]
    thought = [n for n, delta in enumerate(deltas) if "reasoning_content" in delta]
    assert not said or not thought or max(thought) < min(said)  # clients stop their clock there
    assert show != "none" or not thought
    assert all(("reasoning" in deltas[n]) == (show == "raw") for n in thought)
    told = completion(head, [one], [""], show, [None])["choices"][0]
    streamed = "".join(delta.get("content") or "" for delta in deltas)
    assert streamed == told["message"]["content"] or one.text == ""
    assert chunks[-1]["choices"][0]["finish_reason"] == told["finish_reason"]
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks[:-1])


@given(WILD, SHOWS, st.booleans())
def test_events_of_a_response_are_in_the_order_that_clients_assert(
    wild: dict[str, Any], show: Visibility, summaries: bool
) -> None:
    events, engine, end = heard(wild)
    body = skeleton("resp_1", "m", ResponseRequest(input="?"), effort="low", run="r")
    writer = ResponseWriter(
        body, "1", show, summaries, True, True, False, engine.tree.nodes.__getitem__, str
    )
    one = outcome_of(engine, end)
    status = "completed" if one.finish == "stop" else "incomplete"
    told = writer.open(queued=False)
    for event in events:
        told += writer.take(event)
    told += writer.close(one, (), final=lambda b: ended(b, status, usage=None, own={}))
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert told[0]["type"] == "response.created"
    assert told[0]["response"]["output"] == []
    opened: list[dict[str, Any]] = []
    texts: dict[str, str] = {}
    closed = 0
    for event in told:
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            assert event["output_index"] == len(opened) == closed  # one at a time
            opened.append(event["item"])
        elif kind == "output_item.done":
            assert event["item"]["id"] == opened[closed]["id"]
            closed += 1
        elif "item_id" in event:
            assert event["item_id"] == opened[-1]["id"]
            assert closed == len(opened) - 1
        if kind.endswith("text.delta"):
            texts[kind] = texts.get(kind, "") + event["delta"]
    last = told[-1]["response"]
    assert told[-1]["type"] == f"response.{last['status']}"
    assert [item["id"] for item in last["output"]] == [item["id"] for item in opened]
    assert closed == len(opened)
    messages = [item for item in last["output"] if item["type"] == "message"]
    assert "".join(m["content"][0]["text"] for m in messages) == texts.get("output_text.delta", "")
    assert one.finish != "stop" or messages[0]["content"][0]["text"] == one.text
    thoughts = last["output"][0]
    assert thoughts["type"] == "reasoning"
    assert bool(thoughts["summary"]) <= (summaries and show != "none")
    assert ("content" in thoughts) <= (show == "raw")
    assert "encrypted_content" in thoughts


@given(WILD)
def test_usage_adds_up(wild: dict[str, Any]) -> None:
    _, _, end = heard(wild)
    spent = Spent.of([end])
    chat, response = chat_usage(spent), response_usage(spent)
    reasoning = chat["completion_tokens_details"]["reasoning_tokens"]
    assert chat["total_tokens"] == chat["prompt_tokens"] + chat["completion_tokens"]
    assert 0 <= reasoning <= chat["completion_tokens"]
    assert response["output_tokens"] == chat["completion_tokens"]
    assert response["total_tokens"] == chat["total_tokens"]
    if wild["tokens"] is not None:
        assert chat["completion_tokens"] <= wild["tokens"]


def test_raw_thoughts_follow_one_line_and_end_with_the_chosen() -> None:
    """Of many lines written at once the first is told as it comes; another, if it was chosen, is told whole."""
    for seed in range(20):
        wild = {"lines": 4, "seed": seed, "tokens": None, "fail": 0.0, "cut": 0.0, "reply": False}
        events, engine, end = heard(wild)
        stream = ChatStream(
            Head("c", 1, "m"), 0, "raw", False, True, False, engine.tree.nodes.__getitem__
        )
        chunks = [chunk for event in events for chunk in stream.take(event)]
        told = "".join(chunk["choices"][0]["delta"].get("reasoning", "") for chunk in chunks)
        first = next(e for e in events if isinstance(e, Piece))
        begun = "".join(
            e.text
            for e in events
            if isinstance(e, Piece) and (e.ask, e.child) == (first.ask, first.child)
        )
        assert end.answer is not None
        assert told == begun or (told.startswith(begun) and told.endswith(end.answer))
