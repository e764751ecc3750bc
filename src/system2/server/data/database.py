"""The database: opened, brought to the schema of this version, one transaction at a time. Knows no table's meaning.

SQLite keeps a write-ahead log and is synced at every commit: what was acknowledged survives a power cut.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_data_path
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import QueuePool

from system2.server.data.tables import METADATA, VERSIONS

SCHEMA = "0002"  # the newest step in migrations/versions
LOCK = 0x5332  # of PostgreSQL: one process at a time changes the schema
T = TypeVar("T")
THREADS = 8  # transactions at once
MOST = 500  # that share one
LINGER = 0.002  # seconds that a write waits for others: a transaction costs more than what is written in it
HOW = READING, WRITING = "DEFERRED", "IMMEDIATE"  # SQLite begins a transaction
TRIES = 6  # to begin, five seconds each, while another process writes
PATIENCE = 1_500  # tries to set up a connection, .02 seconds apart
LOCKED = "database is locked"
PRAGMAS = ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
EXPECTED = "expected a file, sqlite:///FILE or postgresql://USER@HOST/NAME"


class Database:
    """An open database, for one event loop. `name` may be shown: it has no password; `file`: of SQLite.

    What is to be done is a plain function of a connection, and runs in a thread, as one transaction. It may
    be run anew from its beginning, so it changes nothing but the database.
    """

    def __init__(self, url: URL) -> None:
        self.name = shown(url)
        self.file = Path(url.database or "") if url.drivername.startswith("sqlite") else None
        self._engine = engine_of(url)
        self._how = {how: self._engine.execution_options(how=how) for how in HOW}
        self._threads = ThreadPoolExecutor(THREADS, "database")
        self._waiting: list[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None

    @staticmethod
    @asynccontextmanager
    async def open(url: str | None = None) -> AsyncGenerator[Database]:
        """The database at a URL or path, else `default()`, made or brought up to date if need be.

        Raises ValueError where the URL is none, the file is no database or is damaged, or its schema
        is of a newer system2; OSError where it cannot be reached, written, or stays locked.
        """
        db = Database(located(url or default()))
        if db.file is not None:
            owned(db.file)
        try:
            if await db.read(version_of) != SCHEMA:
                await db.write(partial(migrate, name=db.name))
            yield db
        finally:
            while db._writer:
                await asyncio.wait({db._writer})
            await asyncio.to_thread(db._close)

    @property
    def sqlite(self) -> bool:
        """Else it is PostgreSQL."""
        return self.file is not None

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What this reads; it never waits for those that write."""
        return await self._thread(self._done, work, READING)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Do this and keep it; where it raises, nothing of it is kept. Goes on though the caller leaves.

        SQLite has one writer, and what is kept is synced to disk: those who wait meanwhile share a transaction.
        """
        if not self.sqlite:
            return await asyncio.shield(self._thread(self._done, work, WRITING))
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        """Write what waits, until nothing does."""
        taken: list[tuple[Callable[[Connection], Any], asyncio.Future[Any]]] = []
        try:
            while self._waiting:
                await asyncio.sleep(LINGER)
                taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                found = await self._thread(self._together, [work for work, _ in taken])
                for (_, done), (result, error) in zip(taken, found, strict=True):
                    if not done.done():
                        done.set_exception(error) if error else done.set_result(result)
        finally:
            self._writer = None
            for _, done in (*taken, *self._waiting):
                done.cancel()  # only where the loop ends
            self._waiting = []

    def _together(
        self, works: Sequence[Callable[[Connection], Any]]
    ) -> list[tuple[Any, Exception | None]]:
        """In one transaction, if that can be: the result of each, or what it raised."""
        try:
            results = self._done(lambda connection: [work(connection) for work in works], WRITING)
            return [(result, None) for result in results]
        except Exception as error:  # noqa: BLE001  whose it is, told to whom it concerns
            if len(works) == 1 or isinstance(
                error, OSError
            ):  # that one is the database's, and all wait for it
                return [(None, error)] * len(works)
        return [self._together([work])[0] for work in works]

    def _done(self, work: Callable[[Connection], T], how: str) -> T:
        """One transaction; a writer elsewhere is waited for."""
        engine = self._how[how]
        try:
            for left in reversed(range(TRIES)):
                with engine.connect() as connection:  # what was not kept is undone at its end
                    try:
                        connection.begin()
                    except DBAPIError as error:
                        if left and busy(error):
                            continue
                        raise
                    result = work(connection)
                    connection.commit()
                    return result
            raise AssertionError("the last try returns or raises")
        except DBAPIError as error:
            if said := fault(error, self.name):
                raise said from error
            raise

    async def _thread(self, call: Callable[..., T], *given: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *given)

    def _close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()


def owned(file: Path) -> None:
    """Make it, its owner's alone as what is asked is; the log takes the same rights. Raises OSError."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(0o600)
    except OSError as error:
        raise OSError(
            f"the database {file} cannot be opened or written ({error.strerror or error}); see that "
            "its folder may be written, or give another one"
        ) from error


def default() -> str:
    """Where the accounts lie unless told: $SYSTEM2_DATABASE, else a file among this user's data."""
    return os.environ.get("SYSTEM2_DATABASE") or str(user_data_path("system2") / "server.db")


def located(given: str) -> URL:
    """A URL or path as SQLAlchemy has it, with the drivers that are used here. Raises ValueError."""
    if "://" not in given:
        return URL.create("sqlite", database=given)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):  # it may hold a password: not shown
        raise ValueError(f"the database's URL cannot be read: {EXPECTED}") from None
    match url.drivername.partition("+")[0]:
        case "sqlite" if url.database and url.database != ":memory:":
            return URL.create("sqlite", database=url.database)
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case _:
            raise ValueError(f"{shown(url)}: not a database that is known here; {EXPECTED}")


def shown(url: URL) -> str:
    """The URL without its password, wherever it stands."""
    hidden = {name: "***" for name in url.query if "pass" in name}
    bare = url.update_query_dict(hidden).set(drivername=url.drivername.partition("+")[0])
    return bare.render_as_string(hide_password=True)


def engine_of(url: URL) -> Engine:
    """Connections, with the settings that safety hangs on. Values never stand in errors."""
    if url.drivername == "postgresql+psycopg":
        return create_engine(
            url, hide_parameters=True, pool_pre_ping=True, pool_size=THREADS, pool_timeout=60
        )
    file = url.database or ""
    engine = create_engine(
        url, hide_parameters=True, pool_size=THREADS, max_overflow=0, pool_timeout=60,
        poolclass=QueuePool, creator=lambda: connect(file), pool_reset_on_return=None,
    )  # fmt: skip

    def begun(connection: Connection) -> None:
        how: str = connection.get_execution_options()["how"]
        connection.exec_driver_sql(f"BEGIN {how}")

    event.listen(engine, "begin", begun)
    return engine


def connect(file: str) -> sqlite3.Connection:
    """A connection to a file, which any thread may use, one at a time; nobody guesses where to begin."""
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        for pragma in PRAGMAS:
            set_pragma(connection, pragma)
    except BaseException:
        connection.close()
        raise
    return connection


def set_pragma(connection: sqlite3.Connection, pragma: str) -> None:
    """One setting. For the write-ahead log SQLite wants the file alone, and does not wait for it by itself."""
    for left in reversed(range(PATIENCE)):
        try:
            connection.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            if not left or LOCKED not in str(error):
                raise
        time.sleep(0.02)


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

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
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
