"""The tables: what outlives the process. Says how rows look, not what they are for, and opens nothing.

Times are unix seconds, dollars the text of a decimal, bodies JSON as text: none of them is ever a float.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.schema import UniqueConstraint

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA = MetaData(naming_convention=NAMES)
VERSIONS = (
    "system2_schema"  # the table that says which steps a database has taken; Alembic keeps it
)
NUMBER = BigInteger().with_variant(Integer, "sqlite")  # the only kind that SQLite counts up


def must(name: str, kind: Any = Text, **given: Any) -> Column[Any]:
    """A column that is never null."""
    return Column(name, kind, nullable=False, **given)


def count(name: str) -> Column[Any]:
    """A column that counts from nought."""
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def part_of(name: str, whole: str) -> Column[Any]:
    """What a row belongs to, and goes with."""
    return Column(name, Text, ForeignKey(whole, ondelete="CASCADE"), primary_key=True)


def number() -> Column[Any]:
    """In the order of birth: seconds alone do not tell which of two came first."""
    return Column("number", NUMBER, primary_key=True, autoincrement=True)


keys = Table(
    "keys",
    METADATA,
    Column("id", Text, primary_key=True),
    must("name"),
    must("digest", unique=True),  # HMAC-SHA256 of the secret, by the pepper
    must("ending"),  # its last four characters
    must("pepper"),  # which pepper, so that a lost one is noticed
    must("scopes"),
    Column("models", Text),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("at_once", BigInteger),
    Column("most_effort", Text),
    Column("dollars_a_request", Text),
    Column("dollars_a_day", Text),
    Column("dollars_a_month", Text),
    Column("locale", Text),
    must("created_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

responses = Table(
    "responses",
    METADATA,
    Column("id", Text, primary_key=True),
    must("key_id"),
    must("model"),
    must("status"),
    Column("run", Text),
    must("created_at", BigInteger),
    must("body"),
    must("input"),
    Column("previous_id", Text),
    must("background", Boolean),
    Column("expires_at", BigInteger),
    Column("owner", Text),  # the process that works at it; null: none that said who it is
    Index("ix_responses_status", "status"),
    Index("ix_responses_expires_at", "expires_at"),
)

processes = Table(
    "processes",
    METADATA,
    Column("id", Text, primary_key=True),
    must("lease_until", BigInteger),  # it is taken for alive until then
)

response_events = Table(
    "response_events",
    METADATA,
    part_of("response_id", "responses.id"),
    Column("sequence_number", BigInteger, primary_key=True, autoincrement=False),
    must("event"),
)

chats = Table(
    "chats",
    METADATA,
    number(),
    must("id", unique=True),
    must("key_id"),
    must("model"),
    must("body"),
    must("messages"),
    must("created_at", BigInteger),
    Column("expires_at", BigInteger),
    Index("ix_chats_key_id_number", "key_id", "number"),
    Index("ix_chats_expires_at", "expires_at"),
)

chat_metadata = Table(
    "chat_metadata",
    METADATA,
    part_of("chat_id", "chats.id"),
    Column("name", Text, primary_key=True),
    must("value"),
)

TOKENS = ("prompt", "cached", "reasoning", "answer", "aborted", "failed", "unseen")

ledger = Table(
    "ledger",
    METADATA,
    number(),
    must("time", BigInteger),
    must("request_id"),
    must("run"),
    must("role"),
    must("call", BigInteger),
    must("attempt", BigInteger),
    must("key_id"),
    must("model"),
    *(count(name) for name in TOKENS),
    must("estimated", Boolean),
    Column("dollars", Text),  # null: the price is unknown
    must("disputed", Boolean),
    Column("counted", BigInteger),  # completion tokens counted here, where the backend says others
    UniqueConstraint("run", "role", "call", "attempt"),
    Index("ix_ledger_key_id_time", "key_id", "time"),
)

spending = Table(  # the ledger's sums, booked in the same transaction
    "spending",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("day", BigInteger, primary_key=True, autoincrement=False),  # days since 1970, UTC
    Column("model", Text, primary_key=True),
    Column("role", Text, primary_key=True),
    count("calls"),
    *(count(name) for name in TOKENS),
    count("unpriced"),  # calls of which nobody knows what they cost
    count("disputed"),
    must("dollars", server_default="0"),
)

files = Table(
    "files",
    METADATA,
    number(),
    must("id", unique=True),
    must("key_id"),
    must("filename"),
    must("purpose"),
    must("bytes", BigInteger),
    must("created_at", BigInteger),
    Column("expires_at", BigInteger),
    must("content", LargeBinary),
    Index("ix_files_key_id_number", "key_id", "number"),
    Index("ix_files_expires_at", "expires_at"),
)

batches = Table(
    "batches",
    METADATA,
    number(),
    must("id", unique=True),
    must("key_id"),
    must("status"),
    must("body"),
    must("created_at", BigInteger),
    Column("expires_at", BigInteger),
    Index("ix_batches_key_id_number", "key_id", "number"),
    Index("ix_batches_status", "status"),
)

batch_lines = Table(
    "batch_lines",
    METADATA,
    part_of("batch_id", "batches.id"),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    must("custom_id"),
    must("status"),  # open, completed, failed, cancelled
    must("request"),
    Column("reply", Text),
    count("lease_until"),  # who holds an open line, holds it until then
    count("fence"),  # how often it was claimed: a reply of an earlier claim comes too late
    Index("ix_batch_lines_status_batch_id", "status", "batch_id"),
)

requests = Table(
    "requests",
    METADATA,
    Column("key_id", Text, primary_key=True),
    Column("token", Text, primary_key=True),  # Idempotency-Key, or a digest of the request
    must("digest"),
    must("target"),
    must("created_at", BigInteger),
    Index("ix_requests_created_at", "created_at"),
)
