"""The visible answer: as long as it may be, in the language of who asks, a refusal where it is one, and why there is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clients.asking import JSON, Answer, ask
from clients.serving import Serving
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from policies.speaking_server import Speaking, Turn
from server.live import ASKED, CHAT, RESPONSES, live

from system2.core import Noted, Price
from system2.server.wire.chat_reply import ChatStream, Head
from system2.server.wire.declined import CHINESE, ENGLISH

CONFIG = """
[[model]]
name = "mini"
effort = "low"
[[model]]
name = "chinese"
effort = "low"
language = "zh-CN"
"""
LONG = "Sort these numbers: 9, 4, 7, 1, 8, 3"
OUTSIDE = "Who wrote Faust?"
ONE = {"type": "object", "properties": {"author": {"type": "string"}}, "required": ["author"]}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": ONE}}
FLAT = {"format": {"type": "json_schema", "name": "x", "schema": ONE}}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("visible"), CONFIG) as serving:
        yield serving
    assert not serving.faults()


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def asked(serving: Serving, question: str, *headers: tuple[str, str], **fields: Any) -> Answer:
    body = {"model": "mini", "messages": [{"role": "user", "content": question}], **fields}
    return ask(serving, "POST", CHAT, json.dumps(body).encode(), [*JSON, *headers])


def responded(serving: Serving, question: str, **fields: Any) -> Answer:
    body = {"model": "mini", "input": question, **fields}
    return ask(serving, "POST", RESPONSES, json.dumps(body).encode())


def events(answer: Answer) -> list[dict[str, Any]]:
    lines = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def visible(usage: dict[str, Any]) -> int:
    return usage["completion_tokens"] - usage["completion_tokens_details"]["reasoning_tokens"]


# -------------------------------------------------------------------- how long it may be


@pytest.mark.parametrize("effort", ["none", "low", "medium"])
def test_max_tokens_cuts_the_embedded_models_answer(serving: Serving, effort: str):
    whole = asked(serving, LONG, reasoning_effort=effort, seed=2).json
    text = whole["choices"][0]["message"]["content"]
    assert whole["choices"][0]["finish_reason"] == "stop"
    tokens = visible(whole["usage"])
    assert tokens > 6
    for limit in (1, 4, tokens - 1, tokens, 500):
        cut = asked(serving, LONG, reasoning_effort=effort, max_tokens=limit, seed=2).json
        (choice,) = cut["choices"]
        assert text.startswith(choice["message"]["content"])
        assert visible(cut["usage"]) <= limit
        fits = choice["message"]["content"] == text
        assert (choice["finish_reason"] == "stop") is fits or limit == tokens - 1
        assert fits is (limit >= tokens - 1)  # the token that ends it says nothing
        assert cut["usage"]["completion_tokens"] <= whole["usage"]["completion_tokens"]
        assert cut["system2"]["stop_reason"] == whole["system2"]["stop_reason"]


def test_a_cut_answer_is_streamed_as_it_is_told(serving: Serving):
    whole = asked(serving, LONG, max_tokens=3, seed=1).json["choices"][0]
    chunks = events(asked(serving, LONG, max_tokens=3, seed=1, stream=True))
    said = "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )
    assert said == whole["message"]["content"] != ""
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["finish_reason"] == "length"


@pytest.mark.parametrize("most", [1, 3, 40, 120])
def test_a_cap_on_everything_holds(serving: Serving, most: int):
    for fields in (
        {"max_completion_tokens": most},
        {"max_completion_tokens": most, "max_tokens": 4},
    ):
        told = asked(serving, LONG, **fields).json
        assert told["usage"]["completion_tokens"] <= most
        if not told["choices"][0]["message"]["content"]:
            assert told["choices"][0]["finish_reason"] == "length"
            assert told["system2"]["stop_reason"] == "token_budget"
    other = responded(serving, LONG, max_output_tokens=most).json
    assert other["usage"]["output_tokens"] <= most


# -------------------------------------------------------------------- that it is a refusal


def test_a_refusal_is_told_in_the_language_of_who_asks(serving: Serving):
    def said(*headers: tuple[str, str], **fields: Any) -> str:
        return asked(serving, OUTSIDE, *headers, **fields).json["choices"][0]["message"]["content"]

    chinese = ("Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8")
    assert said() == said(("Accept-Language", "de")) == ENGLISH
    assert (
        said(chinese)
        == said(system2={"summary_language": "zh"})
        == said(model="chinese")
        == CHINESE
    )
    assert said(chinese, system2={"summary_language": "en"}) == ENGLISH
    assert said(max_tokens=16) == ENGLISH  # one token says all of it
    assert "--model" not in ENGLISH + CHINESE
    body = responded(serving, OUTSIDE, system2={"summary_language": "zh"}).json
    assert body["output"][-1]["content"][0]["text"] == CHINESE


@pytest.mark.parametrize("effort", ["none", "low"])
def test_a_refusal_of_the_embedded_model_is_no_json(serving: Serving, effort: str):
    (choice,) = asked(serving, OUTSIDE, response_format=FORM, reasoning_effort=effort).json[
        "choices"
    ]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] is None and choice["message"]["refusal"] == ENGLISH
    chunks = events(
        asked(serving, OUTSIDE, response_format=FORM, reasoning_effort=effort, stream=True)
    )
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("refusal") or "" for delta in deltas) == ENGLISH
    assert not any(delta.get("content") for delta in deltas)
    fitting = asked(serving, "What is 17 * 23?", response_format=FORM).json["choices"][0]["message"]
    assert json.loads(fitting["content"]) == {"author": "391"} and fitting["refusal"] is None


def test_a_refusal_is_a_part_of_a_response(serving: Serving):
    body = responded(serving, OUTSIDE, text=FLAT).json
    assert body["status"] == "completed"
    assert body["output"][-1]["content"] == [{"type": "refusal", "refusal": ENGLISH}]
    assert body["system2"]["stop_reason"] == "refusal"
    told = events(responded(serving, OUTSIDE, text=FLAT, stream=True))
    names = [one["type"] for one in told]
    at = names.index("response.content_part.added")
    assert names[at : at + 5] == [
        "response.content_part.added",
        "response.refusal.delta",
        "response.refusal.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    assert [one["sequence_number"] for one in told] == list(range(len(told)))
    assert told[at]["part"] == {"type": "refusal", "refusal": ""}
    assert told[at + 1]["delta"] == told[at + 2]["refusal"] == ENGLISH
    assert told[-1]["response"]["output"][-1] == told[at + 4]["item"]


@pytest.mark.parametrize(("path", "body"), ASKED)
def test_a_backends_refusal_of_a_form_is_passed_on(path: str, body: Any, tmp_path: Path):
    sorry = "I'm sorry, I can't help with that."

    def speak(given: dict[str, Any]) -> Turn:
        if "response_format" in given:
            return Turn([{"refusal": sorry[:9]}, {"refusal": sorry[9:]}])
        return Turn(["I think about it.\n\nAnswer: Goethe"])

    async def main(backend: Speaking) -> Any:
        async with live(tmp_path, backend) as one:
            form = {"response_format": FORM} if path == CHAT else {"text": FLAT}
            return (await one.ask(path, body(False, OUTSIDE, **form))).json()

    with Speaking(speak) as backend:
        told = asyncio.run(main(backend))
        assert len([given for given in backend.bodies if "response_format" in given]) == 1
    if path == CHAT:
        (choice,) = told["choices"]
        assert (choice["finish_reason"], choice["message"]["content"]) == ("stop", None)
        assert choice["message"]["refusal"] == sorry
    else:
        assert told["output"][-1]["content"] == [{"type": "refusal", "refusal": sorry}]


# -------------------------------------------------------------------- why there is no more


@pytest.mark.parametrize(("path", "body"), ASKED)
def test_dollars_that_ran_out_are_named(path: str, body: Any, tmp_path: Path):
    async def main(backend: Backend) -> None:
        price = Price(Decimal(2), Decimal(800))
        async with live(tmp_path, backend, price=price) as one:
            for dollars, samples in ((0.004, 1), (0.02, 64)):
                own = {"samples": samples, "budget": {"usd": dollars}}
                reply = (await one.ask(path, body(False, system2=own))).json()
                assert reply["system2"]["stop_reason"] == "cost_budget", reply
                assert reply["system2"]["cost"]["usd"] <= dollars
                run = (await one.ask(f"/v1/system2/runs/{reply['system2']['run_id']}")).json()
                assert run["why"] == run["system2"]["stop_reason"] == "cost_budget"
                assert type(run["cost_usd"]) is float
            own = {"samples": 64, "budget": {"tokens": 40}}
            reply = (await one.ask(path, body(False, system2=own))).json()
            assert reply["system2"]["stop_reason"] == "token_budget"

    with Backend(Manners(paragraphs=12)) as backend:
        asyncio.run(main(backend))


# -------------------------------------------------------------------- summaries


def test_streamed_summaries_are_told_as_whole_ones_are():
    """As `reasoning_content` of the whole reply: a blank line between two, and none after the last."""
    stream = ChatStream(Head("c", 1, "m"), 0, "summary", False, False, False, lambda n: None)  # type: ignore
    notes = [Noted(1, n, f"**Note {n}**\n\nSo it is.", "summary", "step", "") for n in range(3)]
    streamed = "".join(
        chunk["choices"][0]["delta"]["reasoning_content"]
        for note in notes
        for chunk in stream.take(note)
    )
    assert streamed == "\n\n".join(note.text for note in notes)


def test_where_an_effort_is_greedy_it_answers_the_same_twice(serving: Serving):
    """Also where another request, which names none, had its policy made first."""
    for effort in ("none", "low"):
        said = {
            asked(serving, LONG, reasoning_effort=effort).json["choices"][0]["message"]["content"]
            for _ in range(4)
        }
        assert len(said) == 1


def test_nothing_is_sent_of_a_refusal_but_itself():
    stream = ChatStream(Head("c", 1, "m"), 0, "none", False, False, False, lambda n: None)  # type: ignore
    from system2.server.wire.outcome import Outcome

    first, last = stream.close(Outcome("no", "stop", "refusal", refusal=True), ())
    assert first["choices"][0]["delta"] == {"refusal": "no"}
    assert last["choices"][0]["finish_reason"] == "stop"
