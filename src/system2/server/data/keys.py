"""Keys: who may use the server, for what, and how much of it. Knows no HTTP; a secret is seen once and never kept."""

from __future__ import annotations

import hmac
import re
import secrets
import string
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from platformdirs import user_data_path
from sqlalchemy import select, update

from system2.server.data.database import Database
from system2.server.data.pepper import Pepper, pepper
from system2.server.data.tables import keys

SCOPES = ("chat", "cot:read", "runs:read", "batch", "admin")
LETTERS = string.ascii_letters + string.digits
SECRET = re.compile(r"sk-s2-[A-Za-z0-9]{40}")
SECONDS = 5  # a key that was found is believed so long
MOST = 10_000  # keys that are remembered
COUNTS = ("requests_per_minute", "tokens_per_minute", "at_once")
CAPS = ("dollars_a_request", "dollars_a_day", "dollars_a_month")


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret. None: no limit. Times are unix seconds.

    scopes   chat: ask; cot:read: see thoughts; runs:read: look at runs; batch; admin. None implies another
    models   those it may use; None: all
    ending   the last four characters of its secret
    """

    id: str = ""
    name: str = ""
    scopes: frozenset[str] = frozenset({"chat"})
    models: tuple[str, ...] | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    at_once: int | None = None
    most_effort: str | None = None
    dollars_a_request: Decimal | None = None
    dollars_a_day: Decimal | None = None
    dollars_a_month: Decimal | None = None
    locale: str | None = None
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None
    ending: str = ""

    def may(self, scope: str) -> bool:
        """Does it have this scope?"""
        return scope in self.scopes

    def allows(self, model: str) -> bool:
        """May it use this model?"""
        return self.models is None or model in self.models

    def holds(self, now: float) -> bool:
        """Is it neither revoked nor past its time?"""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


LOCAL = Key("local", "local", frozenset(SCOPES))
"""Whoever sits at this machine, where the server asks for no key."""

FIELDS = tuple(field.name for field in fields(Key))


@dataclass(frozen=True, slots=True)
class Issued:
    """A new key and its secret, which nobody can show again."""

    key: Key
    secret: str = field(repr=False)


class Keys:
    """The keys of a database.

    A key that was found is remembered for a few seconds: so long, at most, a key that another process
    revokes still works.

    file   where the pepper lies; beside an SQLite file, or among this user's data, unless told
    clock  unix seconds
    """

    def __init__(
        self, db: Database, *, file: Path | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._db = db
        self._file = file or pepper_file(db)
        self._clock = clock
        self._pepper: Pepper | None = None
        self._any, self._looked = False, float("-inf")  # is there any, and when was that seen
        self._known: OrderedDict[str, tuple[Key, float]] = OrderedDict()  # by digest, until when

    async def create(self, wanted: Key) -> Issued:
        """A new key with the name, scopes and limits of `wanted`. Raises ValueError where these are none."""
        check(wanted)
        secret = "sk-s2-" + "".join(secrets.choice(LETTERS) for _ in range(40))
        key = replace(
            wanted,
            id=f"key_{secrets.token_hex(8)}",
            created_at=wanted.created_at or int(self._clock()),
            revoked_at=None,
            ending=secret[-4:],
        )
        mixed = await self._seasoned()
        row = columns(key) | {"digest": mixed.digest(secret), "pepper": mixed.mark}
        await self._db.write(lambda db: db.execute(keys.insert(), row).rowcount)
        self._looked = float("-inf")
        return Issued(key, secret)

    async def find(self, secret: str) -> Key | None:
        """The key with this secret; None: there is none, or it is revoked or past its time."""
        if not SECRET.fullmatch(secret):
            return None
        digest, now = (await self._seasoned()).digest(secret), self._clock()
        if known := self._known.get(digest):
            key, until = known
            if now < until:
                return key if key.holds(now) else None
            del self._known[digest]
        mine = select(keys).where(keys.c.digest == digest)
        row = await self._db.read(lambda db: db.execute(mine).one_or_none())
        if row is None or not hmac.compare_digest(row.digest, digest):
            return None
        key = key_of(row)
        self._known[digest] = key, now + SECONDS
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return key if key.holds(now) else None

    async def get(self, id: str) -> Key | None:
        """The key of this id, whether it holds or not."""
        mine = select(keys).where(keys.c.id == id)
        row = await self._db.read(lambda db: db.execute(mine).one_or_none())
        return None if row is None else key_of(row)

    async def list(self) -> list[Key]:
        """All of them, the oldest first, revoked ones too."""
        ordered = select(keys).order_by(keys.c.created_at, keys.c.id)
        return [key_of(row) for row in await self._db.read(lambda db: db.execute(ordered).all())]

    async def any(self) -> bool:
        """Is there a key that holds?"""
        now = self._clock()
        return any(key.holds(now) for key in await self.list())

    async def known(self) -> bool:
        """Is there a key that holds, as of a few seconds ago at most?"""
        now = self._clock()
        if now >= self._looked + SECONDS or now < self._looked:
            self._any, self._looked = await self.any(), now
        return self._any

    async def revoke(self, id: str) -> Key:
        """Let a key hold no longer; once revoked it stays so. Raises ValueError where there is none."""
        key = await self._there(id)
        if key.revoked_at is None:
            key = replace(key, revoked_at=int(self._clock()))
            await self._write(key, {"revoked_at": key.revoked_at})
        return key

    async def change(self, key: Key) -> Key:
        """Give the key of this id the name, scopes and limits of `key`. Raises ValueError."""
        check(key)
        there = await self._there(key.id)
        kept = {name: getattr(there, name) for name in ("created_at", "revoked_at", "ending")}
        key = replace(key, **kept)
        await self._write(key, columns(key))
        return key

    async def _there(self, id: str) -> Key:
        if (key := await self.get(id)) is None:
            raise ValueError(f"there is no key {id!r}; `system2 keys list` shows them")
        return key

    async def _write(self, key: Key, values: dict[str, Any]) -> None:
        changing = update(keys).where(keys.c.id == key.id).values(values)
        await self._db.write(lambda db: db.execute(changing).rowcount)
        self._known = OrderedDict(
            (digest, known) for digest, known in self._known.items() if known[0].id != key.id
        )

    async def _seasoned(self) -> Pepper:
        """The pepper; that of the keys there are. Raises ValueError where it was lost."""
        if self._pepper is None:
            seasoned = select(keys.c.pepper).distinct()
            marks = set(await self._db.read(lambda db: db.execute(seasoned).scalars().all()))
            if marks and not self._file.exists():
                raise ValueError(
                    f"{self._file} is missing, and without it no key can be checked; restore a copy "
                    "of it, or begin with a new database"
                )
            mixed = pepper(self._file)
            if marks - {mixed.mark}:
                raise ValueError(
                    f"{self._file} is not what the keys of {self._db.name} were made with; restore "
                    "the one that was"
                )
            self._pepper = mixed
        return self._pepper


def pepper_file(db: Database) -> Path:
    """Where the pepper of a database lies."""
    if db.file is None:
        return user_data_path("system2") / "pepper"
    return db.file.with_name(db.file.name + ".pepper")


def check(key: Key) -> None:
    """Raises ValueError where a name, scope or limit makes no sense."""
    if not key.name.strip() or not key.name.isprintable() or len(key.name) > 100:
        raise ValueError(f"a key's name has 1 to 100 characters; {key.name[:40]!r} was given")
    if unknown := sorted(key.scopes - set(SCOPES)):
        raise ValueError(f"no scope {unknown[0]!r}; there are {', '.join(SCOPES)}")
    if not key.scopes:
        raise ValueError(f"a key without a scope may do nothing; give some of {', '.join(SCOPES)}")
    for word in (*(key.models or ()), *filter(None, (key.locale, key.most_effort))):
        if not word or not word.isprintable():
            raise ValueError(f"{word[:40]!r} is no name of a model, an effort or a language")
    for name in COUNTS:
        given = getattr(key, name)
        if given is not None and not 1 <= given < 2**53:
            raise ValueError(f"{name} must be at least 1, {given} was given")
    for name in CAPS:
        dollars = getattr(key, name)
        if dollars is not None and not (dollars.is_finite() and dollars >= 0):
            raise ValueError(f"{name} must be a number of at least 0, {dollars} was given")


def columns(key: Key) -> dict[str, Any]:
    """A key as its row has it."""
    row = {name: getattr(key, name) for name in FIELDS}
    row["scopes"] = " ".join(sorted(key.scopes))
    row["models"] = None if key.models is None else "\n".join(key.models)
    for name in CAPS:
        row[name] = None if row[name] is None else f"{row[name]:f}"
    return row


def key_of(row: Any) -> Key:
    """A row as a key."""
    given = {name: getattr(row, name) for name in FIELDS}
    given["scopes"] = frozenset(row.scopes.split())
    given["models"] = None if row.models is None else tuple(row.models.splitlines())
    for name in CAPS:
        given[name] = None if given[name] is None else Decimal(given[name])
    return Key(**given)
