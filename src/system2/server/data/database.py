"""The database: opened, brought to the schema of this version, one transaction at a time. Knows no table's meaning.

SQLite keeps a write-ahead log and is synced at every commit: what was acknowledged survives a power cut.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiosqlite
from platformdirs import user_data_path
from sqlalchemy import URL, Connection, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from system2.server.data.tables import METADATA, VERSIONS

SCHEMA = "0002"  # the newest step in migrations/versions
LOCK = 0x5332  # of PostgreSQL: one process at a time changes the schema
TRIES = 6  # to begin, five seconds each, while another process writes
PATIENCE = 1_500  # tries to set up a connection, .02 seconds apart
LOCKED = "database is locked"
PRAGMAS = ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
EXPECTED = "expected a file, sqlite:///FILE or postgresql://USER@HOST/NAME"


@dataclass(slots=True, eq=False)
class Database:
    """An open database, for one event loop. `name` may be shown: it has no password."""

    name: str
    file: Path | None  # of SQLite
    _engine: AsyncEngine
    _turn: (
        asyncio.Lock
    )  # SQLite has one writer: ours wait here, in order, and not on each other's locks

    @staticmethod
    @asynccontextmanager
    async def open(url: str | None = None) -> AsyncGenerator[Database]:
        """The database at a URL or path, else `default()`, made or brought up to date if need be.

        Raises ValueError where the URL is none, the file is no database or is damaged, or its schema
        is of a newer system2; OSError where it cannot be reached, written, or stays locked.
        """
        found = located(url or default())
        file = Path(found.database or "") if found.drivername.startswith("sqlite") else None
        if file is not None:
            try:
                file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                file.touch(
                    0o600
                )  # what is asked is its owner's alone; the log takes the same rights
            except OSError as error:
                raise OSError(
                    f"the database {file} cannot be opened or written ({error.strerror or error}); see that "
                    "its folder may be written, or give another one"
                ) from error
        db = Database(shown(found), file, engine_of(found), asyncio.Lock())
        try:
            async with db.read() as connection:
                version = await connection.run_sync(version_of)
            if version != SCHEMA:
                async with db.begin() as connection:
                    if file is None:
                        await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                    await connection.run_sync(migrate, db.name)
            yield db
        finally:
            await db._engine.dispose()

    @property
    def sqlite(self) -> bool:
        """Else it is PostgreSQL."""
        return self.file is not None

    @asynccontextmanager
    async def begin(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that may write: kept when the block ends, undone when it raises. Not to be nested."""
        if not self.sqlite:
            async with self._begun("") as connection:
                yield connection
            return
        async with self._turn, self._begun("IMMEDIATE") as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """A transaction that only reads; it never waits for those that write."""
        async with self._begun("DEFERRED") as connection:
            yield connection

    @asynccontextmanager
    async def _begun(self, how: str) -> AsyncGenerator[AsyncConnection]:
        """A transaction on a connection of its own; a writer elsewhere is waited for."""
        engine = self._engine.execution_options(how=how)
        try:
            for left in reversed(range(TRIES)):
                async with engine.connect() as connection:  # what was not kept is undone at its end
                    try:
                        await connection.begin()
                    except DBAPIError as error:
                        if left and busy(error):
                            continue
                        raise
                    yield connection
                    await connection.commit()
                    return
        except DBAPIError as error:
            if said := fault(error, self.name):
                raise said from error
            raise


def default() -> str:
    """Where the accounts lie unless told: $SYSTEM2_DATABASE, else a file among this user's data."""
    return os.environ.get("SYSTEM2_DATABASE") or str(user_data_path("system2") / "server.db")


def located(given: str) -> URL:
    """A URL or path as SQLAlchemy has it, with the drivers that are used here. Raises ValueError."""
    if "://" not in given:
        return URL.create("sqlite+aiosqlite", database=given)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # it may hold a password: not shown
        raise ValueError(f"the database's URL cannot be read: {EXPECTED}") from None
    match url.drivername.partition("+")[0]:
        case "sqlite" if url.database and url.database != ":memory:":
            return URL.create("sqlite+aiosqlite", database=url.database)
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case _:
            raise ValueError(f"{shown(url)}: not a database that is known here; {EXPECTED}")


def shown(url: URL) -> str:
    """The URL without its password, wherever it stands."""
    hidden = {name: "***" for name in url.query if "pass" in name}
    bare = url.update_query_dict(hidden).set(drivername=url.drivername.partition("+")[0])
    return bare.render_as_string(hide_password=True)


def engine_of(url: URL) -> AsyncEngine:
    """Connections, with the settings that safety hangs on. Values never stand in errors."""
    if url.drivername == "postgresql+psycopg":
        return create_async_engine(
            url, hide_parameters=True, pool_pre_ping=True, pool_size=10, pool_timeout=60
        )
    file = url.database or ""
    engine = create_async_engine(
        url, hide_parameters=True, pool_size=8, max_overflow=0, pool_timeout=60,
        async_creator=lambda: connect(file),
    )  # fmt: skip

    def begun(connection: Connection) -> None:
        how: str = connection.get_execution_options().get("how", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {how}")

    event.listen(engine.sync_engine, "begin", begun)
    return engine


async def connect(file: str) -> aiosqlite.Connection:
    """A connection to a file. Where it fails, or who opens it leaves, none is left behind."""
    connection = aiosqlite.connect(file, isolation_level=None)  # nobody guesses where to begin
    vars(connection)["_thread"].daemon = True  # as SQLAlchemy does: it may not hold up an exit
    opening = asyncio.create_task(prepared(connection))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        await opening
        await connection.close()
        raise


async def prepared(connection: aiosqlite.Connection) -> aiosqlite.Connection:
    """Open it, with the settings that safety hangs on."""
    try:
        await connection
    except BaseException:  # its thread ends by itself, but not before the loop may
        await asyncio.to_thread(vars(connection)["_thread"].join)
        raise
    try:
        for pragma in PRAGMAS:
            await set_pragma(connection, pragma)
    except BaseException:
        await connection.close()
        raise
    return connection


async def set_pragma(connection: aiosqlite.Connection, pragma: str) -> None:
    """One setting. For the write-ahead log SQLite wants the file alone, and does not wait for it by itself."""
    for left in reversed(range(PATIENCE)):
        try:
            await connection.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            if not left or LOCKED not in str(error):
                raise
        await asyncio.sleep(0.02)


def version_of(connection: Connection) -> str | None:
    """The last step that this database has taken; None: none at all. Raises ValueError if it is not ours."""
    names = set(inspect(connection).get_table_names())
    if VERSIONS in names:
        return connection.execute(text(f"SELECT version_num FROM {VERSIONS}")).scalar()
    if strange := sorted(names & METADATA.tables.keys()):
        raise ValueError(
            f"the database holds tables of something else ({', '.join(strange)}); give another one"
        )
    return None


def migrate(connection: Connection, name: str) -> None:
    """Take the steps that are missing, all or none. Raises ValueError where the schema is newer than known."""
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    place = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(place).replace("%", "%%"))
    version = version_of(connection)  # another process may have been first
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise ValueError(
            f"the database {name} has the schema {version} of a newer system2; this one knows "
            f"{SCHEMA} at most: install the newer one, or give another database"
        )
    command.upgrade(config, "head")


def busy(error: DBAPIError) -> bool:
    """Is another process writing?"""
    return LOCKED in str(error.orig)


def fault(error: DBAPIError, name: str) -> ValueError | OSError | None:
    """What is wrong with the database, in a sentence; None: it is the statement that is wrong."""
    said = str(error.orig).strip().partition("\n")[0]
    if "not a database" in said or "malformed" in said:
        return ValueError(
            f"the database {name} is damaged or no database ({said}); restore a copy of it, or "
            "give another one"
        )
    if busy(error):
        return OSError(
            f"the database {name} is locked: another process has been writing for "
            f"{5 * TRIES} seconds; end it and try again"
        )
    if "unable to open" in said or "readonly" in said or "disk" in said:
        return OSError(
            f"the database {name} cannot be opened or written ({said}); see that its folder may be "
            "written and has room"
        )
    if error.connection_invalidated or type(error.orig).__name__ == "OperationalError":
        return OSError(f"the database {name} cannot be reached ({said}); see that it runs")
    return None
