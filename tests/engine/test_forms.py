"""What is shown in the end: calls, replies in a style, JSON that fits; through a real server, and after a stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine.fakes import asks, drive, faults, settled
from policies.speaking_server import Body, Refusal, Speaking, Turn, calling

from system2.core import (
    Budget,
    Event,
    Finished,
    Format,
    Message,
    Meter,
    Piece,
    Policy,
    Problem,
    Replied,
    Started,
    Strategy,
    Style,
    Tool,
    ToolCall,
)  # fmt: skip
from system2.effort import EFFORTS, checked_or_voted, strategy_of, unrefuted
from system2.engine import Engine, Recall
from system2.engine.reply import TRIES
from system2.policies.chat import Chat
from system2.policies.replay import ReplayPolicy
from system2.policies.toolcalls import canonical
from system2.search import best_of, direct, majority
from system2.store import Trace, decode, encode, read
from system2.verifiers import Expressions, exact, json_form

TOOLED = Problem.of("What time is it?")
TOOLED = replace(TOOLED, tools=(Tool("clock"), Tool("sun", "up?", '{"type":"object"}')))
CLOCK = canonical([("clock", "{}")])
SUM = Format('{"type":"object","properties":{"sum":{"type":"integer"}},"required":["sum"]}')
FORMED = Style(format=SUM)
PATIENT = 120.0
Speak = Callable[[Body], Turn | list[Turn] | Refusal]


def run(
    speak: Speak,
    strategy: Strategy,
    *,
    problem: Problem = TOOLED,
    policy: Policy | None = None,
    budget: Budget | None = None,
    recall: Recall | None = None,
    trace: Trace | None = None,
    **options: Any,
) -> tuple[Engine, Finished, list[Event], list[Body]]:
    """A whole run against a server; what it was asked."""
    with Speaking(speak) as server:
        chat = policy or Chat("pretend", base_url=server.url, can_n=False)
        meter = Meter(budget or Budget())
        if style := options.get("reply"):
            options["form"] = json_form(style.format, seconds=PATIENT) if style.format else None
        engine = Engine(problem, strategy, chat, meter, seed=3, recall=recall, **options)
        if trace:
            engine.watchers.append(trace)
        end, events = drive(engine)
        assert settled(meter)
        return engine, end, events, server.bodies


def turns(*said: Turn | str) -> Speak:
    """One after another; the last again and again."""
    left = [Turn([one]) if isinstance(one, str) else one for one in said]
    return lambda body: left.pop(0) if len(left) > 1 else left[0]


def call(*names: str, lead: str = "") -> Turn:
    return Turn([*([lead] if lead else []), *calling(*((n, "{ }") for n in names))], "tool_calls")


# ------------------------------------------------------------------ calls


def test_equal_calls_vote_together_whatever_led_to_them() -> None:
    speak = turns(
        call("sun", lead="Is it day?"),
        call("clock", lead="I look."),
        call("clock"),
        "Answer: noon",
        call("clock", lead="Hm."),
    )
    strategy = best_of(5, choose=checked_or_voted)
    engine, end, events, bodies = run(speak, strategy, reply=Style(), verifier=exact("night"))
    assert (end.answer, end.call, len(bodies)) == (CLOCK, True, 5)  # and no reply was asked for
    assert not any(ask.until == "reply" for ask in asks(events))
    chosen = engine.tree.nodes[end.node or 0]
    assert chosen.step and (chosen.step.kind, chosen.step.final) == ("call", True)
    assert end.usage.answer == chosen.step.told > 0
    votes = [unrefuted(node) for node in engine.tree.finals]
    assert votes.count(("call", CLOCK)) == 3 and len(set(votes)) == 3


def test_verifiers_leave_calls_unscored() -> None:
    engine, end, _, _ = run(
        turns(call("clock"), "Answer: 7"), best_of(2, choose=checked_or_voted), verifier=exact("7")
    )
    assert {node.answer: node.score for node in engine.tree.finals} == {CLOCK: None, "7": 1.0}
    assert (end.answer, end.call) == ("7", False)


def test_a_text_that_reads_like_a_call_is_none() -> None:
    speak = turns(f"Answer: {CLOCK}", call("clock"), call("clock"))
    engine, end, _, _ = run(speak, best_of(3, choose=majority))
    assert end.call and sorted(node.count for node in engine.tree.finals) == [1, 2, 2]
    votes = {unrefuted(node) for node in engine.tree.finals}
    assert len(votes) == 2


def test_merged_calls_count_and_their_text_holds_no_thought() -> None:
    engine, _, _, _ = run(turns(call("clock"), Turn(["\n", *call("clock").pieces])), best_of(2))
    assert [node.count for node in engine.tree.finals] == [2, 2]
    assert engine.tree.finals[0].step and engine.tree.finals[0].step.text == CLOCK


def test_pieces_of_calls_are_not_shown_as_text() -> None:
    _, _, events, _ = run(turns(call("clock", lead="I look.")), best_of(1))
    assert "".join(e.text for e in events if isinstance(e, Piece)) == "I look."


def test_with_a_result_the_question_is_answered() -> None:
    told = (
        *TOOLED.messages,
        Message("assistant", "", calls=(ToolCall("c1", "clock", "{}"),)),
        Message("tool", "12:00", call_id="c1"),
    )

    def speak(body: Body) -> Turn:
        results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
        return Turn([f"Answer: {results[0]}"])

    _, end, _, _ = run(speak, best_of(1), problem=replace(TOOLED, messages=told))
    assert end.answer == "12:00"


def test_at_no_effort_a_call_is_the_reply() -> None:
    _, end, _, bodies = run(
        turns(call("clock", lead="I look.")), strategy_of(EFFORTS["none"]), reply=Style()
    )
    assert (end.answer, end.call, end.samples, len(bodies)) == (CLOCK, True, 0, 1)


def test_a_call_that_is_forbidden_is_none() -> None:
    problem = replace(TOOLED, tool_choice="none")
    engine, end, _, _ = run(turns(call("clock", lead="Answer: 1")), best_of(1), problem=problem)
    assert (end.answer, end.call) == ("1", False)
    assert end.usage.completion == engine.meter.usage.completion == 3
    _, end, _, _ = run(turns("Answer: 1", call("clock")), best_of(1), reply=Style())
    assert (end.answer, end.call) == ("1", False)


def test_where_a_call_is_required_the_reply_makes_it() -> None:
    problem = replace(TOOLED, tool_choice="required")
    _, end, _, bodies = run(
        turns("Answer: noon", call("sun")), best_of(1), problem=problem, reply=Style()
    )
    assert (end.answer, end.call) == (canonical([("sun", "{}")]), True)
    assert [body["tool_choice"] for body in bodies] == ["required", "required"]


# ------------------------------------------------------------------ JSON


def test_a_reply_that_fits_is_shown_without_its_fence() -> None:
    speak = turns("Answer: 2", '```json\n{"sum": 2}\n```')
    _, end, _, bodies = run(speak, best_of(1), reply=FORMED)
    assert (end.answer, end.why) == ('{"sum": 2}', "complete")
    assert ["response_format" in body for body in bodies] == [False, True]  # thoughts are free


def test_a_reply_that_does_not_is_asked_for_again_with_the_complaint() -> None:
    speak = turns("Answer: 2", '{"sum": "two"}', '{"sum"', '{"sum": 2}')
    _, end, events, bodies = run(speak, best_of(1), reply=FORMED)
    assert end.answer == '{"sum": 2}' and len(bodies) == 4
    assert "'two' is not of type 'integer' (at $.sum)" in bodies[2]["messages"][-1]["content"]
    assert "it is not JSON" in bodies[3]["messages"][-1]["content"]
    told = [fault.error for fault in faults(events)]
    assert len(told) == 2 and all("the reply is not what was asked for" in one for one in told)
    assert end.usage.answer == 1  # what was not shown is reasoning
    assert end.usage.completion == 4


def test_what_never_fits_is_taken_from_the_search() -> None:
    speak = turns("Answer: dunno", 'So.\n\nAnswer: {"sum": 3}', "no", "no", "no")
    _, end, events, bodies = run(speak, best_of(2), reply=FORMED)
    assert (end.answer, len(bodies)) == ('{"sum": 3}', 2 + TRIES)
    speak = turns("Answer: 42", "no")  # a plain answer has one place in it
    assert run(speak, best_of(1), reply=FORMED)[1].answer == '{"sum": 42}'
    speak = turns("Answer: dunno", "no")
    _, end, events, _ = run(speak, best_of(1), reply=FORMED)
    assert (end.answer, end.why, end.node) == (None, "complete", 1)
    assert faults(events)[-1].error == "no answer of the search is what was asked for either"


def test_a_refuted_answer_is_not_shown() -> None:
    problem = Problem.of("Use 1, 2 to make 3.")
    style = Style(
        format=Format('{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}')
    )
    speak = turns("Answer: 1*2", "no")
    _, end, _, _ = run(
        speak, best_of(1), problem=problem, reply=style, verifier=Expressions(refutes=True)
    )
    assert end.answer is None


def test_at_no_effort_the_reply_has_to_fit_too() -> None:
    speak = turns("two", '{"sum": 2}')
    strategy = strategy_of(EFFORTS["none"], reply=FORMED)
    _, end, events, bodies = run(speak, strategy, reply=FORMED)
    assert (end.answer, len(bodies)) == ('{"sum": 2}', 2)
    assert all("response_format" in body for body in bodies)
    assert [ask.node for ask in asks(events)] == [0, 0]
    assert "<notes>" not in bodies[1]["messages"][-1]["content"]


def test_without_budget_for_a_second_try_the_search_is_looked_at() -> None:
    budget = Budget(tokens=2, per_call=1, reserve=1)
    _, end, events, bodies = run(turns("Answer: 5", "no"), best_of(1), reply=FORMED, budget=budget)
    assert (end.answer, len(bodies)) == ('{"sum": 5}', 2)
    assert "no budget is left for the reply" in [fault.error for fault in faults(events)]


def test_a_hostile_schema_costs_a_deadline_and_no_answer() -> None:
    hostile = {"type": "object", "properties": {"a": {"pattern": "^(a+)+$"}}}
    text = json.dumps({"a": "a" * 64 + "!"})
    form = json_form(Format(json.dumps(hostile)), seconds=0.3)
    asyncio.run(json_form(Format(), seconds=PATIENT).fit("{}"))  # the child is up
    with Speaking(turns("Answer: 1", text)) as server:
        engine = Engine(
            TOOLED, best_of(1), Chat("pretend", base_url=server.url), Meter(), seed=1,
            reply=Style(format=Format(json.dumps(hostile))), form=form,
        )  # fmt: skip
        end, events = drive(engine)
        assert end.answer is None and len(server.bodies) == 2
        assert "could not be told in 0.3 seconds" in faults(events)[-1].error


# ------------------------------------------------------------------ cut replies


@pytest.mark.parametrize("strategy", ["direct", "best_of"])
def test_a_reply_cut_by_its_limit_is_shown_as_far_as_it_came(strategy: str) -> None:
    style = Style(limit=2)
    long = Turn(["one", " two", " three", " four"])
    plan = direct(style) if strategy == "direct" else best_of(1)
    speak = turns(long) if strategy == "direct" else turns("Answer: 1", long)
    _, end, _, _ = run(speak, plan, reply=style)
    assert (end.answer, end.cut, end.usage.answer) == ("one two", "limit", 2)


def test_a_reply_cut_by_the_server_and_one_that_broke() -> None:
    cut = Turn(["one", " two"], "length")
    _, end, _, _ = run(turns("Answer: 1", cut), best_of(1), reply=FORMED)
    assert (end.answer, end.cut) == ("one two", "limit")  # as OpenAI: half a JSON, and told so
    _, end, _, _ = run(
        turns("Answer: 1", Turn(["one"], "content_filter")), best_of(1), reply=Style()
    )
    assert (end.answer, end.cut) == ("one", "filter")
    left = [Turn(["Answer: 1"]), Refusal("no", status=400)]
    _, end, events, _ = run(lambda body: left.pop(0), best_of(1), reply=Style())
    assert (end.answer, end.cut) == ("1", "") and faults(events)


def test_a_reply_cut_in_its_thoughts_has_no_text() -> None:
    _, end, _, _ = run(
        turns(Turn([{"reasoning_content": "hm"}] * 3, "length")), direct(), reply=Style()
    )
    assert (end.answer, end.cut, end.usage.answer) == (None, "limit", 0)


def test_thoughts_before_a_reply_are_not_shown() -> None:
    turn = Turn([{"reasoning_content": "secret"}, "Two."], odds=True)
    engine, end, events, _ = run(turns("Answer: 2", turn), best_of(1), reply=Style(top_logprobs=1))
    assert (end.answer, end.usage.answer) == ("Two.", 1)
    assert engine.shown.step and [token.text for token in engine.shown.step.spelt] == ["Two."]
    told = [e for e in events if isinstance(e, Piece) and e.reply and e.ask == 2]
    assert [(p.text, [t.text for t in p.spelt]) for p in told if p.text] == [("Two.", ["Two."])]


def test_what_a_reply_cost_is_what_the_server_says() -> None:
    counts = {"completion_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 33}}
    _, end, _, _ = run(
        turns("Answer: 2", Turn(["Two ", "it is."], counts=counts)), best_of(1), reply=Style()
    )
    assert (end.usage.answer, end.usage.completion) == (7, 41)


# ------------------------------------------------------------------ going on


RUNS: dict[str, tuple[tuple[Turn | str, ...], Strategy, Style]] = {
    "calls": ((call("clock", lead="I look."), "Answer: 1", call("clock")), best_of(3, choose=majority), Style()),
    "formed": (("Answer: 2", "no", '{"sum": "two"}', '{"sum": 2}'), best_of(1), FORMED),
    "never": (("Answer: dunno", "no", "no", "no"), best_of(1), FORMED),
    "cut": (("Answer: 1", Turn(["one", " two", " three"])), best_of(1), Style(limit=2)),
    "direct": (("two", '{"sum": 2}'), direct(FORMED), FORMED),
    "required": (("Answer: 2", call("sun")), best_of(1), Style(temperature=0.5)),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_goes_on_pays_for_nothing_twice(name: str, tmp_path: Path) -> None:
    said, strategy, style = RUNS[name]
    problem = replace(TOOLED, tool_choice="required") if name == "required" else TOOLED
    trace = Trace("r", tmp_path)
    _, end, events, bodies = run(turns(*said), strategy, problem=problem, reply=style, trace=trace)
    assert list(read(trace.path)) == [event for event in events if not isinstance(event, Piece)]
    kept = [n for n, event in enumerate(events) if isinstance(event, Replied)]
    assert len(kept) == len(bodies) == len(said)
    for number, at in enumerate(kept, 1):
        recall = Recall(events[: at + 1])
        left = said[number:] or ("never asked",)
        _, again, _, more = run(turns(*left), strategy, problem=problem, reply=style, recall=recall)
        assert len(more) == len(said) - number
        assert (again.answer, again.call, again.cut) == (end.answer, end.call, end.cut)
        assert again.usage.completion == end.usage.completion


def test_a_recorded_call_is_replayed_as_one() -> None:
    engine, _, events, _ = run(turns(call("clock", lead="I look.")), best_of(1))
    again = run(turns("no"), best_of(1), policy=ReplayPolicy(events))
    assert (again[1].answer, again[1].call, again[3]) == (CLOCK, True, [])
    assert again[0].tree.finals[0].step == replace(engine.tree.finals[0].step, state=None)  # type: ignore[type-var]


def test_lines_from_before_there_were_tools_are_read_and_written_as_they_were() -> None:
    lines = (
        '{"event":"Started","version":"2","run":"r","problem":{"messages":[{"role":"user","text":"1+1"}],'
        '"effort":"low"},"seed":7,"ordered":true,"settings":{"effort":"low"}}',
        '{"event":"Asked","ask":1,"node":0,"n":1,"until":"reply","style":{"prompt":"p"}}',
        '{"event":"Replied","ask":1,"call":1,"role":"policy","children":[0],'
        '"chains":[[0,[{"text":"2","tokens":1,"kind":"reply","answer":"2","told":1}]]]}',
        '{"event":"Finished","node":1,"answer":"2","why":"complete","samples":0,"usage":{"prompt":0,'
        '"cached":0,"reasoning":0,"answer":1,"aborted":0,"failed":0,"unseen":0,"overrun":0,"calls":1},'
        '"roles":{},"seconds":0.5}',
    )
    for line in lines:
        assert json.loads(encode(decode(line))).items() >= json.loads(line).items()
    started, _, _, end = map(decode, lines)
    assert isinstance(started, Started) and (started.problem.tools, started.reply) == ((), None)
    assert isinstance(end, Finished) and (end.call, end.cut) == (False, "")


def test_the_names_of_old_traces_stand() -> None:
    """Judges' calls are found by a digest of the problem: it is what it was before there were tools."""
    assert repr(Problem.of("1+1", system="s")) == (
        "Problem(messages=(Message(role='system', text='s'), Message(role='user', text='1+1')), "
        "effort=None, given=None)"
    )
    assert repr(Style("p")) == "Style(prompt='p', prefix='', temperature=None, stop=(), at=None)"
    assert repr(TOOLED) != repr(replace(TOOLED, tools=())) and "limit=3" in repr(Style(limit=3))
