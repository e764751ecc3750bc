"""OpenAI's Python SDK, structured output: replies bound to a schema, and read into the caller's own types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pytest
from clients.serving import Serving

openai = pytest.importorskip("openai")
pydantic = pytest.importorskip("pydantic")


class Place(pydantic.BaseModel):
    """Where somebody lives."""

    city: str
    people: int
    size: Literal["small", "big"]


class Sum(pydantic.BaseModel):
    """What the embedded model can fill."""

    answer: int


ASK: Any = [{"role": "user", "content": "Where do you live?"}]
SUM: Any = [{"role": "user", "content": "What is 17 * 23?"}]


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[Any]:
    """A client as its documentation makes one."""
    with openai.OpenAI(base_url=serving.url, api_key="sk-local", max_retries=0) as client:
        yield client


def test_a_chat_is_parsed(client: Any):
    done = client.chat.completions.parse(model="tooled", messages=ASK, response_format=Place)
    assert done.choices[0].message.parsed == Place(city="Paris", people=4, size="small")


def test_a_response_is_parsed(client: Any):
    done = client.responses.parse(model="tooled", input="Where?", text_format=Place)
    assert done.output_parsed == Place(city="Paris", people=4, size="small")


def test_the_embedded_model_fills_what_it_can(client: Any):
    done = client.chat.completions.parse(model="system2-mini", messages=SUM, response_format=Sum)
    assert done.choices[0].message.parsed == Sum(answer=391)
    done = client.responses.parse(model="system2-mini", input="What is 17 * 23?", text_format=Sum)
    assert done.output_parsed == Sum(answer=391)


def test_a_stream_is_parsed(client: Any):
    with client.chat.completions.stream(
        model="tooled", messages=ASK, response_format=Place
    ) as stream:
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert parsed == Place(city="Paris", people=4, size="small")
    with client.responses.stream(model="tooled", input="Where?", text_format=Place) as stream:
        parsed = stream.get_final_response().output_parsed
    assert parsed == Place(city="Paris", people=4, size="small")


def test_any_object(client: Any):
    done = client.chat.completions.create(
        model="tooled", messages=ASK, response_format={"type": "json_object"}
    )
    assert done.choices[0].message.content == '{"answer": "4"}'


def test_a_budget_that_dies_in_thought_is_an_exception_of_the_sdk(client: Any):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="system2-mini", messages=SUM, response_format=Sum, max_completion_tokens=5
        )


def test_a_schema_that_is_none(client: Any):
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nonsense"}}}
    with pytest.raises(openai.BadRequestError) as found:
        client.chat.completions.create(model="tooled", messages=ASK, response_format=form)
    assert isinstance(found.value.code, str)
