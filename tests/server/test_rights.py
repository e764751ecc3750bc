"""Who may what: keys that exist are asked for, models are asked for by right, and what only admins see stays theirs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import CHAT, RESPONSES, Live, chat, live, response, until
from websockets.asyncio.client import connect

from system2.server.data.keys import Key
from system2.server.opened import opened
from system2.server.server import Settings


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


async def key_of(one: Live, *scopes: str, **limits: Any) -> tuple[Key, dict[str, str]]:
    """A new key with these limits, and the header that shows it."""
    wanted = Key(name="a", scopes=frozenset(scopes or ("chat",)), **limits)
    made = await one.server.keys.create(wanted)
    return made.key, {"Authorization": f"Bearer {made.secret}"}


def test_keys_are_asked_for_as_soon_as_there_is_one(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                assert (await one.ask(CHAT, chat(False))).status == 200
                key, who = await key_of(one)
                assert (await one.ask(CHAT, chat(False))).status == 401
                assert (await one.ask(CHAT, chat(False), **who)).status == 200
                await one.server.keys.revoke(key.id)  # no way back to a server without keys
                assert (await one.ask(CHAT, chat(False))).status == 401
            async with live(tmp_path, backend) as one:
                await key_of(one)
            async with live(tmp_path, backend) as one:
                assert not one.server.open
                assert (await one.ask(CHAT, chat(False))).status == 401

    asyncio.run(main())


def test_a_server_may_stay_open_where_nobody_else_can_reach_it(tmp_path: Path) -> None:
    async def main() -> None:
        settings = Settings(database=f"sqlite:///{tmp_path}/server.db", open=True)
        async with opened(settings, []) as server:
            await server.keys.create(Key(name="a"))
            assert (await server.who({"host": "127.0.0.1"})).id == "local"
        with pytest.raises(ValueError, match="--open"):
            async with opened(Settings(host="0.0.0.0", open=True), []):
                pass

    asyncio.run(main())


@pytest.mark.parametrize(
    "name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP"]
)
def test_what_a_proxy_passes_on_needs_a_key(name: str, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                reply = await one.ask(CHAT, chat(False), **{name: "for=203.0.113.7"})
                assert reply.status == 403 and b"keys create" in reply.body
                assert not backend.records
                _, who = await key_of(one)
                reply = await one.ask(CHAT, chat(False), **who, **{name: "for=203.0.113.7"})
                assert reply.status == 200

    asyncio.run(main())


def test_an_open_server_answers_to_its_own_names_alone(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                for host in ("testserver", "example.org", "127.0.0.1.example.org", "8000"):
                    assert (await one.ask("/v1/models", Host=host)).status == 403, host
                for host in ("127.0.0.1", "localhost", "[::1]"):
                    for port in ("", f":{one.port}", ":9000"):  # it may be forwarded
                        assert (await one.ask("/v1/models", Host=host + port)).status == 200

    asyncio.run(main())


def test_a_model_that_a_key_may_not_use_is_none(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                _, who = await key_of(one, models=("another",))
                assert (await one.ask("/v1/models/pretend", **who)).status == 404
                assert (await one.ask("/v1/models", **who)).json()["data"] == []
                for path in ("/v1/responses/input_tokens", "/v1/responses/compact"):
                    assert (await one.ask(path, response(False), **who)).status == 404, path
                for path, body in (
                    (CHAT, chat(False)),
                    (RESPONSES, response(False)),
                    ("/v1/completions", {"model": "pretend", "prompt": "a"}),
                    ("/tokenize", {"model": "pretend", "prompt": "a"}),
                    ("/detokenize", {"model": "pretend", "tokens": [1]}),
                    ("/v1/moderations", {"model": "pretend", "input": "a"}),
                    (
                        "/v1/decisions",
                        {
                            "model": "pretend",
                            "input": "a",
                            "questions": [{"type": "predicate", "instructions": "is it a?"}],
                        },
                    ),
                ):
                    assert (await one.ask(path, body, **who)).status in (403, 404), path
                assert not backend.records

    asyncio.run(main())


def test_only_admins_see_backends_and_metrics(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                _, plain = await key_of(one)
                _, admin = await key_of(one, "admin")
                for path in ("/v1/models", "/v1/models/pretend"):
                    assert backend.url.encode() not in (await one.ask(path, **plain)).body
                    assert backend.url.encode() in (await one.ask(path, **admin)).body
                assert (await one.ask("/metrics", **plain)).status == 403
                assert (await one.ask("/metrics", **admin)).status == 200

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/responses/input_tokens", response(False)),
        ("/v1/responses/compact", response(False)),
        ("/v1/moderations", {"input": "a"}),
    ],
)
def test_work_that_costs_no_tokens_counts_among_the_requests(
    path: str, body: Any, tmp_path: Path
) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                _, who = await key_of(one, requests_per_minute=2)
                statuses = [(await one.ask(path, body, **who)).status for _ in range(3)]
                assert statuses == [200, 200, 429]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "body"), [(CHAT, chat(False)), (RESPONSES, response(False))], ids=["chat", "responses"]
)
def test_joining_a_search_counts_among_the_requests(path: str, body: Any, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(pace=0.001)) as backend:
            async with live(tmp_path, backend) as one:
                _, who = await key_of(one, requests_per_minute=2)
                who |= {"Idempotency-Key": "k"}
                statuses = [(await one.ask(path, body, **who)).status for _ in range(3)]
                assert statuses == [200, 200, 429]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("path", "body"), [(CHAT, chat(False)), (RESPONSES, response(False))], ids=["chat", "responses"]
)
def test_a_search_that_was_given_up_is_admitted_anew(path: str, body: Any, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=30, pace=0.002)) as backend:
            async with live(tmp_path, backend) as one:
                key, who = await key_of(one, at_once=1)
                again = who | {"Idempotency-Key": "k"}
                first = await one.begin(path, body, **again)
                await until(lambda: bool(backend.records))
                first.leave()
                await one.idle()
                other = await one.begin(path, body, **who)
                await until(lambda: bool(one.server.jobs.running))
                assert (await one.ask(path, body, **again)).status == 429
                other.leave()
                await one.idle()
                await one.server.keys.change(Key(key.id, "a", models=("another",)))
                assert (await one.ask(path, body, **again)).status in (403, 404)
                assert len(one.server.jobs.running) == 0

    asyncio.run(main())


@pytest.mark.parametrize("change", ["scope", "revoked", "expired", "model", "capped"])
def test_a_response_is_taken_up_by_what_its_key_may_now(change: str, tmp_path: Path) -> None:
    async def main() -> None:
        with Backend(Manners(paragraphs=8, pace=0.02)) as backend:
            async with live(tmp_path, backend, grace=0.1) as one:
                key, who = await key_of(one, "chat", "cot:read")
                body = response(
                    False, background=True, system2={"reasoning_visibility": "raw", "samples": 4},
                    reasoning={"summary": "auto", "effort": "high"},
                )  # fmt: skip
                id = (await one.ask(RESPONSES, body, **who)).json()["id"]
                await until(lambda: bool(backend.records))
                scopes = frozenset({"chat"})
                if change == "scope":
                    await one.server.keys.change(Key(key.id, "a", scopes))
                if change == "revoked":
                    await one.server.keys.revoke(key.id)
                if change == "expired":
                    await one.server.keys.change(Key(key.id, "a", scopes, expires_at=1))
                if change == "model":
                    await one.server.keys.change(Key(key.id, "a", scopes, models=("another",)))
                if change == "capped":
                    wanted = Key(key.id, "a", scopes | {"cot:read"}, dollars_a_day=Decimal(5))
                    await one.server.keys.change(wanted)
            backend.manners.pace = 0.0
            before = len(backend.records)
            async with live(tmp_path, backend) as one:
                shows = [held.begun.show for held in one.server.under_way.values()]
                assert shows == {"scope": ["summary"], "capped": ["raw"]}.get(change, [])
                await one.idle()
                found = await one.server.stored.responses.get(id, key.id)
                assert found
                over = {"completed", "incomplete"} if shows else {"failed"}
                assert found.status in over, found.body
                assert (len(backend.records) > before) == bool(shows)

    asyncio.run(main())


def test_a_connection_ends_with_its_key(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                key, who = await key_of(one)
                url = f"ws://127.0.0.1:{one.port}/v1/responses"
                asked = json.dumps({"type": "response.create", **response(False)})
                async with connect(url, additional_headers=who) as wire:
                    await wire.send(asked)
                    while json.loads(await wire.recv())["type"] != "response.completed":
                        pass
                    await one.server.keys.revoke(key.id)
                    bought = len(backend.records)
                    await wire.send(asked)
                    told = json.loads(await wire.recv())
                    assert told["type"] == "error" and told["status"] == 401
                    assert len(backend.records) == bought

    asyncio.run(main())
