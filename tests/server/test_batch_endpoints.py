"""Batches, with OpenAI's own client: line by line, broken lines named, limits kept."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.serving import SOURCE, Serving
from openai import APIStatusError, BadRequestError, NotFoundError, OpenAI, PermissionDeniedError
from server.batch_calls import CHAT, MODEL, asked, begun, ended, line, rows, until

from system2.server.wire.batch_lines import WRONG, lines_of


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("batches"), f'[[model]]\nname = "{MODEL}"\n') as serving:
        yield serving
    assert not serving.faults()


@pytest.fixture
def client(serving: Serving) -> Iterator[OpenAI]:
    with OpenAI(base_url=serving.url, api_key="none", max_retries=0) as client:
        yield client


def test_all_endpoints_come_back_line_by_line(client: OpenAI):
    chats = begun(
        client,
        [line(f"c{n}", asked(f"{n}+5=?", store=n == 3)) for n in range(6)],
        metadata={"a": "b"},
    )
    responses = begun(
        client, [line("r", {"model": MODEL, "input": "6*7=?"}, "/v1/responses")], "/v1/responses"
    )
    plain = begun(
        client,
        [
            line(
                "p",
                {"model": MODEL, "prompt": "1+1=<none>", "temperature": 0, "logprobs": 1},
                "/v1/completions",
            )
        ],
        "/v1/completions",
    )
    chats = ended(client, chats.id)
    assert chats.status == "completed" and chats.metadata == {"a": "b"} and chats.model == MODEL
    assert chats.request_counts.to_dict() == {"total": 6, "completed": 6, "failed": 0}
    assert chats.error_file_id is None and chats.errors is None
    found = rows(client, chats.output_file_id)
    assert [*found] == [f"c{n}" for n in range(6)]
    for n, row in enumerate(found.values()):
        assert row["error"] is None and row["response"]["status_code"] == 200
        assert row["response"]["request_id"].startswith("req_")
        body = row["response"]["body"]
        assert (
            body["object"] == "chat.completion"
            and str(n + 5) in body["choices"][0]["message"]["content"]
        )
    whole = sum(row["response"]["body"]["usage"]["completion_tokens"] for row in found.values())
    assert chats.usage.output_tokens == whole > 0
    assert [c.id for c in client.chat.completions.list()] == [found["c3"]["response"]["body"]["id"]]
    responses = ended(client, responses.id)
    body = rows(client, responses.output_file_id)["r"]["response"]["body"]
    assert body["status"] == "completed" and "42" in body["output"][-1]["content"][0]["text"]
    plain = ended(client, plain.id)
    body = rows(client, plain.output_file_id)["p"]["response"]["body"]
    assert body["object"] == "text_completion" and body["choices"][0]["logprobs"]["tokens"]
    ids = [batch.id for batch in client.batches.list(limit=2)]
    assert ids[:3] == [plain.id, responses.id, chats.id]
    assert client.files.retrieve(chats.output_file_id).purpose == "batch_output"


def test_a_broken_line_is_named_and_the_others_are_answered(client: OpenAI):
    lines = [
        line("good", asked("1+1=?")),
        "{ not json",
        line("", asked("1")),
        line("good", asked("1")),
        line("verb", asked("1"), method="GET"),
        line("place", asked("1"), "/v1/responses"),
        line("empty", {}),
        line("live", asked("1", stream=True)),
        line("none", asked("1") | {"model": "nobody"}),
        "",
        line("heat", asked("1", temperature=9)),
    ]
    batch = begun(client, lines)
    assert len(batch.errors.data) == 8 and batch.errors.data[0].line == 2
    batch = ended(client, batch.id)
    assert batch.status == "completed"
    assert batch.request_counts.to_dict() == {"total": 10, "completed": 1, "failed": 9}
    assert [*rows(client, batch.output_file_id)] == ["good"]
    text = client.files.content(batch.error_file_id).text
    wrong = [json.loads(row) for row in text.splitlines()]
    told = {
        row["error"]["line"]: (row["custom_id"], row["error"]["code"])
        for row in wrong
        if row["error"]
    }
    assert told == {
        2: (None, "invalid_json_line"), 3: (None, "missing_required_parameter"), 4: ("good", "duplicate_custom_id"),
        5: ("verb", "invalid_method"), 6: ("place", "mismatched_url"), 7: ("empty", "missing_required_parameter"),
        8: ("live", "unsupported_parameter"), 11: ("heat", "invalid_value"),
    }  # fmt: skip
    (unknown,) = [row for row in wrong if row["error"] is None]
    assert unknown["custom_id"] == "none" and unknown["response"]["status_code"] == 404
    assert unknown["response"]["body"]["error"]["code"] == "model_not_found"


def test_batches_that_cannot_be(client: OpenAI):
    failed = begun(client, ["nonsense", "[]"])
    assert failed.status == "failed" and [one.line for one in failed.errors.data] == [1, 2]
    with pytest.raises(BadRequestError, match="Cannot cancel"):
        client.batches.cancel(failed.id)
    assert begun(client, [" ", ""]).status == "failed"
    with pytest.raises(BadRequestError, match="v1/embeddings"):
        begun(client, [line("a", {})], "/v1/embeddings")
    with pytest.raises(BadRequestError, match="No such File"):
        client.batches.create(input_file_id="file-0", endpoint=CHAT, completion_window="24h")
    with pytest.raises(APIStatusError):
        client.batches.create(input_file_id="file-0", endpoint=CHAT, completion_window="1h")  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        client.batches.retrieve("batch_0")


def test_a_batch_is_cancelled_in_the_middle(client: OpenAI):
    """Two lines would take minutes; what was answered before is kept."""
    long = asked(
        "Use 3, 5, 6 and 9 to reach 57.", system2={"samples": 100_000, "budget": {"tokens": 10**9}}
    )
    batch = begun(client, [line("short", asked("1+1=?")), line("a", long), line("b", long)])
    until(lambda: client.batches.retrieve(batch.id).request_counts.completed == 1)
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    over = ended(client, batch.id)
    assert over.status == "cancelled" and over.cancelled_at and over.cancelling_at
    assert over.request_counts.to_dict() == {"total": 3, "completed": 1, "failed": 0}
    assert [*rows(client, over.output_file_id)] == ["short"]
    assert {row["error"]["code"] for row in rows(client, over.error_file_id).values()} == {
        "batch_cancelled"
    }
    assert client.batches.cancel(batch.id).status == "cancelled"


def test_lines_are_read_one_by_one():
    content = b"\r\n".join(
        [line("a", asked("1")).encode(), b"\xff", b"5", line(3, asked("1")).encode()]
    )
    found = lines_of(content, CHAT)
    assert [(id, body.get(WRONG, {}).get("line")) for id, body in found] == [
        ("a", None),
        ("", 2),
        ("", 3),
        ("", 4),
    ]


def test_whoever_waits_for_an_answer_goes_first(tmp_path: Path):
    """Lines that take minutes leave half of the server's turns to others, however many they are."""
    config = f'[[model]]\nname = "{MODEL}"\n'
    long = asked(
        "Use 3, 5, 6 and 9 to reach 57.", system2={"samples": 100_000, "budget": {"tokens": 10**9}}
    )
    with (
        Serving(tmp_path, config, "--most", "2") as serving,
        OpenAI(base_url=serving.url, api_key="none", max_retries=0, timeout=60) as client,
    ):
        batch = begun(client, [line(str(n), long) for n in range(8)])
        until(lambda: client.get("/system2/runs", cast_to=object)["data"])  # type: ignore[call-overload, index]
        for n in range(3):
            whole = client.chat.completions.create(**asked(f"{n}+1=?", reasoning_effort="none"))
            assert whole.choices[0].message.content
        assert client.batches.retrieve(batch.id).request_counts.completed == 0
        client.batches.cancel(batch.id)
        assert ended(client, batch.id).status == "cancelled"
    assert not serving.faults()


def secret(folder: Path, *words: str) -> str:
    """A new key of the server's own command."""
    env = {**os.environ, "PYTHONPATH": SOURCE, "XDG_DATA_HOME": str(folder)}
    command = [sys.executable, "-m", "system2", "keys", "create", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    found = re.search(r"sk-s2-\w{40}", done.stdout + done.stderr)
    assert found, done
    return found[0]


def test_a_batch_is_its_keys_and_keeps_to_its_limits(tmp_path: Path):
    """One search at once: the other lines wait instead of failing. Nobody else sees the batch or its files."""
    mine = secret(tmp_path, "mine", "--scope", "chat", "--scope", "batch", "--at-once", "1")
    other = secret(tmp_path, "other", "--scope", "chat", "--scope", "batch")
    talker = secret(tmp_path, "talker", "--scope", "chat")
    with (
        Serving(tmp_path, f'[[model]]\nname = "{MODEL}"\n', "--keys") as serving,
        OpenAI(base_url=serving.url, api_key=mine, max_retries=0) as client,
        OpenAI(base_url=serving.url, api_key=other, max_retries=0) as stranger,
        OpenAI(base_url=serving.url, api_key=talker, max_retries=0) as plain,
    ):
        batch = begun(client, [line(str(n), asked(f"{n}+{n}=?")) for n in range(4)])
        batch = ended(client, batch.id)
        assert (batch.request_counts.completed, batch.request_counts.failed) == (4, 0)
        for call in (
            lambda: stranger.batches.retrieve(batch.id),
            lambda: stranger.batches.cancel(batch.id),
            lambda: stranger.files.content(batch.output_file_id),
            lambda: stranger.files.delete(batch.input_file_id),
        ):
            with pytest.raises(NotFoundError):
                call()
        assert not [*stranger.batches.list()] and not [*stranger.files.list()]
        with pytest.raises(PermissionDeniedError):
            plain.batches.list()
    assert not serving.faults()
