"""What users are told: of fields that are not read, of searches without an answer, of steps with one."""

from __future__ import annotations

import argparse

import pytest

from system2.cli.main import parser
from system2.cli.serve import models_of
from system2.core import Finished, Node, Step, Usage
from system2.server.errors import ApiError
from system2.server.wire.chat_request import ChatRequest
from system2.server.wire.check import checked
from system2.server.wire.outcome import outcome
from system2.server.wire.steps import readable

ASKED = {"model": "m", "messages": [{"role": "user", "content": "?"}]}


@pytest.mark.parametrize(
    ("own", "param"),
    [
        ({"bugdet": {"tokens": 100}}, "system2.bugdet"),
        ({"budget": {"tokns": 100}}, "system2.budget.tokns"),
        ({"strategy": "mcts"}, "system2.strategy"),
    ],
)
def test_a_misspelt_budget_is_not_spent(own: object, param: str):
    with pytest.raises(ApiError) as caught:
        checked(ChatRequest, {**ASKED, "system2": own})
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", param)
    checked(ChatRequest, {**ASKED, "somebody_elses": 1})  # others' fields are as they were


@pytest.mark.parametrize(
    ("score", "answer", "why", "told"),
    [
        (0.0, "21", "complete", "refuted"),
        (None, None, "complete", "no_answer"),
        (None, None, "budget", "budget"),
    ],
)
def test_no_answer_is_not_called_answered(
    score: float | None, answer: str | None, why: str, told: str
):
    node = Node(1, None, Step("so 21", 2, answer=answer, final=True), score)
    end = Finished(1, answer, why, 1, Usage(), {}, None, 0.1)
    one = outcome(end, node, stop=(), whole=False, tag="x")
    assert (one.text, one.finish, one.why) == ("", "length", told)


def test_an_answer_stands_apart_from_its_thoughts():
    assert readable("<step>4+5=9 so 9</think>9") == "4+5=9 so 9\n\n9"


def test_a_configuration_is_not_mixed_with_options_of_one_model():
    words = ["serve", "--config", "models.toml", "--effort", "high", "--thoughts", "raw"]
    given: argparse.Namespace = parser().parse_args(words)
    with pytest.raises(ValueError, match="--config and --effort, --thoughts"):
        models_of(given)
