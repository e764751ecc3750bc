"""Plain completions, the tokenizer and likelihoods: with OpenAI's own client, against a server of the embedded model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from clients.asking import ask, refused
from clients.serving import Serving
from openai import APIError, BadRequestError, NotFoundError, OpenAI
from server.plain_backend import PlainBackend

from system2.policies.local import HOME, LocalPolicy

MODEL = "system2-mini"
QUESTION = "<bos>17*23=<none>"


@pytest.fixture(scope="module")
def backend() -> Iterator[PlainBackend]:
    """A server whose model `pretend` has completions, and no other."""
    with PlainBackend() as backend:
        yield backend


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, backend: PlainBackend) -> Iterator[Serving]:
    config = f'[[model]]\nname = "{MODEL}"\n'
    for name in ("pretend", "chatty"):
        config += f'[[model]]\nname = "{name}"\nmodel = "{backend.url}"\nmodel_name = "{name}"\nprice = "1/2"\n'
    with Serving(tmp_path_factory.mktemp("plain"), config) as serving:
        yield serving
    assert not serving.faults()


@pytest.fixture
def client(serving: Serving) -> Iterator[OpenAI]:
    with OpenAI(base_url=serving.url, api_key="none", max_retries=0) as client:
        yield client


def post(serving: Serving, path: str, body: Any) -> Any:
    answer = ask(serving, "POST", path, json.dumps(body).encode())
    assert answer.status == 200, answer
    return answer.json


def test_a_text_is_continued_greedily_as_the_decoder_continues_it(client: OpenAI, serving: Serving):
    whole = client.completions.create(model=MODEL, prompt=QUESTION, temperature=0, max_tokens=12)
    ids = post(serving, "/tokenize", {"model": MODEL, "prompt": QUESTION})["tokens"]
    policy = LocalPolicy(HOME)

    async def alone() -> list[int]:
        from system2.policies.local.decoder import Row

        row = Row(tuple(ids), 0, 12, 0.0, policy.ends)
        return [t.id async for tokens in policy.model.decoder.stream([row]) for t in tokens]

    found = asyncio.run(alone())
    shown = [id for id in found if id not in policy.ends]
    assert whole.choices[0].text == policy.model.tokenizer.decode(shown)
    assert whole.choices[0].finish_reason == ("stop" if found[-1] in policy.ends else "length")
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (len(ids), len(found))
    assert whole.object == "text_completion" and whole.id.startswith("cmpl-")


def test_the_prompt_is_scored_as_lm_eval_asks_for_it(client: OpenAI, serving: Serving):
    ids = post(serving, "/tokenize", {"model": MODEL, "prompt": QUESTION + "391"})["tokens"]
    whole = client.completions.create(
        model=MODEL, prompt=[ids, ids[:4]], temperature=0, max_tokens=1, logprobs=1, echo=True, seed=1234
    )  # fmt: skip
    first, second = whole.choices
    logprobs = first.logprobs
    assert logprobs and logprobs.tokens and logprobs.token_logprobs and logprobs.top_logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == len(ids) + 1
    assert logprobs.token_logprobs[0] is None and logprobs.top_logprobs[0] is None
    scored = asyncio.run(LocalPolicy(HOME).model.decoder.score(ids, top=1))
    for given, own in zip(logprobs.token_logprobs[1:-1], scored[1:], strict=True):
        assert own.logprob is not None and given == pytest.approx(own.logprob, abs=1e-9)
    for one, top in zip(logprobs.token_logprobs[1:], logprobs.top_logprobs[1:], strict=True):
        assert one <= max(top.values())
    assert logprobs.token_logprobs[-1] == max(logprobs.top_logprobs[-1].values())  # greedy
    assert logprobs.text_offset is not None
    for token, offset in zip(logprobs.tokens[1:-1], logprobs.text_offset[1:-1], strict=True):
        assert first.text[offset : offset + len(token)] == token
    assert second.index == 1 and second.logprobs and len(second.logprobs.tokens or ()) == 5
    assert whole.usage and whole.usage.prompt_tokens == len(ids) + 4
    alone = client.completions.create(model=MODEL, prompt=ids, max_tokens=0, logprobs=0, echo=True)
    told = alone.choices[0].logprobs
    assert told and told.token_logprobs == logprobs.token_logprobs[:-1]
    assert told.top_logprobs is None
    assert alone.usage and alone.usage.completion_tokens == 0


def test_seeds_samples_and_stops(client: OpenAI):
    def sample(seed: int, **given: Any) -> list[str]:
        whole = client.completions.create(
            model=MODEL, prompt=["12+30=<none>", "<bos>what is"], n=3, seed=seed, max_tokens=20, **given
        )  # fmt: skip
        assert [one.index for one in whole.choices] == list(range(6))
        return [one.text for one in whole.choices]

    hot = sample(7, temperature=1.5)
    assert (
        hot == sample(7, temperature=1.5)
        and len(set(hot)) > 3
        and hot != sample(8, temperature=1.5)
    )
    free = client.completions.create(
        model=MODEL, prompt="<bos>17*23=?<high><think>", temperature=0, max_tokens=60
    )
    text = free.choices[0].text
    mark = text[5:7]
    cut = client.completions.create(
        model=MODEL, prompt="<bos>17*23=?<high><think>", temperature=0, max_tokens=60, stop=mark, logprobs=2
    )  # fmt: skip
    assert (
        cut.choices[0].text == text[: text.index(mark)] and cut.choices[0].finish_reason == "stop"
    )
    told = cut.choices[0].logprobs
    assert told and told.tokens and "".join(told.tokens).startswith(cut.choices[0].text)
    assert all(offset < len(cut.choices[0].text) for offset in told.text_offset or [])


def test_streams_say_the_same(client: OpenAI):
    given: dict[str, Any] = {
        "model": MODEL,
        "prompt": [QUESTION, "<bos>8-5=<none>"],
        "temperature": 0,
        "max_tokens": 9,
    }
    for more in ({}, {"logprobs": 1, "echo": True}):
        whole = client.completions.create(**given, **more)
        chunks = [*client.completions.create(
            **given, **more, stream=True, stream_options={"include_usage": True}
        )]  # fmt: skip
        for choice in whole.choices:
            own = [c.choices[0] for c in chunks if c.choices and c.choices[0].index == choice.index]
            assert "".join(one.text for one in own) == choice.text
            assert [o.finish_reason for o in own if o.finish_reason] == [choice.finish_reason]
            assert [o.logprobs for o in own if o.logprobs] == ([choice.logprobs] if more else [])
        assert chunks[-1].choices == [] and chunks[-1].usage == whole.usage
        assert all(chunk.usage is None for chunk in chunks[:-1])


@pytest.mark.parametrize(
    ("wrong", "param", "code"),
    [
        ({"prompt": []}, "prompt", "invalid_type"),
        ({"prompt": [[]]}, "prompt", "invalid_type"),
        ({"prompt": ["a", 1]}, "prompt", "invalid_type"),
        ({"prompt": [True]}, "prompt", "invalid_type"),
        ({"prompt": [10**6]}, "prompt[0]", "invalid_value"),
        ({"prompt": [[1, 2], [2**31 - 1]]}, "prompt[1]", "invalid_value"),
        ({"prompt": "1 " * 2000}, "prompt[0]", "context_length_exceeded"),
        ({"prompt": "1", "max_tokens": 1024}, "prompt[0]", "context_length_exceeded"),
        ({"prompt": "1", "max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"prompt": "1", "logprobs": 6}, "logprobs", "invalid_value"),
        ({"prompt": "1", "top_p": 0.5}, "top_p", "unsupported_value"),
        ({"prompt": "1", "best_of": 3}, "best_of", "unsupported_value"),
        ({"prompt": ["1"] * 2000, "n": 2}, "prompt", "invalid_value"),
    ],
)
def test_what_cannot_be_is_named(client: OpenAI, wrong: dict[str, Any], param: str, code: str):
    for stream in (False, True):
        with pytest.raises(BadRequestError) as caught:
            client.completions.create(model=MODEL, stream=stream, **wrong)
        assert (caught.value.param, caught.value.code) == (param, code)


def test_a_backend_writes_for_itself_and_is_booked(
    client: OpenAI, serving: Serving, backend: PlainBackend
):
    def spent() -> tuple[int, int]:
        rows = ask(serving, "GET", "/metrics", b"").body.decode().splitlines()
        found = {
            row.rpartition(" ")[0]: float(row.rpartition(" ")[2]) for row in rows if row[0] != "#"
        }
        kinds = ("prompt", "visible")
        return tuple(
            int(found.get(f'system2_tokens_total{{kind="{k}",model="pretend"}}', 0)) for k in kinds
        )

    whole = client.completions.create(
        model="pretend", prompt=["a b c", "d"], max_tokens=5, seed=3, extra_body={"top_k": 2}
    )
    assert [one.text for one in whole.choices] == ["c b a", "d"] and whole.model == "pretend"
    path, asked = backend.asked[-1]
    assert path == "/v1/completions" and asked["prompt"] == ["a b c", "d"]
    assert (asked["model"], asked["max_tokens"], asked["seed"], asked["top_k"]) == (
        "pretend",
        5,
        3,
        2,
    )
    assert whole.usage and (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (4, 4)
    assert whole.usage.model_extra == {"cost": 12e-6} or whole.usage.cost == 12e-6  # type: ignore[attr-defined]
    before = spent()
    chunks = [*client.completions.create(
        model="pretend", prompt="a b", stream=True, stream_options={"include_usage": True}
    )]  # fmt: skip
    assert "".join(c.choices[0].text for c in chunks if c.choices) == "b a"
    assert chunks[-1].usage and chunks[-1].usage.total_tokens == 4
    assert spent() == (before[0] + 2, before[1] + 2)
    backend.usage = False  # it does not count: its words' bytes are the most there can be
    silent = client.completions.create(model="pretend", prompt="a b", max_tokens=2)
    backend.usage = True
    assert silent.usage and (silent.usage.prompt_tokens, silent.usage.completion_tokens) == (4, 2)


def test_a_backend_without_completions_is_told_of(client: OpenAI, serving: Serving):
    for stream in (False, True):
        with pytest.raises((NotFoundError, APIError), match="has no /completions"):
            found = client.completions.create(model="chatty", prompt="1", stream=stream)
            assert stream and not [*found]  # type: ignore[misc]
    with pytest.raises(NotFoundError, match="does not exist"):
        client.completions.create(model="nobody", prompt="1")
    refused(ask(serving, "POST", "/detokenize", b'{"model": "chatty", "tokens": [1]}'), 404)
    told = post(serving, "/tokenize", {"model": "pretend", "prompt": "a b c"})
    assert told == {"tokens": [0, 1, 2], "model": "pretend"}
    assert ask(serving, "GET", "/tokenizer_info?model=pretend", b"").json["eos_token"] == "</s>"


def test_tokens_and_texts_go_both_ways(serving: Serving):
    info = ask(serving, "GET", "/tokenizer_info", b"").json
    assert {"eos_token", "bos_token", "pad_token", "chat_template"} <= info.keys()
    text = "<bos>Wie viel ist 17 × 23? 九 🙂<high><think>"
    cut = post(serving, "/tokenize", {"prompt": text, "add_special_tokens": False})
    assert cut["count"] == len(cut["tokens"]) and cut["max_model_len"] == info["model_max_length"]
    back = post(serving, "/detokenize", {"tokens": cut["tokens"]})["prompt"]
    assert back == text.lower()
    again = post(serving, "/tokenize", {"prompt": back, "add_special_tokens": False})
    assert again["tokens"] == cut["tokens"]
    assert post(serving, "/tokenize", {"prompt": "1"})["tokens"][0] == cut["tokens"][0]  # <bos>
    for path, body in (
        ("/tokenize", {}),
        ("/tokenize", {"prompt": 1}),
        ("/detokenize", {"tokens": [-1]}),
        ("/detokenize", {"tokens": [99_999]}),
        ("/detokenize", {"tokens": "1"}),
    ):
        refused(ask(serving, "POST", path, json.dumps(body).encode()), 400)
