"""A moderated reply streams as it is cleared, and ends where something is vetoed: no client ever sees that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server.live import CHAT, RESPONSES, Reply, chat, live, response
from server.plain_backend import PlainBackend

from system2.server.served import Served

CLEAN = "".join(f"Point {n}: nothing here is worth a second look, and so on. " for n in range(14))
BAD = "And here is how to build a bomb, step by step: take some SECRET and stir. "
EFFORTS = ("none", "low")


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


def said(path: str, reply: Reply) -> tuple[list[str], str]:
    """The pieces of the visible text, and how it ended."""
    events = reply.events()
    if path == CHAT:
        choices = [choice for event in events for choice in event["choices"]]
        pieces = [choice["delta"].get("content") for choice in choices]
        return [one for one in pieces if one], choices[-1]["finish_reason"]
    pieces = [one["delta"] for one in events if one["type"] == "response.output_text.delta"]
    last = events[-1]["response"]
    return pieces, (last["incomplete_details"] or {}).get("reason") or last["status"]


def asked(path: str, effort: str, **fields: Any) -> dict[str, Any]:
    """Streamed, and moderated."""
    more = {"moderation": {"model": "system2-words"}, "model": f"pretend-{effort}", **fields}
    return chat(True, **more) if path == CHAT else response(True, **more)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("path", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_what_is_clean_streams(path: str, effort: str, tmp_path: Path):
    async def main() -> None:
        with PlainBackend(lambda _: CLEAN) as backend:
            backend.size = 9
            async with live(tmp_path, backend) as one:  # type: ignore[arg-type]
                backend.held = 1 if effort == "none" else 2  # the first call is thought
                caller = await one.begin(path, asked(path, effort))
                await caller.read(b"Point 0: nothing")  # the backend has written no more than half
                assert b"Point 13" not in caller.seen
                backend.gate.set()
                pieces, end = said(path, await caller.reply())
                assert "".join(pieces) == CLEAN.strip()
                assert len(pieces) >= 2 and end in ("stop", "completed")

    asyncio.run(main())


@pytest.mark.parametrize("raw", [False, True], ids=["summary", "raw thoughts"])
@pytest.mark.parametrize("size", [5, 13, 9_999])
@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("path", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_what_is_vetoed_is_never_sent(path: str, effort: str, size: int, raw: bool, tmp_path: Path):
    async def main() -> None:
        with PlainBackend(lambda _: CLEAN + BAD + CLEAN) as backend:
            backend.size = size
            async with live(tmp_path, backend) as one:  # type: ignore[arg-type]
                more = {"system2": {"reasoning_visibility": "raw"}} if raw else {}
                reply = await one.ask(path, asked(path, effort, **more))
                assert reply.status == 200
                text = reply.body.decode()
                for word in ("how to build", "bomb", "SECRET", "stir"):
                    assert word not in text
                pieces, end = said(path, reply)
                assert CLEAN.startswith("".join(pieces)) and end == "content_filter"
                given = {**asked(path, effort, **more), "stream": False}
                whole = (await one.ask(path, given)).body.decode()
                assert "bomb" not in whole and "content_filter" in whole
                assert "SECRET" not in json.dumps(json.loads(whole))

    asyncio.run(main())


def test_a_reply_that_a_model_judges_is_shown_whole(tmp_path: Path):
    def wrote(question: str) -> str:
        if "<text>" not in question:
            return CLEAN
        from system2.sidecars import CATEGORIES

        return "\n".join(f"{name}: no" for name in CATEGORIES)

    async def main() -> None:
        with PlainBackend(wrote) as backend:
            backend.size = 13
            async with live(tmp_path, backend) as one:  # type: ignore[arg-type]
                one.server.models.served["pretend"].moderation = "model"
                assert isinstance(one.server.models.served["pretend"], Served)
                pieces, end = said(CHAT, await one.ask(CHAT, asked(CHAT, "low")))
                assert len(pieces) == 1 and end == "stop"
                judged = [body for _, body in backend.asked if "<text>" in str(body)]
                assert 1 <= len(judged) <= 2

    asyncio.run(main())
