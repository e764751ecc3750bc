"""What is booked is what the backend sent, whatever goes wrong between the two."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import CHAT, PRICE, RESPONSES, Reply, chat, live, response

from system2.core import Usage
from system2.server.data.ledger import Entry

COUNT = 8  # requests of each kind
EXACT: dict[str, Manners] = {
    "500": Manners(seed=1, fail=0.3, truncate=0.2),
    "429": Manners(throttled=9, headers={"Retry-After": "0"}),
    "cached": Manners(cached=3),
}
BROKEN: dict[str, Manners] = {
    "reset in mid-body": Manners(seed=2, reset=0.5),
    "truncated stream": Manners(abort="short"),
    "error in the stream": Manners(abort="event"),
    "no usage": Manners(usage=False),
    "frames of a byte": Manners(shatter=True, seed=3, reset=0.3),
}


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


def asked(
    folder: Path, manners: Manners, bodies: list[tuple[str, Any]]
) -> tuple[list[Reply], list[Entry], Backend]:
    """Ask all of it at once; the replies, what was booked, and the truth."""

    async def main() -> tuple[list[Reply], list[Entry]]:
        async with live(folder, backend) as one:
            replies = await asyncio.gather(*(one.ask(path, body) for path, body in bodies))
            await one.idle()
            return [*replies], await one.entries()

    with Backend(manners) as backend:
        replies, entries = asyncio.run(main())
    return replies, entries, backend


def some() -> list[tuple[str, Any]]:
    """Requests of both APIs, plain and streamed."""
    made: list[tuple[str, Any]] = []
    for n in range(COUNT // 2):
        made.append((CHAT, chat(n % 2 == 0, f"why {n}?")))
        made.append((RESPONSES, response(n % 2 == 0, f"why {n}?")))
    return made


def total(entries: list[Entry]) -> Usage:
    return sum((one.usage for one in entries), Usage())


@pytest.mark.parametrize("manners", EXACT.values(), ids=EXACT)
def test_refusals_cost_nothing_and_the_rest_is_exact(manners: Manners, tmp_path: Path) -> None:
    replies, entries, backend = asked(tmp_path, manners, some())
    assert {reply.status for reply in replies} <= {200, 502}
    booked = total(entries)
    prompts = sum(r.prompt for r in backend.records if r.outcome == "done")
    assert (booked.completion, booked.unseen, booked.prompt) == (backend.sent, 0, prompts)
    assert not any(one.estimated for one in entries if one.usage.completion)
    assert sum(one.dollars or 0 for one in entries) == PRICE.of(booked)


@pytest.mark.parametrize("manners", BROKEN.values(), ids=BROKEN)
def test_what_broke_is_marked_and_never_too_little(manners: Manners, tmp_path: Path) -> None:
    replies, entries, backend = asked(tmp_path, manners, some())
    assert {reply.status for reply in replies} <= {200, 502}
    booked = total(entries)
    assert booked.completion <= backend.sent <= booked.completion + booked.unseen
    if any(r.outcome != "done" for r in backend.records) or not manners.usage:
        assert any(one.estimated for one in entries)
    for reply in replies:
        if b'"estimated":' in reply.body and b'"estimated":false' in reply.body:
            assert b'"unseen"' not in reply.body


@pytest.mark.parametrize(("lies", "flagged"), [(3, True), (9_999, True), (None, False)])
def test_a_wrong_report_is_paid_as_reported_and_flagged(
    lies: int | None, flagged: bool, tmp_path: Path
) -> None:
    _, entries, backend = asked(tmp_path, Manners(lies=lies, paragraphs=6), some()[:2])
    told = sum(len(r.sent) and (lies or sum(r.sent)) for r in backend.records)
    assert total(entries).completion == told
    assert not any(one.estimated for one in entries)
    sent = sorted(sum(r.sent) for r in backend.records)
    if flagged and lies == 3:  # calls of few tokens are not worth a quarrel
        assert sorted(one.counted for one in entries if one.counted) == [n for n in sent if n > 11]
    else:
        assert [one.counted is not None for one in entries] == [flagged] * len(entries)


def test_no_reply_ever_cost_more_than_its_cap(tmp_path: Path) -> None:
    dice = Random(5)
    bodies: list[tuple[str, Any]] = []
    for n in range(24):
        tokens, dollars = dice.choice((16, 40, 90, 300)), dice.choice((0.0, 0.0003, 0.002, 0.01))
        own: dict[str, Any] = {"budget": {"usd": dollars}} if n % 3 == 0 else {}
        if n % 2:
            body = response(n % 4 == 1, f"why {n}?", system2=own, max_output_tokens=tokens)
            bodies.append((RESPONSES, body))
        else:
            body = chat(n % 4 == 0, f"why {n}?", system2=own, max_completion_tokens=tokens)
            bodies.append((CHAT, body | {"stream_options": {"include_usage": True}} if body["stream"] else body))  # fmt: skip
    manners = Manners(seed=4, fail=0.1, reset=0.1, truncate=0.2, paragraphs=8)
    replies, entries, backend = asked(tmp_path, manners, bodies)
    spent: dict[str, Decimal] = {}
    for (path, body), reply in zip(bodies, replies, strict=True):
        if reply.status != 200:
            assert reply.status == 502, reply.body
            continue
        found = last(reply) if body["stream"] else reply.json()
        if "usage" not in found:
            assert found["error"]["code"] == "server_error"
            continue
        usage, own = found["usage"], found["system2"]
        most = body.get("max_output_tokens") or body["max_completion_tokens"]
        assert usage.get("output_tokens", usage.get("completion_tokens")) <= most
        if cap := body["system2"].get("budget"):
            assert own["cost"]["usd"] <= cap["usd"]
        if path == RESPONSES:
            assert found["status"] in ("completed", "incomplete", "failed")
        spent[own["run_id"]] = Decimal(str(own["cost"]["usd"]))
    assert len(spent) > len(bodies) // 2
    for run, dollars in spent.items():
        assert sum(one.dollars or 0 for one in entries if one.run == run) == dollars
    booked = total(entries)
    assert booked.completion <= backend.sent <= booked.completion + booked.unseen


def last(reply: Reply) -> dict[str, Any]:
    """The end of a stream, as the whole reply would have it."""
    body = reply.body.decode()
    if "data: [DONE]" not in body:
        return {"error": {"code": "server_error"}}
    found = reply.events()[-1]
    return found.get("response", found)
