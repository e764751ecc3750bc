"""`system2 keys` and `system2 usage`, as a person types them."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from cli.command import run

from system2.cli.main import main
from system2.core import Usage
from system2.server.data import Database, Entry, Keys, Ledger

LIMITS = (
    *("--scope", "chat", "--scope", "cot:read", "--model", "a/b", "--rpm", "60", "--tpm", "1000"),
    *("--at-once", "4", "--most-effort", "high", "--dollars-a-request", "0.50"),
    *("--dollars-a-day", "2", "--dollars-a-month", "20", "--locale", "zh-CN", "--expires", "30d"),
)


def test_a_key_from_beginning_to_end(url: str, tmp_path: Path) -> None:
    where = ("--database", url)
    empty = run("keys", "list", *where, data=tmp_path)
    assert (empty.status, empty.out) == (0, "") and "there are no keys yet" in empty.said
    made = run("keys", "create", "ann", *LIMITS, *where, data=tmp_path)
    secret = made.out.strip()
    assert made.status == 0 and re.fullmatch("sk-s2-[A-Za-z0-9]{40}", secret)
    assert secret not in made.err and "shown this once" in made.said
    (key,) = json.loads(run("keys", "list", "--json", *where, data=tmp_path).out)
    assert key.pop("created_at") + 30 * 86_400 == key.pop("expires_at")
    id = key.pop("id")
    assert key == {
        "name": "ann", "ending": secret[-4:], "scopes": ["chat", "cot:read"], "models": ["a/b"],
        "requests_per_minute": 60, "tokens_per_minute": 1000, "at_once": 4, "most_effort": "high",
        "locale": "zh-CN", "dollars_a_request": "0.50", "dollars_a_day": "2",
        "dollars_a_month": "20", "revoked_at": None,
    }  # fmt: skip
    table = run("keys", "list", *where, data=tmp_path).out
    assert id in table and f"…{secret[-4:]}" in table and "$0.50/request" in table
    assert secret not in table and " until 20" in table

    async def found() -> bool:
        async with Database.open(url) as db:
            beside = None if db.sqlite else tmp_path / "system2" / "pepper"
            return await Keys(db, file=beside).find(secret) is not None

    assert asyncio.run(found())
    assert run("keys", "revoke", id, *where, data=tmp_path).status == 0
    assert not asyncio.run(found())
    assert "revoked" in run("keys", "list", *where, data=tmp_path).out


def test_usage_as_a_table_and_as_json(tmp_path: Path) -> None:
    file = str(tmp_path / "a.db")
    day = 86_400

    async def book() -> None:
        async with Database.open(file) as db, Ledger.open(db) as ledger:
            for n, dollars in enumerate((Decimal("0.000001"), Decimal("0.25"), None)):
                await ledger.book(
                    [
                        Entry(
                            1_795_348_800 + n * day, "r", "r", "key_a", "m\x1b[2J", "policy", n + 1,
                            Usage(prompt=1000, reasoning=n, answer=2), dollars=dollars,
                        )
                    ]
                )  # fmt: skip

    assert "nothing was spent" in run("usage", "--database", file).said
    asyncio.run(book())
    table = run("usage", SYSTEM2_DATABASE=file).out.splitlines()
    assert table[0].split() == [
        "key", "model", "day", "calls", "prompt", "cached", "reasoning", "answer", "cost",
    ]  # fmt: skip
    assert [line.split()[-1] for line in table[1:]] == ["$0.000001", "$0.250000", "unknown"]
    assert "2026-11-22" in table[1] and "m\\x1b[2J" in table[1] and "\x1b" not in "".join(table)
    (all_,) = json.loads(run("usage", "--by", "key", "--json", "--database", file).out)
    assert all_["dollars"] == "0.250001" and all_["calls_without_price"] == 1
    assert (all_["key"], all_["calls"], all_["prompt_tokens"]) == ("key_a", 3, 3000)
    late = run("usage", "--since", "2026-11-23", "--by", "model", "--database", file).out
    assert late.splitlines()[1].endswith("$0.250000 + 1 unknown")


def test_a_key_that_there_never_was_is_not_one_that_spent_nothing(tmp_path: Path) -> None:
    file = str(tmp_path / "a.db")
    run("keys", "create", "a", "--database", file)
    (made,) = json.loads(run("keys", "list", "--json", "--database", file).out)
    for id in (made["id"], "local"):
        idle = run("usage", "--key", id, "--database", file)
        assert idle.status == 0 and "nothing was spent" in idle.said
    for words in ((), ("--json",)):
        ran = run("usage", "--key", "key_nobody", *words, "--database", file)
        assert (ran.status, ran.out) == (2, "")
        assert "there is no key 'key_nobody'" in ran.said and "system2 keys list" in ran.said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("keys", "create", "a", "--scope", "all"), "no scope 'all'; there are chat, cot:read"),
        (("keys", "create", "a", "--rpm", "0"), "requests_per_minute must be at least 1"),
        (("keys", "create", "a", "--dollars-a-month", "much"), "--dollars-a-month: expected"),
        (("keys", "create", "a", "--expires", "soon"), "--expires soon: expected a number with"),
        (("keys", "create", "a", "--most-effort", "huge"), "'huge'"),
        (("keys", "create", " "), "a key's name has 1 to 100 characters"),
        (("keys", "revoke", "key_1"), "there is no key 'key_1'"),
        (("usage", "--since", "2026-13-01"), "expected a day such as 2026-11-01"),
        (("usage", "--since", "yesterday"), "expected a day such as 2026-11-01"),
        (("usage", "--by", "colour"), "no group 'colour'; there are key, model, day, role"),
        (("usage", "--database", "oracle://x:geheim@y"), "oracle://x:***@y: not a database"),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SYSTEM2_DATABASE", str(tmp_path / "a.db"))
    assert main(words) == 1
    ran = capsys.readouterr()
    assert said in ran.err and ran.err.count("\n") == 1 and ran.out == ""
    assert "geheim" not in ran.err


def test_without_the_extra(tmp_path: Path) -> None:
    (tmp_path / "sqlalchemy.py").write_text("raise ImportError('no sqlalchemy here')")
    path = f"{tmp_path}:{Path(__file__).parents[3] / 'src'}"
    for words in (("keys", "list"), ("keys", "create", "a"), ("keys", "revoke", "a"), ("usage",)):
        ran = run(*words, data=tmp_path, PYTHONPATH=path)
        assert ran.status == 1 and "pip install 'system2[server]'" in ran.said
