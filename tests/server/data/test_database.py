"""The database opens, comes to the schema of this version, and says in a sentence what is wrong."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from system2.server.data import Database
from system2.server.data import database as module
from system2.server.data.tables import METADATA, VERSIONS, keys, requests

ROW = {"key_id": "k", "digest": "d", "target": "t", "created_at": 1}


def differences(connection: Connection) -> list[Any]:
    options = {"version_table": VERSIONS, "compare_type": True, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    return compare_metadata(context, METADATA)


def test_the_steps_lead_to_the_tables(url: str) -> None:
    async def main() -> list[Any]:
        for _ in range(2):  # a second time there is nothing to do
            async with Database.open(url) as db:
                found = await db.read(differences)
        return found

    assert asyncio.run(main()) == []


def test_the_schema_is_the_newest_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).with_name("migrations")))
    assert ScriptDirectory.from_config(config).get_heads() == [module.SCHEMA]


async def did(db: Database, *statements: Any) -> None:
    """These, in one transaction."""
    await db.write(lambda connection: [connection.execute(one) for one in statements] and None)


async def tokens(db: Database) -> list[str]:
    """What stands there."""
    wanted = select(requests.c.token).order_by(requests.c.token)
    return await db.read(lambda connection: [*connection.execute(wanted).scalars()])


def row(token: str) -> Any:
    """A row more."""
    return insert(requests).values(ROW | {"token": token})


def test_two_who_open_a_new_database_at_once(url: str) -> None:
    async def one() -> int:
        async with Database.open(url) as db:
            return await db.read(lambda connection: len(connection.execute(select(keys)).all()))

    async def main() -> None:
        assert await asyncio.gather(*(one() for _ in range(4))) == [0, 0, 0, 0]

    asyncio.run(main())


def test_a_newer_schema_is_left_alone(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            await did(db, text(f"UPDATE {VERSIONS} SET version_num = '9999'"))
        with pytest.raises(ValueError, match="schema 9999 of a newer system2"):
            async with Database.open(url):
                pass

    asyncio.run(main())


def test_tables_of_something_else_are_left_alone(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            await did(db, text(f"DROP TABLE {VERSIONS}"))
        with pytest.raises(ValueError, match="tables of something else"):
            async with Database.open(url):
                pass

    asyncio.run(main())


def test_what_raises_is_undone_and_what_ends_is_kept(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db:

            def undone(connection: Connection) -> None:
                connection.execute(row("undone"))
                raise ZeroDivisionError

            await did(db, row("kept"))
            with pytest.raises(ZeroDivisionError):
                await db.write(undone)
            with pytest.raises(IntegrityError) as raised:
                await did(db, row("kept"))
            assert "'t'" not in str(raised.value)  # values do not stand in errors
            assert await tokens(db) == ["kept"]

    asyncio.run(main())


def test_many_at_once_and_some_that_leave(url: str) -> None:
    async def write(db: Database, n: int) -> None:
        await did(db, row(f"{n:03}"), select(requests))

    async def main() -> tuple[set[str], set[str]]:
        async with Database.open(url) as db:
            tasks = [asyncio.create_task(write(db, n), name=f"{n:03}") for n in range(120)]
            for n in range(40):  # leave at forty different moments
                await asyncio.sleep(0)
                tasks[3 * n].cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            sure = {t.get_name() for t, e in zip(tasks, ended, strict=True) if e is None}
            await write(db, 999)  # it is still of use
            return sure, set(await tokens(db))

    sure, there = asyncio.run(main())
    assert len(sure) >= 80
    assert sure <= there  # nothing that was acknowledged is missing


def test_one_of_many_that_cannot_be_written_holds_up_no_other(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            await did(db, row("005"))
            wanted = [did(db, row(f"{n:03}")) for n in range(20)]
            ended = await asyncio.gather(*wanted, return_exceptions=True)
            assert [n for n, error in enumerate(ended) if error] == [5]
            assert isinstance(ended[5], IntegrityError)
            assert await tokens(db) == [f"{n:03}" for n in range(20)]

    asyncio.run(main())


def test_the_ledger_can_only_be_added_to(url: str) -> None:
    async def main() -> None:
        async with Database.open(url) as db:
            entry = (
                "INSERT INTO ledger (time, request_id, run, role, call, attempt, key_id, model, "
                "estimated, disputed) VALUES (1, 'r', 'r', 'policy', 1, 1, 'k', 'm', false, false)"
            )
            await did(db, text(entry))
            for what in ("UPDATE ledger SET prompt = 0", "DELETE FROM ledger"):
                with pytest.raises(DBAPIError, match="only be added to"):
                    await did(db, text(what))

    asyncio.run(main())


def opened(url: str) -> None:
    """Open and close it."""

    async def main() -> None:
        async with Database.open(url):
            pass

    asyncio.run(main())


def test_what_is_no_database_or_a_damaged_one(tmp_path: Path) -> None:
    file = tmp_path / "a.db"
    file.write_text("no database, but longer than its header would be " * 50)
    with pytest.raises(ValueError, match="damaged or no database"):
        opened(str(file))
    file.unlink()
    opened(str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\x07" * (len(whole) - 4096))
    with pytest.raises(ValueError, match=r"a\.db is damaged"):

        async def main() -> None:
            async with Database.open(str(file)) as db:
                await db.read(lambda connection: connection.execute(select(keys)).all())

        asyncio.run(main())


def test_a_database_that_another_process_writes(tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "a.db"
    opened(str(file))
    monkeypatch.setattr(module, "PRAGMAS", ("busy_timeout=20", *module.PRAGMAS[1:]))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def write() -> None:
        async with Database.open(str(file)) as db:
            await tokens(db)  # those who read do not wait
            await did(db, row("x"))

    with pytest.raises(OSError, match=r"a\.db is locked: another process has been writing"):
        asyncio.run(write())

    async def later() -> None:
        async with Database.open(str(file)) as db:
            waiting = asyncio.create_task(write())
            await asyncio.sleep(0.03)
            other.execute("COMMIT")
            await waiting
            assert await tokens(db) == ["x"]

    asyncio.run(later())
    other.close()


def test_those_who_wait_together_for_another_process_wait_once(
    tmp_path: Path, monkeypatch: Any
) -> None:
    file = tmp_path / "a.db"
    opened(str(file))
    monkeypatch.setattr(module, "PRAGMAS", ("busy_timeout=1", *module.PRAGMAS[1:]))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tried = 0

    async def main() -> list[Any]:
        nonlocal tried
        async with Database.open(str(file)) as db:

            def begun(connection: Any) -> None:
                nonlocal tried
                tried += 1

            for engine in db._how.values():
                event.listen(engine, "begin", begun)
            wanted = [did(db, row(f"{n:03}")) for n in range(20)]
            return await asyncio.gather(*wanted, return_exceptions=True)

    ended = asyncio.run(main())
    assert all(isinstance(error, OSError) for error in ended)
    assert tried == module.TRIES
    other.close()


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        opened(str(tmp_path / "file" / "a.db"))
    with pytest.raises(OSError):
        opened(str(tmp_path))


def test_it_is_its_owners_alone_and_synced(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.db"

    async def main() -> dict[str, Any]:
        async with Database.open(f"sqlite:///{file}") as db:
            names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")

            def set_so(connection: Connection) -> dict[str, Any]:
                connection.execute(row("x"))
                return {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in names}

            modes = await db.write(set_so)
            for path in file.parent.iterdir():
                assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            return modes

    assert asyncio.run(main()) == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000,
    }  # fmt: skip
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "url",
    ["mysql://ann:geheim@h/x", "sqlite://", "sqlite:///:memory:", "http://[/x?password=geheim"],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///FILE or postgresql://") as raised:
        opened(url)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:geheim@127.0.0.1:1/x",
        "postgres://127.0.0.1:1/x?user=ann&password=geheim&sslpassword=geheim",
    ],
)
def test_a_server_that_is_not_there(url: str) -> None:
    with pytest.raises(OSError, match=r"127\.0\.0\.1:1.* cannot be reached") as raised:
        opened(url)
    assert "geheim" not in str(raised.value)
