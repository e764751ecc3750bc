"""The embedded model as a policy: pieces of many tokens, each with its id; parts of a request it cannot honour."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from system2.core import Bill, CallFailed, Delta, Problem, Request, Step, Style
from system2.policies.local import LocalPolicy

POLICY = LocalPolicy(temperature=1.0)
SUM = Problem.of("347+86", effort="low")
ASK = Request(SUM, [], 3, "answer", 300, (1, 2, 3))


def hear(request: Request) -> tuple[list[Delta], Bill]:
    """Everything that one call brings."""

    async def listen() -> list[Delta | Bill]:
        return [item async for item in POLICY.stream(request)]

    *deltas, bill = asyncio.run(listen())
    assert isinstance(bill, Bill)
    return [d for d in deltas if isinstance(d, Delta)], bill


def test_every_token_has_its_id_and_its_chance() -> None:
    deltas, bill = hear(ASK)
    assert all(len(d.ids) == len(d.logprobs) == d.tokens > 0 for d in deltas)
    assert sum(d.tokens for d in deltas) == bill.usage.completion
    assert max(d.tokens for d in deltas) > 1  # many tokens at once


def test_the_text_is_that_of_the_tokens_and_steps_end_at_marks() -> None:
    tokenizer = POLICY.model.tokenizer
    deltas, _ = hear(ASK)
    for child in range(3):
        own = [d for d in deltas if d.child == child]
        ids = [id for d in own for id in d.ids]
        whole = own[-1].end == "answer"
        shown = b"".join(tokenizer.raw(id) for id in (ids[:-1] if whole else ids))
        assert "".join(d.text for d in own) == shown.decode("utf-8", "replace")
        told = False
        for d in own:
            marks = [id for id in d.ids if id in POLICY.marks]
            assert marks == ([d.ids[-1]] if d.end in ("step", "answer") else [])
            assert (d.kind == "reply") == told
            told = told or POLICY.close in d.ids
        if whole:
            assert own[-1].answer == "".join(d.text for d in own if d.kind == "reply")


def test_a_step_is_one_step() -> None:
    deltas, _ = hear(replace(ASK, until="step", n=1, seeds=(1,)))
    assert [d.end for d in deltas][-1] in ("step", "answer")
    assert not any(d.end for d in deltas[:-1])


def test_a_chain_goes_on_where_it_was_left() -> None:
    greedy = replace(ASK, n=1, seeds=(1,), style=Style(temperature=0.0))
    whole = "".join(d.text for d in hear(greedy)[0])
    first, _ = hear(replace(greedy, until="step"))
    ids = tuple(id for d in first for id in d.ids)
    begun = Step("".join(d.text for d in first), len(ids), ids=ids)
    rest, _ = hear(replace(greedy, chain=[begun]))
    assert begun.text + "".join(d.text for d in rest) == whole


@pytest.mark.parametrize(
    "odd",
    [
        {"also": ([Step("1", 1)],)},
        {"style": Style(prefix="so")},
        {"style": Style(stop=("x",))},
        {"style": Style(at=1)},
    ],
)
def test_what_it_cannot_do_it_says(odd: dict[str, Any]) -> None:
    with pytest.raises(CallFailed, match="embedded model") as caught:
        hear(replace(ASK, **odd))
    assert not caught.value.retry
