"""The embedded model as a policy: pieces of many tokens, each with its id; parts of a request it cannot honour."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from system2 import think
from system2.core import Bill, CallFailed, Delta, Problem, Request, Step, Style
from system2.engine.writing import joined
from system2.policies.local import LocalPolicy
from system2.search import forking

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


def test_a_fork_keeps_what_stood_before_it() -> None:
    """At temperature 0 a fork anywhere writes the same again, and pays for no more than the rest."""
    greedy = replace(ASK, n=2, seeds=(1, 2), style=Style(temperature=0.0), until="step")
    first = [d for d in hear(greedy)[0] if d.child == 0]
    step = joined(first)
    assert len(step.ids) == step.tokens > 4 and step.sampled == ()
    for at in (0, 1, len(step.ids) - 1):
        fork = replace(greedy, chain=[step], style=Style(temperature=0.0, at=at))
        deltas, bill = hear(fork)
        for child in range(2):
            again = joined([d for d in deltas if d.child == child])
            assert (again.text, again.ids, again.logprobs) == (step.text, step.ids, step.logprobs)
            assert again.tokens == step.tokens - at
            assert (again.sampled or (True,) * len(step.ids)) == (False,) * at + (
                True,
            ) * again.tokens
        assert bill.usage.completion == 2 * (step.tokens - at)
        assert bill.usage.prompt == POLICY.prompt_bound(fork) == POLICY.prompt_bound(greedy) + at
    with pytest.raises(CallFailed, match="cannot fork at token"):
        hear(replace(fork, style=Style(at=len(step.ids))))


def test_a_fork_inside_the_answer() -> None:
    greedy = replace(ASK, n=1, seeds=(1,), style=Style(temperature=0.0))
    pieces, steps = list[Delta](), list[Step]()
    for delta in hear(greedy)[0]:
        pieces.append(delta)
        if delta.end:
            steps.append(joined(pieces))
            pieces = []
    last = steps[-1]
    assert last.final and last.answer and POLICY.close in last.ids
    for at in range(len(last.ids)):
        fork = replace(greedy, chain=steps, style=Style(temperature=0.0, at=at))
        again = joined(hear(fork)[0])
        assert (again.text, again.ids, again.answer) == (last.text, last.ids, last.answer)


def test_lines_part_where_the_model_was_unsure() -> None:
    found = think("Use 3, 7, 11, 12 to make 45", strategy=forking(12, 3), seed=4, trace=False)
    tree = found.tree
    cut = [n for n in tree.nodes[1:] if n.step and n.step.cut]
    assert len(tree.finals) + len(cut) == 12
    assert sum(n.step.tokens for n in tree.nodes[1:] if n.step) <= found.usage.completion
    forks = [n for n in tree.nodes[1:] if n.step and n.step.sampled]
    assert forks
    for node in forks:
        assert node.step and node.parent
        kept = node.step.sampled.index(True)
        assert not any(node.step.sampled[:kept]) and all(node.step.sampled[kept:])
        others = [n.step.ids for n in node.parent.children if n is not node and n.step]
        assert any(ids[:kept] == node.step.ids[:kept] and len(ids) > kept for ids in others)
    again = think("Use 3, 7, 11, 12 to make 45", strategy=forking(12, 3), seed=4, trace=False)
    assert [n.step for n in again.tree.nodes] == [n.step for n in tree.nodes]


def test_a_fork_of_a_reply_keeps_the_whole_answer() -> None:
    plain = replace(ASK, problem=replace(SUM, effort="none"), n=1, seeds=(1,))
    plain = replace(plain, style=Style(temperature=0.0))
    step = joined(hear(plain)[0])
    assert step.answer and len(step.ids) > 2
    for at in range(len(step.ids)):
        fork = replace(plain, chain=[step], style=Style(temperature=0.0, at=at))
        assert joined(hear(fork)[0]).answer == step.answer
