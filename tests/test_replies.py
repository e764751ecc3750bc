"""Replies that are asked for from above: of the embedded model, of servers, and of runs that go on."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from policies.speaking_server import Body, Speaking, Turn, calling

from system2.core import Content, Finished, Format, Message, Problem, Started, Style, Tool
from system2.engine import Engine
from system2.options import Options
from system2.resuming import reopen, resume
from system2.solve import compose, finish, new_run, trace
from system2.store import read

SUM = '{"type":"object","properties":{"sum":{"type":"integer"}},"required":["sum"]}'
FORMED = Style(format=Format(SUM))
QUESTION = Problem.of("What is 12+30?")


def composed(problem: Problem = QUESTION, **options: Any) -> Engine:
    return compose(problem, Options(**options), new_run())


def ended(problem: Problem = QUESTION, **options: Any) -> tuple[Engine, Finished]:
    engine = composed(problem, **options)
    return engine, asyncio.run(engine.run())


# -------------------------------------------------------------------- the embedded model


@pytest.mark.parametrize("effort", ["none", "minimal", "medium"])
def test_the_embedded_models_answer_is_put_into_the_schema(effort: str) -> None:
    plain = ended(effort=effort, seed=1)[1]
    engine, end = ended(effort=effort, seed=1, reply=FORMED)
    assert json.loads(end.answer or "") == {"sum": int(plain.answer or "no")}
    assert end.usage.completion == plain.usage.completion  # it says again what it has said
    assert end.usage.answer == plain.usage.answer > 0
    assert end.answer == engine.shown.text


def test_its_reply_stops_where_it_should() -> None:
    for effort in ("none", "low"):
        plain = ended(effort=effort, seed=1)[1].answer or ""
        style = Style(stop=(plain[1:],))
        assert ended(effort=effort, seed=1, reply=style)[1].answer == plain[:1]


UNFIT: dict[str, tuple[Problem, Style | None, str]] = {
    "images": (
        Problem((Message.of("user", [Content("image", url="data:image/png;base64,AA")]),)), None,
        "reads text only",
    ),
    "required": (
        replace(QUESTION, tools=(Tool("f"),), tool_choice="required"), None, "calls no tools",
    ),
    "schema": (QUESTION, Style(format=Format('{"type":"array"}')), "an object with one required"),
    "object": (QUESTION, Style(format=Format()), "writes no JSON"),
    "bias": (QUESTION, Style(logit_bias=((1, 1.0),)), "logit_bias"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNFIT)
def test_what_it_cannot_do_is_refused_before_anything_is_spent(name: str) -> None:
    problem, style, word = UNFIT[name]
    with pytest.raises(ValueError, match=word):
        composed(problem, reply=style)


def test_tools_that_may_be_called_are_left_uncalled() -> None:
    problem = replace(QUESTION, tools=(Tool("calculator"),))
    assert ended(problem, effort="low")[1].answer == "42"


# -------------------------------------------------------------------- runs that go on


def test_a_resumed_run_keeps_its_tools_and_its_style() -> None:
    problem = replace(QUESTION, tools=(Tool("clock"),))
    said = [Turn(["Answer: 42"]), Turn(["no"]), Turn(['{"sum": 42}'])]

    def speak(body: Body) -> Turn:
        assert body["tools"][0]["function"]["name"] == "clock"
        return said.pop(0)

    with Speaking(speak) as server:
        options = Options(
            model=server.url, model_name="pretend", effort="low", seed=1, reply=FORMED
        )
        engine = compose(problem, options, new_run())
        engine.watchers.append(kept := trace(engine.name))
        done = finish(engine)
        assert (done.answer, len(server.bodies)) == ('{"sum": 42}', 3)
        started = next(read(kept.path))
        assert isinstance(started, Started)
        assert (started.problem, started.reply) == (engine.problem, FORMED)
        lines = kept.path.read_bytes().splitlines(keepends=True)
        last = max(n for n, line in enumerate(lines) if b'"Replied"' in line)
        kept.path.write_bytes(b"".join(lines[:last]))  # killed while the last try was written
        said.append(Turn(['{"sum": 42}']))
        again = resume(engine.name)
        assert (again.answer, len(server.bodies)) == ('{"sum": 42}', 4)
        assert again.usage.calls == 4
        with pytest.raises(ValueError, match="reply"):
            reopen(engine.name, reply=Style())


def test_calls_are_on_disk_and_not_paid_again() -> None:
    problem = replace(QUESTION, tools=(Tool("clock"),))
    with Speaking(lambda body: Turn(calling(("clock", "{}")), "tool_calls")) as server:
        options = Options(
            model=server.url, model_name="pretend", effort="low", seed=1, reply=Style()
        )
        engine = compose(problem, options, new_run())
        engine.watchers.append(kept := trace(engine.name))
        first = finish(engine)
        assert json.loads(first.answer or "") == [{"arguments": "{}", "name": "clock"}]
        end = [*read(kept.path)][-1]
        assert isinstance(end, Finished) and end.call and end.answer == first.answer
        again = reopen(engine.name)
        assert finish(again).answer == first.answer
        assert again.shown.call and len(server.bodies) == 1
