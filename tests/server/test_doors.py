"""Nothing is open without a key but what says nothing; keys and thoughts stand in no log, error, metric or file."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import ASKED, CHAT, Reply, chat, live
from starlette.routing import Route, WebSocketRoute

from system2.server.data.keys import SCOPES, Key
from system2.server.watch import logs

OPEN = {"/health", "/livez", "/readyz", "/", "/assets/{name}"}
TOLD = {"/openapi.json"}  # what may be asked, as it is published


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    yield


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that the process logs."""
    root, written = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.begin("json", written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)


def test_every_route_asks_for_a_key(tmp_path: Path) -> None:
    async def main() -> None:
        with Backend() as backend:
            async with live(tmp_path, backend, keys=True) as one:
                seen = 0
                for route in one.app.routes:
                    assert isinstance(route, Route | WebSocketRoute), route
                    path = re.sub(r"\{[^}]*\}", "x", route.path)
                    methods = route.methods or set() if isinstance(route, Route) else {"GET"}
                    for method in methods - {"HEAD"}:
                        headers = {"Connection": "close"}
                        if isinstance(route, WebSocketRoute):
                            headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
                            headers |= {"Sec-WebSocket-Version": "13"}
                            headers |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
                        for given in ({}, {"Authorization": "Bearer sk-s2-" + "a" * 40}):
                            caller = await one.begin(path, method=method, **headers, **given)
                            reply = await caller.reply()
                            door = route.path in OPEN | TOLD
                            assert (reply.status == 401) != door, (method, path, reply)
                            seen += not door
                assert seen > 40
                assert not backend.records

    asyncio.run(main())


def test_canaries_stand_nowhere(tmp_path: Path, log: io.StringIO) -> None:
    upstream, thought, question = "sk-upstream-canary-123456", "因此", "a canary asks why"
    replies: list[Reply] = []
    held: list[str] = []

    async def main() -> None:
        with Backend(Manners(key=upstream)) as backend:
            async with live(tmp_path, backend, keys=True, key=upstream) as one:
                scopes = frozenset(SCOPES) - {"cot:read"}
                made = await one.server.keys.create(Key(name="one", scopes=scopes))
                held.append(made.secret)
                door = {"Authorization": f"Bearer {made.secret}"}
                for path, body in ASKED:
                    for stream in (True, False):
                        replies.append(await one.ask(path, body(stream, question), **door))
                for wrong in (
                    chat(False, question, temperature=question),
                    chat(False, question, system2={"reasoning_visibility": "raw"}),
                    {"model": made.secret, "messages": made.secret},
                ):
                    replies.append(await one.ask(CHAT, wrong, **door))
                replies.append(await one.ask(CHAT, chat(False), Authorization=f"Bearer {made.secret}x"))  # fmt: skip
                replies.append(await one.ask(f"/v1/{made.secret}", **door))
                for status, said in ((500, thought), (400, thought), (429, thought)):
                    backend.manners = Manners(key=upstream, status=status, said=said)
                    backend.manners.headers = {"x-should-retry": "false"}
                    replies.append(await one.ask(CHAT, chat(False, question), **door))
                    replies.append(await one.ask(CHAT, chat(True, question), **door))
                backend.manners = Manners(key=upstream, reset=1.0)
                replies.append(await one.ask(CHAT, chat(True, question), **door))
                metrics = await one.ask("/metrics", **door)
                assert metrics.status == 200
                for canary in (upstream, made.secret, thought, question):
                    assert canary.encode() not in metrics.body

    asyncio.run(main())
    written = log.getvalue()
    assert len(written.splitlines()) > len(replies)
    for canary in (upstream, *held, thought, question):
        assert canary not in written
    for reply in replies:
        assert upstream.encode() not in reply.body
        if reply.status != 200:
            assert thought.encode() not in reply.body and question.encode() not in reply.body
        if reply.status == 404 or reply.status == 401:
            continue
        assert held[0].encode() not in reply.body or reply.status == 400
    for path in tmp_path.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert upstream.encode() not in data and held[0].encode() not in data, path
