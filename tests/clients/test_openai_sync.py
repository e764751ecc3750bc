"""OpenAI's Python SDK, synchronous: both APIs, what is stored, and errors as its exceptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clients.serving import Serving

openai = pytest.importorskip("openai")

SUM: Any = [{"role": "user", "content": "What is 17 * 23?"}]


@pytest.fixture(scope="module")
def client(serving: Serving) -> Iterator[Any]:
    """A client as its documentation makes one."""
    with openai.OpenAI(base_url=serving.url, api_key="sk-local", max_retries=0) as client:
        yield client


def test_models(client: Any):
    assert [one.id for one in client.models.list()] == ["system2-mini", "tooled", "qwen3"]
    assert client.models.retrieve("system2-mini").owned_by == "system2"
    assert client.models.retrieve("tooled-high").id == "tooled-high"


@pytest.mark.parametrize("model", ["system2-mini", "tooled"])
def test_a_chat(client: Any, model: str):
    done = client.chat.completions.create(model=model, messages=SUM)
    assert done.choices[0].message.content == "391"
    assert done.choices[0].finish_reason == "stop"
    usage = done.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert 0 < usage.completion_tokens_details.reasoning_tokens < usage.completion_tokens
    assert done._request_id.startswith("req_")
    assert done.system2["run_id"]


def test_several_answers(client: Any):
    done = client.chat.completions.create(model="tooled", messages=SUM, n=3)
    assert [one.index for one in done.choices] == [0, 1, 2]
    assert {one.message.content for one in done.choices} == {"391"}
    one = client.chat.completions.create(model="tooled", messages=SUM)
    assert done.usage.completion_tokens == 3 * one.usage.completion_tokens


def test_the_budget_dies_in_thought(client: Any):
    done = client.chat.completions.create(
        model="system2-mini", messages=SUM, max_completion_tokens=5
    )
    assert (done.choices[0].finish_reason, done.choices[0].message.content) == ("length", "")
    assert done.usage.completion_tokens <= 5
    response = client.responses.create(
        model="system2-mini", input="What is 17 * 23?", max_output_tokens=5
    )
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"


def test_log_probabilities(client: Any):
    done = client.chat.completions.create(
        model="tooled", messages=SUM, logprobs=True, top_logprobs=2
    )
    assert "".join(one.token for one in done.choices[0].logprobs.content).strip() == "391"


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh", "max"])
def test_a_response_of_every_effort(client: Any, effort: str):
    done = client.responses.create(
        model="system2-mini",
        input="What is 17 * 23?",
        reasoning={"effort": effort, "summary": "auto"},
    )
    assert done.status == "completed"
    assert done.output_text
    assert done.reasoning.effort == effort
    assert (done.usage.output_tokens_details.reasoning_tokens > 0) == (effort != "none")
    kinds = [item.type for item in done.output]
    assert kinds == (["message"] if effort == "none" else ["reasoning", "message"])


def test_pro_takes_the_same_way(client: Any):
    done = client.responses.create(
        model="tooled",
        input="What is 2 + 2?",
        reasoning={"mode": "pro"},
        extra_body={"system2": {"samples": 4}},
    )
    assert done.output_text == "4"


def test_a_conversation_goes_on(client: Any):
    first = client.responses.create(model="tooled", input="What is 17 * 23?")
    then = client.responses.create(
        model="tooled", input="And now what is 20 - 3?", previous_response_id=first.id
    )
    assert then.output_text == "17"
    assert then.usage.input_tokens > first.usage.input_tokens  # the first is read with it
    items = client.responses.input_items.list(then.id)
    assert [item.content[0].text for item in items] == ["And now what is 20 - 3?"]


def test_what_was_said_is_referred_to_by_its_id(client: Any):
    first = client.responses.create(model="tooled", input="What is 17 * 23?")
    told = [{"type": "item_reference", "id": item.id} for item in first.output]
    asked: Any = [
        {"role": "user", "content": "What is 17 * 23?"},
        *told,
        {"role": "user", "content": "What is 3 + 4?"},
    ]
    then = client.responses.create(model="tooled", input=asked)
    assert then.output_text == "7"
    same = client.responses.create(
        model="tooled", input="What is 3 + 4?", previous_response_id=first.id
    )
    assert then.usage.input_tokens == same.usage.input_tokens
    kept = client.responses.input_items.list(then.id, order="asc").data
    assert [item.type for item in kept] == ["message", "reasoning", "message", "message"]
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError, match=r"Item with id 'rs_.*' not found") as found:
        client.responses.create(model="tooled", input=asked)
    assert found.value.param == "input[1].id"


def test_items_that_are_not_kept_are_not_found(client: Any):
    unstored = client.responses.create(model="tooled", input="What is 1 + 1?", store=False)
    for id in (unstored.output[-1].id, "msg_none", "msg_" + "0" * 48, ""):
        with pytest.raises(openai.NotFoundError):
            client.responses.create(model="tooled", input=[{"type": "item_reference", "id": id}])


def test_a_stored_response_is_found_and_deleted(client: Any):
    made = client.responses.create(model="tooled", input="What is 1 + 1?", metadata={"a": "b"})
    found = client.responses.retrieve(made.id)
    assert (found.output_text, found.metadata) == ("2", {"a": "b"})
    assert found.output == made.output
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(made.id)


def test_one_that_is_not_stored_is_not_found(client: Any):
    made = client.responses.create(model="tooled", input="What is 1 + 1?", store=False)
    with pytest.raises(openai.NotFoundError, match=r"Response with id .* not found"):
        client.responses.retrieve(made.id)
    sealed = next(item for item in made.output if item.type == "reasoning").encrypted_content
    assert sealed.startswith("gAAAA")
    history: Any = [{"role": "user", "content": "What is 1 + 1?"}, *made.output]
    more = client.responses.create(
        model="tooled", store=False, input=[*history, {"role": "user", "content": "And 2 + 2?"}]
    )
    assert more.output_text == "4"


def test_tokens_are_counted_before_they_are_spent(client: Any):
    count = client.responses.input_tokens.count(model="system2-mini", input="What is 17 * 23?")
    done = client.responses.create(model="system2-mini", input="What is 17 * 23?")
    assert count.input_tokens == done.usage.input_tokens


def test_a_conversation_sealed_up_goes_on(client: Any):
    sealed = client.responses.compact(model="tooled", input="My number is 7.")
    assert sealed.object == "response.compaction"
    assert sealed.output[-1].type == "compaction"
    items: Any = [*(one.model_dump(exclude_none=True, warnings=False) for one in sealed.output)]
    more = client.responses.create(
        model="tooled", input=[*items, {"role": "user", "content": "What is 3 + 4?"}]
    )
    assert more.output_text == "7"


def test_errors_are_the_exceptions_of_the_sdk(client: Any):
    with pytest.raises(openai.NotFoundError) as found:
        client.chat.completions.create(model="nobody", messages=SUM)
    assert (found.value.code, found.value.param) == ("model_not_found", "model")
    assert found.value.request_id.startswith("req_")
    with pytest.raises(openai.BadRequestError) as found:
        client.chat.completions.create(model="tooled", messages=SUM, temperature=9)
    assert found.value.param == "temperature"
    with pytest.raises(openai.BadRequestError) as found:
        client.chat.completions.create(model="tooled", messages=[])
    assert found.value.param == "messages"
    with pytest.raises(openai.BadRequestError) as found:
        client.responses.create(model="tooled", input="a", previous_response_id="resp_none")
    assert found.value.code == "previous_response_not_found"
    with pytest.raises(openai.AuthenticationError) as found:
        client.with_options(api_key="sk-s2-" + "a" * 40).models.list()
    assert found.value.code == "invalid_api_key"


def test_headers_that_clients_read(client: Any):
    raw = client.chat.completions.with_raw_response.create(model="tooled", messages=SUM)
    headers = raw.headers
    assert headers["x-request-id"].startswith("req_")
    assert headers["openai-version"] == "2020-10-01"
    assert headers["openai-processing-ms"].isdigit()
