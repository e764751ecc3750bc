"""The run endpoints, over searches of the embedded model: watched live, read from disk, stopped, given more."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from server.page.application import House, house

from system2.core import Problem
from system2.server.begin import begin
from system2.server.data.keys import LOCAL, Key
from system2.server.jobs import Job
from system2.server.wire.wanted import Wanted

HARD = "What is 12345 × 6789?"  # more than the embedded model can
RUNS = "/v1/system2/runs"


async def thought(one: House, question: str, key: Key = LOCAL, **wanted: Any) -> Job:
    """A search that is under way."""
    wish = Wanted("system2-mini", Problem.of(question), **wanted)
    begun = await begin(one.server, wish, key, "req_1", background=True)
    return begun.jobs[0]


def test_a_run_is_the_same_live_and_from_disk(tmp_path: Path):
    async def run() -> None:
        async with house(tmp_path) as one:
            job = await thought(one, "Make 24 from 4 7 8 8", effort="medium")
            live = (await one.ask("GET", f"{RUNS}/{job.run}/events")).events()
            assert [event["seq"] for event in live] == list(range(len(live)))
            assert live[0]["type"] == "system2:run.started"
            assert live[0]["model"] == "system2-mini"
            assert "key" not in live[0]["settings"]
            assert live[-1]["type"] == "system2:run.finished"
            some = (await one.ask("GET", f"{RUNS}/{job.run}/events?starting_after=3")).events()
            assert [event["seq"] for event in some] == list(range(4, len(live)))
            await asyncio.wait({job.task} if job.task else ())
            one.server.jobs.known.clear()  # as after a restart
            read = (await one.ask("GET", f"{RUNS}/{job.run}/events")).events()
            timeless = [[{**e, "seconds": 0} for e in events] for events in (live, read)]
            assert timeless[0] == timeless[1]
            whole = (await one.ask("GET", f"{RUNS}/{job.run}")).json()
            assert whole["answer"] == live[-1]["answer"]
            assert whole["system2"]["nodes"] > 0
            tops = (await one.ask("GET", f"{RUNS}/{job.run}/tree")).json()
            assert {node["parent"] for node in tops["nodes"]} == {"n0"}
            everything = (await one.ask("GET", f"{RUNS}/{job.run}/tree?depth=999")).json()
            assert len(everything["nodes"]) == whole["system2"]["nodes"]
            node = (await one.ask("GET", f"{RUNS}/{job.run}/nodes/n2")).json()
            assert node["path"][-1] == "n2"
            assert node["text"]

    asyncio.run(run())


def test_a_search_is_stopped_and_then_goes_on_with_more(tmp_path: Path):
    async def run() -> None:
        async with house(tmp_path) as one:
            job = await thought(one, HARD, effort="xhigh", tokens=500)
            ended = await job.end()
            assert ended.why == "budget"
            place = f"{RUNS}/{job.run}"
            before = (await one.ask("GET", f"{place}/events")).events()
            more = {"action": "more", "add_budget": {"tokens": 500}}
            reply = await one.ask("POST", f"{place}/control", more)
            assert reply.json() == {"success": True, "run": job.run, "running": True}
            after = (await one.ask("GET", f"{place}/events")).events()
            assert [event["seq"] for event in after] == list(range(len(after)))
            same = [(e["seq"], e["type"]) for e in before]
            assert [(e["seq"], e["type"]) for e in after][: len(same)] == same
            second = after[len(same)]
            assert second["type"] == "system2:run.started"
            assert second["resumed"]
            assert second["budget"]["tokens"] == 1_000
            assert 500 < after[-2]["tokens"] <= 1_000
            one.server.jobs.known.clear()
            read = (await one.ask("GET", f"{place}/events")).events()
            assert [(e["seq"], e["type"]) for e in read] == [(e["seq"], e["type"]) for e in after]

    asyncio.run(run())


def test_a_running_search_is_given_more_and_told_to_answer(tmp_path: Path):
    async def run() -> None:
        async with house(tmp_path) as one:
            job = await thought(one, HARD, effort="max")
            place = f"{RUNS}/{job.run}"
            reply = await one.ask(
                "POST",
                f"{place}/control",
                {"action": "more", "add_budget": {"tokens": 7}},
            )
            assert reply.status == 200
            assert job.engine.meter.budget.tokens == 524_288 + 7
            time = {"action": "more", "add_budget": {"seconds": 9}}
            assert (await one.ask("POST", f"{place}/control", time)).status == 409
            reply = await one.ask("POST", f"{place}/control", {"action": "answer_now"})
            assert reply.json()["success"]
            assert (await job.end()).why == "answer_now"

    asyncio.run(run())


def test_what_is_asked_wrongly_is_said_so(tmp_path: Path):
    async def run() -> None:
        async with house(tmp_path) as one:
            job = await thought(one, "2+2", effort="none")
            await job.end()
            place = f"{RUNS}/{job.run}"
            for method, path, body, status in (
                ("GET", f"{RUNS}/none", None, 404),
                ("GET", f"{RUNS}/..%2f..%2fetc", None, 404),
                ("GET", f"{RUNS}?limit=0", None, 400),
                ("GET", f"{RUNS}?limit=x", None, 400),
                ("GET", f"{place}/events?starting_after=-9", None, 400),
                ("GET", f"{place}/tree?parent=n99999", None, 404),
                ("GET", f"{place}/tree?parent=x", None, 400),
                ("GET", f"{place}/nodes/n0", None, 404),
                ("GET", f"{place}/nodes/n99999999999999", None, 404),
                ("POST", f"{place}/control", {"action": "explode"}, 400),
                ("POST", f"{place}/control", [], 400),
                ("POST", f"{place}/control", {"action": "more"}, 400),
                ("POST", f"{place}/control", {"action": "more", "add_budget": {"tokens": -1}}, 400),
                ("POST", f"{place}/control", {"action": "more", "add_budget": {"usd": "NaN"}}, 400),
                ("POST", f"{place}/control", {"action": "more", "add_budget": {"gold": 1}}, 400),
            ):
                reply = await one.ask(method, path, body)
                assert reply.status == status, (path, body, reply.body)
                assert reply.json()["error"].keys() == {"message", "type", "param", "code"}

    asyncio.run(run())


def test_runs_are_their_owners_alone(tmp_path: Path):
    async def run() -> None:
        async with house(tmp_path, keys=True) as one:
            made = {
                name: await one.server.keys.create(Key(name=name, scopes=frozenset(scopes)))
                for name, scopes in (
                    ("ann", {"chat", "runs:read"}),
                    ("bob", {"chat", "runs:read", "cot:read"}),
                    ("root", {"chat", "runs:read", "admin"}),
                    ("cat", {"chat"}),
                )
            }
            job = await thought(one, "What is 17 × 23?", made["ann"].key, effort="low")
            await job.end()
            for restarted in (False, True):
                if restarted:
                    one.server.jobs.known.clear()
                for name, status in (("ann", 200), ("bob", 404), ("root", 200), ("cat", 403)):
                    secret = made[name].secret
                    for path in ("", "/events", "/tree"):
                        reply = await one.ask("GET", f"{RUNS}/{job.run}{path}", secret=secret)
                        assert reply.status == status, (name, path)
                    rows = await one.ask("GET", RUNS, secret=secret)
                    if status != 403:
                        ids = [row["id"] for row in rows.json()["data"]]
                        assert (job.run in ids) == (status == 200)
                secret = made["ann"].secret
                told = await one.ask("GET", f"{RUNS}/{job.run}/events", secret=secret)
                assert b'"text"' not in told.body
                node = await one.ask("GET", f"{RUNS}/{job.run}/nodes/n1", secret=secret)
                assert (node.status, node.json()["error"]["code"]) == (403, "insufficient_scope")
            assert (await one.ask("GET", RUNS)).status == 401
            assert (await one.ask("GET", "/")).status == 200

    asyncio.run(run())


def test_the_list_is_read_page_by_page(tmp_path: Path):
    async def run() -> None:
        async with house(tmp_path) as one:
            for question in ("1+1", "2+2", "3+3"):
                await (await thought(one, question, effort="none")).end()
            first = (await one.ask("GET", f"{RUNS}?limit=2&model=system2-mini")).json()
            assert [row["question"] for row in first["data"]] == ["3+3", "2+2"]
            assert first["has_more"]
            rest = await one.ask("GET", f"{RUNS}?limit=1&after={first['last_id']}")
            assert rest.json()["data"][0]["question"] == "1+1"
            assert (await one.ask("GET", f"{RUNS}?status=failed&model=system2-mini")).json()[
                "data"
            ] == []

    asyncio.run(run())


def test_the_page_comes_under_a_strict_policy(tmp_path: Path):
    async def run() -> None:
        async with house(tmp_path) as one:
            page = await one.ask("GET", "/")
            assert page.headers["content-security-policy"].startswith("default-src 'self'; ")
            assert "unsafe" not in page.headers["content-security-policy"]
            text = page.body.decode()
            assert "http://" not in text
            assert "https://" not in text
            names = [part.split('"')[0] for part in text.split("./assets/")[1:]]
            assert names
            for name in names:
                asset = await one.ask("GET", f"/assets/{name}")
                assert asset.status == 200
                assert "immutable" in asset.headers["cache-control"]
            assert (await one.ask("GET", "/assets/none.js")).status == 404
            assert (await one.ask("GET", "/assets/..%2findex.html")).status == 404

    asyncio.run(run())
