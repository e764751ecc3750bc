"""simonw/llm, the command: chat and Responses, whole and streamed, with tools and with a schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from clients.pages import need, ran, run
from clients.serving import Serving

need("llm", "llm")

MODEL = """
- model_id: {id}
  model_name: tooled
  api_base: {url}
  api_key_name: system2
  reasoning: true
  supports_schema: true
  supports_tools: true
  responses: {responses}
"""


@pytest.fixture
def folder(serving: Serving, tmp_path: Path) -> Path:
    """Where llm finds its models."""
    told = [
        MODEL.format(id=id, url=serving.url, responses=responses)
        for id, responses in (("chat", "false"), ("responses", "true"))
    ]
    (tmp_path / "extra-openai-models.yaml").write_text("".join(told))
    return tmp_path


@pytest.mark.parametrize("model", ["chat", "responses"])
def test_a_schema(folder: Path, model: str):
    command = ["llm", "-m", model, "--key", "sk-local", "--schema", "city, people int", "Where?"]
    assert json.loads(ran(command, folder)) == {"city": "Paris", "people": 4}


@pytest.mark.parametrize("model", ["chat", "responses"])
def test_tools(folder: Path, model: str):
    code = (
        "def weather(city: str) -> str:\n    'How the weather is.'\n    return f'Rain in {city}.'"
    )
    command = ["llm", "-m", model, "--key", "sk-local", "--functions", code, "Weather in Paris?"]
    assert ran(command, folder).strip() == "Rain in Paris."


def test_the_page(serving: Serving, tmp_path: Path):
    run("llm.md", serving, tmp_path)
