"""How hard a key may have a model think, and what a model's card says of that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.live import ASKED, CHAT, RESPONSES, Live, chat, live, response

from system2.effort import EFFORTS
from system2.server.data.keys import Key
from system2.server.served import Served, offered
from system2.verifiers.blank import FILLABLE

SUM = "What is 17 * 23?"


@pytest.fixture(autouse=True)
def own_traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def serving(folder: Path, tried: Callable[[Live], Any], *models: Served) -> None:
    """Try this with a server that asks for keys."""

    async def main(backend: Backend) -> None:
        async with live(folder, backend, models=models) as one:
            await tried(one)

    with Backend(Manners()) as backend:
        asyncio.run(main(backend))


async def key_of(one: Live, most: str | None) -> dict[str, str]:
    """The header of a key that may think so hard."""
    made = await one.server.keys.create(Key(name="a", most_effort=most))
    return {"Authorization": f"Bearer {made.secret}"}


def models() -> tuple[Served, ...]:
    return Served("mini", {}, effort="medium"), Served("hard", {}, effort="max")


@pytest.mark.parametrize(("path", "body"), ASKED)
def test_a_default_effort_is_cut_to_the_keys(path: str, body: Any, tmp_path: Path):
    async def tried(one: Live) -> None:
        for most, model, effort, lines in (
            ("low", "mini", "low", 1),
            ("none", "hard", "none", 0),
            ("medium", "hard", "medium", 8),
            ("high", "mini", "medium", 8),
        ):
            who = await key_of(one, most)
            reply = await one.ask(path, body(False, SUM, model=model), **who)
            assert reply.status == 200, reply.body
            own = reply.json()["system2"]
            assert own["effort"] == effort and own["samples"] <= lines

    serving(tmp_path, tried, *models())


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, chat(False, reasoning_effort="medium"), "reasoning_effort"),
        (CHAT, chat(False, model="mini-high"), "reasoning_effort"),
        (RESPONSES, response(False, reasoning={"effort": "xhigh"}), "reasoning_effort"),
        (RESPONSES, response(False, reasoning={"mode": "pro"}), "reasoning_effort"),
        (CHAT, chat(False, system2={"samples": 2}), "system2.samples"),
        (RESPONSES, response(False, system2={"samples": 100_000}), "system2.samples"),
        (CHAT, chat(False, n=2), "n"),
    ],
)  # fmt: skip
def test_what_was_asked_for_and_is_more_is_refused(
    path: str, body: Any, param: str, tmp_path: Path
):
    async def tried(one: Live) -> None:
        who = await key_of(one, "low")
        given = body if body["model"] != "pretend" else {**body, "model": "mini"}
        reply = await one.ask(path, given, **who)
        error = reply.json()["error"]
        assert (reply.status, error["code"], error["param"]) == (403, "budget_not_allowed", param)
        free = await key_of(one, None)
        if "mode" not in body.get("reasoning", ()) and "100" not in str(body):  # dear
            assert (await one.ask(path, given, **free)).status == 200

    serving(tmp_path, tried, *models())


def test_all_answers_together_have_as_many_lines_as_the_effort(tmp_path: Path):
    async def tried(one: Live) -> None:
        who = await key_of(one, "medium")
        for n, samples in ((1, None), (3, None), (8, None), (2, 4)):
            own = {} if samples is None else {"samples": samples}
            reply = await one.ask(CHAT, chat(False, SUM, model="mini", n=n, system2=own), **who)
            assert reply.status == 200, reply.body
            assert len(reply.json()["choices"]) == n
            assert reply.json()["system2"]["samples"] <= 8
        for n, samples in ((9, None), (2, 5), (3, 3)):
            own = {} if samples is None else {"samples": samples}
            reply = await one.ask(CHAT, chat(False, SUM, model="mini", n=n, system2=own), **who)
            assert reply.status == 403

    serving(tmp_path, tried, *models())


def test_a_card_says_what_this_key_may_ask_of_the_model(tmp_path: Path):
    async def tried(one: Live) -> None:
        free = await key_of(one, None)
        card = (await one.ask("/v1/models/mini", **free)).json()
        own = card["system2"]
        assert own["efforts"] == [name for name in EFFORTS if name != "pro"]
        assert own["budgets"] == {name: row.tokens for name, row in EFFORTS.items()}
        assert own["modes"] == ["standard", "pro"] and own["default_effort"] == "medium"
        assert (card["context_length"], card["max_output_tokens"]) == (1024, 640)
        assert (own["tools"], own["json_schema"], own["modalities"]) == (False, False, ["text"])
        assert FILLABLE in own["json_schema_note"]
        assert own["strategies"] == ["direct", "cot", "self_consistency"]
        assert own["summaries"] == "always" and own["reasoning_visibility"] == "summary"
        other = (await one.ask("/v1/models/pretend", **free)).json()
        assert other["max_output_tokens"] == 4096 and "context_length" not in other
        assert (other["system2"]["tools"], other["system2"]["json_schema"]) == (True, True)
        assert other["system2"]["summaries"] == "on_request"
        low = (await one.ask("/v1/models/hard", **await key_of(one, "low"))).json()["system2"]
        assert low["efforts"] == ["none", "minimal", "low"] and low["default_effort"] == "low"
        assert low["modes"] == ["standard"] and low["budgets"]["low"] == EFFORTS["low"].tokens
        listed = (await one.ask("/v1/models", **free)).json()["data"]
        assert [one["id"] for one in listed] == ["pretend", "mini", "hard"]

    serving(tmp_path, tried, *models())


def test_the_profiles_of_old_show_and_offer_what_those_models_did(tmp_path: Path):
    def made(profile: str, **more: str) -> Served:
        return offered({"name": profile, "profile": profile, **more}, "here", {})

    assert made("o1", visibility="raw").shows == "raw"
    assert [made(profile).shows for profile in ("compat", "o1", "o1-preview")] == [
        "summary", "none", "none",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="visibility 'all'"):
        made("o1", visibility="all")

    async def tried(one: Live) -> None:
        cards = {
            card["id"]: card["system2"] for card in (await one.ask("/v1/models")).json()["data"]
        }
        assert cards["o1"]["efforts"] == ["low", "medium", "high"]
        assert cards["o1-preview"]["efforts"] == []
        for name in ("o1", "o1-preview"):
            assert cards[name]["reasoning_visibility"] == "none"
            assert cards[name]["modes"] == ["standard"]
            assert cards[name]["summaries"] == "on_request"

    serving(tmp_path, tried, made("o1"), made("o1-preview"))


@pytest.mark.parametrize("action", ["answer_now"])
def test_an_answer_in_haste_fits_its_form_or_there_is_none(action: str, tmp_path: Path):
    schema = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}

    async def tried(one: Live) -> None:
        for turns in (1, 40, 400):
            body = chat(
                False, SUM, model="hard", response_format=form,
                reasoning_effort="xhigh",
            )  # fmt: skip
            waiting = asyncio.create_task(one.ask(CHAT, body))
            while not one.server.jobs.running:
                await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            for job in one.server.jobs.running:
                await one.ask(f"/v1/system2/runs/{job.run}/control", {"action": action})
            (choice,) = (await waiting).json()["choices"]
            text = choice["message"]["content"]
            assert not text or set(json.loads(text)) == {"sum"}
            assert text or choice["finish_reason"] == "length"
            await one.idle()

    serving(tmp_path, tried, *models())


def test_the_guide_names_the_budgets_that_hold():
    guide = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    for name, row in EFFORTS.items():
        assert f"| `{name}` | {row.samples:,} | {row.tokens:,} |" in guide
