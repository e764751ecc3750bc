"""inspect-ai, the command: both APIs, with reasoning tokens in its log; a scorer that reads likelihoods and thoughts; tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clients.pages import need, ran, run
from clients.serving import Serving

need("inspect_ai", "inspect-ai")

TASKS = '''
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ContentReasoning, GenerateConfig, ResponseSchema
from inspect_ai.scorer import Score, accuracy, match, mean, scorer
from inspect_ai.solver import TaskState, generate, use_tools
from inspect_ai.tool import tool
from inspect_ai.util import json_schema
from pydantic import BaseModel


class Place(BaseModel):
    city: str
    people: int


@scorer(metrics=[mean()])
def sure():
    async def score(state: TaskState, target):
        (choice,) = state.output.choices
        told = choice.logprobs.content
        text = "".join(token.token for token in told)
        assert text.strip() == state.output.completion.strip() == target.text
        assert all(token.logprob <= 0 for token in told)
        return Score(value=float(len(told)), answer=text)

    return score


@scorer(metrics=[accuracy()])
def thought():
    async def score(state: TaskState, target):
        content = state.output.choices[0].message.content
        thoughts = [] if isinstance(content, str) else [one for one in content if isinstance(one, ContentReasoning)]
        return Score(value="C" if thoughts and state.output.completion == target.text else "I")

    return score


@task
def likely():
    samples = [Sample(input="What is 17 * 23?", target="391")]
    return Task(dataset=samples, solver=generate(), scorer=sure(), config=GenerateConfig(logprobs=True, top_logprobs=2))


@task
def thinks():
    return Task(dataset=[Sample(input="What is 17 * 23?", target="391")], solver=generate(), scorer=thought())


@tool
def weather():
    async def execute(city: str):
        """How the weather is.

        Args:
            city: Where.
        """
        return f"Rain in {city}."

    return execute


@task
def asks():
    samples = [Sample(input="How is the weather in Paris?", target="Rain in Paris.")]
    return Task(dataset=samples, solver=[use_tools(weather()), generate()], scorer=match())


@task
def fills():
    form = ResponseSchema(name="place", json_schema=json_schema(Place))
    samples = [Sample(input="Where?", target='"Paris"')]
    return Task(dataset=samples, solver=generate(), scorer=match("any"), config=GenerateConfig(response_schema=form))
'''
APIS = pytest.mark.parametrize(
    "api", ["", "-M responses_api=true --reasoning-summary auto"], ids=["chat", "responses"]
)


def told(serving: Serving, folder: Path, task: str, model: str, words: str = "") -> Any:
    """The log of one task."""
    (folder / "tasks.py").write_text(TASKS)
    asked = f"inspect eval tasks.py@{task} --model openai-api/sys2/{model} {words} --log-dir log --log-format json"
    env = f"export SYS2_BASE_URL={serving.url} SYS2_API_KEY=sk-local\n"
    ran(["bash", "-e", "-c", env + asked], folder)
    (path,) = (folder / "log").glob("*.json")
    log = json.loads(path.read_text("utf-8"))
    assert log["status"] == "success", log.get("error")
    return log


def value(log: Any, metric: str) -> float:
    """A metric of its only scorer."""
    (score,) = log["results"]["scores"]
    return score["metrics"][metric]["value"]


def test_a_scorer_reads_how_likely_the_answer_was(serving: Serving, tmp_path: Path):
    assert value(told(serving, tmp_path, "likely", "tooled"), "mean") >= 1.0


@APIS
def test_a_scorer_reads_the_thoughts(serving: Serving, tmp_path: Path, api: str):
    assert value(told(serving, tmp_path, "thinks", "system2-mini", api), "accuracy") == 1.0


@APIS
def test_tools(serving: Serving, tmp_path: Path, api: str):
    log = told(serving, tmp_path, "asks", "tooled", api)
    assert value(log, "accuracy") == 1.0
    (sample,) = log["samples"]
    calls = [call for m in sample["messages"] for call in m.get("tool_calls") or ()]
    assert [(call["function"], call["arguments"]) for call in calls] == [
        ("weather", {"city": "Paris"})
    ]


@APIS
def test_a_schema(serving: Serving, tmp_path: Path, api: str):
    assert value(told(serving, tmp_path, "fills", "tooled", api), "accuracy") == 1.0


def test_the_page(serving: Serving, tmp_path: Path):
    run("inspect-ai.md", serving, tmp_path)
    for folder in ("chat", "responses"):
        (log,) = (tmp_path / folder).glob("*.json")
        told = json.loads(log.read_text("utf-8"))
        assert told["status"] == "success"
        (score,) = told["results"]["scores"]
        assert score["metrics"]["accuracy"]["value"] == 1.0
        (usage,) = told["stats"]["model_usage"].values()
        assert 0 < usage["reasoning_tokens"] < usage["output_tokens"]
