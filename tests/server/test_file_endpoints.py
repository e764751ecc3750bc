"""Files: with OpenAI's own client, and forms that are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clients.asking import ask, refused
from clients.serving import Serving
from openai import NotFoundError, OpenAI
from server.batch_calls import MODEL


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with Serving(tmp_path_factory.mktemp("batches"), f'[[model]]\nname = "{MODEL}"\n') as serving:
        yield serving
    assert not serving.faults()


@pytest.fixture
def client(serving: Serving) -> Iterator[OpenAI]:
    with OpenAI(base_url=serving.url, api_key="none", max_retries=0) as client:
        yield client


def test_files_are_kept_listed_and_forgotten(client: OpenAI):
    data = bytes(range(256)) * 300
    one = client.files.create(file=("../a\nb.bin", data), purpose="user_data")
    two = client.files.create(
        file=("c.jsonl", b"{}"),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 3600},
    )
    assert (one.bytes, one.status, one.purpose, one.object) == (
        len(data),
        "processed",
        "user_data",
        "file",
    )
    assert one.id.startswith("file-") and "/" not in one.filename and "\n" not in one.filename
    assert two.expires_at == two.created_at + 3600
    assert client.files.content(one.id).content == data
    assert [f.id for f in client.files.list()][:2] == [two.id, one.id]
    assert [f.id for f in client.files.list(order="asc", limit=1)][-2:] == [one.id, two.id]
    assert one.id not in [f.id for f in client.files.list(purpose="batch")]
    assert client.files.retrieve(one.id) == one
    assert client.files.delete(one.id).deleted
    for call in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(NotFoundError):
            call(one.id)


def form(*parts: tuple[str, bytes]) -> bytes:
    fields = b"".join(
        b"--b\r\ncontent-disposition: form-data; " + n.encode() + b"\r\n\r\n" + v + b"\r\n"
        for n, v in parts
    )
    return fields + b"--b--\r\n"


FILE, PURPOSE = ('name="file"; filename="x"', b"{}"), ('name="purpose"', b"batch")
FORM = [("Content-Type", "multipart/form-data; boundary=b")]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([("Content-Type", "application/json")], b"{}", 415),
        ([("Content-Type", "multipart/form-data")], form(FILE, PURPOSE), 400),
        (FORM, b"", 400),
        (FORM, b"rubbish", 400),
        (FORM, form(FILE), 400),
        (FORM, form(PURPOSE), 400),
        (FORM, form(FILE, FILE, PURPOSE), 400),
        (FORM, form(FILE, ('name="purpose"', b"fun")), 400),
        (FORM, form((FILE[0], b""), PURPOSE), 400),
        (FORM, form(FILE, ('name="purpose"; filename="y"', b"batch")), 400),
        (FORM, form(FILE, PURPOSE, ('name="expires_after[seconds]"', b"9" * 5000)), 400),
        (FORM, form(FILE, *[(f'name="f{n}"', b"") for n in range(50)]), 400),
        (FORM, form(FILE, ('name="purpose"', b"b" * 10**6)), 400),
        ([*FORM, ("X", "y")], form((FILE[0], b"x" * (33 * 2**20)), PURPOSE), 413),
    ],
    ids=range(14),
)  # fmt: skip
def test_forms_that_are_none(serving: Serving, headers: Any, body: bytes, status: int):
    refused(ask(serving, "POST", "/v1/files", body, headers), status)
