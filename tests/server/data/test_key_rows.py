"""Keys are found by their secret, hold until they end, and never lie anywhere in the clear."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from server.data.postgres import programs
from sqlalchemy import select

from system2.server.data import LOCAL, SCOPES, Database, Key, Keys
from system2.server.data.tables import keys

FULL = Key(
    name="ann", scopes=frozenset({"chat", "batch"}), models=("a/b", "c"), requests_per_minute=3,
    tokens_per_minute=1000, at_once=2, most_effort="high", dollars_a_request=Decimal("0.10"),
    dollars_a_day=Decimal("1E-7"), dollars_a_month=Decimal("12.345678901234567890"), locale="zh-CN",
    expires_at=2_000_000_000,
)  # fmt: skip


class Clock:
    """Stands still unless it is told."""

    def __init__(self, now: float = 1_800_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_made_and_found_and_listed(url: str, pepper: Path) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            issued = await Keys(db, file=pepper, clock=Clock()).create(FULL)
            assert re.fullmatch("sk-s2-[A-Za-z0-9]{40}", issued.secret)
            again = Keys(db, file=pepper, clock=Clock())  # as another process would
            for _ in range(2):
                assert await again.find(issued.secret) == issued.key
            assert await again.get(issued.key.id) == issued.key
            assert await again.list() == [issued.key]
            kept = replace(issued.key, id="", created_at=0, ending="")
            assert kept == FULL and issued.key.ending == issued.secret[-4:]
            other = await again.create(Key(name="bob"))
            assert (await again.find(other.secret)) == other.key != issued.key

    asyncio.run(main())


def test_what_is_no_secret_is_not_found(url: str, pepper: Path) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            known = Keys(db, file=pepper)
            secret = (await known.create(Key(name="ann"))).secret
            swapped = secret[:-1] + ("a" if secret[-1] != "a" else "b")
            for wrong in (
                "",
                "sk-s2-",
                swapped,
                secret + "a",
                secret + "\n",
                secret.lower(),
                "é" * 46,
            ):
                if wrong != secret:
                    assert await known.find(wrong) is None

    asyncio.run(main())


def test_a_key_ends(url: str, pepper: Path) -> None:
    async def main() -> None:
        clock = Clock()
        async with Database.open(url) as db:
            here = Keys(db, file=pepper, clock=clock)
            there = Keys(db, file=pepper, clock=clock)  # another process
            key = Key(name="ann", expires_at=int(clock.now) + 2)
            brief, long = await here.create(key), await here.create(Key(name="bob"))
            assert await there.find(brief.secret) and await there.find(long.secret)
            clock.now += 2  # even where it was found a moment ago
            assert await there.find(brief.secret) is None
            assert await here.find(long.secret)
            revoked = await here.revoke(long.key.id)
            assert revoked.revoked_at == int(clock.now) and not await here.any()
            assert await here.find(long.secret) is None  # at once
            clock.now += 5
            assert await there.find(long.secret) is None  # within seconds
            assert await here.revoke(long.key.id) == revoked  # for good
            await here.change(replace(long.key, requests_per_minute=5))
            assert await there.find(long.secret) is None
            with pytest.raises(ValueError, match="there is no key 'key_no'"):
                await here.revoke("key_no")

    asyncio.run(main())


def test_limits_change(url: str, pepper: Path) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            known = Keys(db, file=pepper)
            issued = await known.create(FULL)
            await known.find(issued.secret)
            changed = replace(
                issued.key, name="ann!", models=None, at_once=None, created_at=7, ending="x"
            )
            assert await known.change(changed) == await known.find(issued.secret)
            found = await known.find(issued.secret)
            assert found == replace(issued.key, name="ann!", models=None, at_once=None)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Key(name=" "), "name has 1 to 100"),
        (Key(name="a\x00"), "name has 1 to 100"),
        (Key(name="a", scopes=frozenset({"everything"})), "no scope 'everything'"),
        (Key(name="a", scopes=frozenset()), "may do nothing"),
        (Key(name="a", models=("",)), "no name of a model"),
        (Key(name="a", at_once=0), "at_once must be at least 1"),
        (Key(name="a", dollars_a_day=Decimal("-1")), "dollars_a_day must be"),
        (Key(name="a", dollars_a_month=Decimal("NaN")), "dollars_a_month must be"),
    ],
)
def test_keys_that_make_no_sense(tmp_path: Path, wrong: Key, said: str) -> None:
    async def main() -> None:
        async with Database.open(str(tmp_path / "a.db")) as db:
            with pytest.raises(ValueError, match=said):
                await Keys(db).create(wrong)
            assert await Keys(db).list() == []

    asyncio.run(main())


def test_what_a_key_may() -> None:
    key = Key(name="a", scopes=frozenset({"admin"}), models=("x",))
    assert key.may("admin") and not key.may("chat") and not key.may("cot:read")
    assert key.allows("x") and not key.allows("y") and not key.allows("X")
    assert all(LOCAL.may(scope) for scope in SCOPES) and LOCAL.allows("y") and LOCAL.id == "local"


def test_a_lost_or_foreign_pepper_is_said(url: str, pepper: Path) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            secret = (await Keys(db, file=pepper).create(Key(name="ann"))).secret
            mixed = pepper.read_bytes()
            assert pepper.stat().st_mode & 0o777 == 0o600 and len(mixed) == 32
            pepper.chmod(0o640)
            with pytest.raises(ValueError, match="chmod 600"):
                await Keys(db, file=pepper).find(secret)
            pepper.chmod(0o600)
            pepper.write_bytes(bytes(32))
            with pytest.raises(ValueError, match="not what the keys of"):
                await Keys(db, file=pepper).find(secret)
            pepper.write_bytes(b"short")
            with pytest.raises(ValueError, match="5 bytes instead of 32"):
                await Keys(db, file=pepper).find(secret)
            pepper.unlink()
            with pytest.raises(ValueError, match="is missing"):
                await Keys(db, file=pepper).create(Key(name="bob"))
            assert not pepper.exists()

    asyncio.run(main())


def test_a_secret_lies_nowhere(
    url: str, pepper: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with Database.open(url) as db:
            known = Keys(db, file=pepper)
            issued = [await known.create(Key(name=f"k{n}")) for n in range(3)]
            found = [await known.find(one.secret) for one in issued]
            await known.revoke(issued[0].key.id)
            digest = select(keys.c.digest, keys.c.ending)
            rows = await db.read(lambda connection: repr(connection.execute(digest).all()))
            said = repr((issued, found, known, db, rows)) + str(issued)
            bytes_ = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
            if not db.sqlite:
                bytes_ = dump(url)
            for one in issued:
                random = one.secret[6:]
                for part in (random, random[:20], random[20:]):
                    assert part not in said and part not in caplog.text
                    assert part.encode() not in bytes_
                assert one.key.id.encode() in bytes_  # there it was looked for in the right place

    asyncio.run(main())


def dump(url: str) -> bytes:
    """All that a PostgreSQL holds."""
    place = programs()
    assert place
    return subprocess.run([place / "pg_dump", url], capture_output=True, check=True).stdout
