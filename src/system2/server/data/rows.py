"""What rows of several tables have in common: JSON as text, pages of a list. Knows no table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import Select, Table, select

Order = Literal["asc", "desc"]
ENCODE = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some entries of a list, in order, and whether there are more behind them."""

    entries: tuple[T, ...]
    more: bool


def packed(value: Any) -> str:
    """JSON as ASCII: half a character or a NUL, which a database may refuse, is spelt out.

    Raises ValueError where a number is none, TypeError where something is no JSON.
    """
    return ENCODE(value)


def page(entries: Sequence[T], limit: int) -> Page[T]:
    """A page of what was read with one more than its limit."""
    return Page(tuple(entries[:limit]), len(entries) > limit)


def ordered(wanted: Select[Any], table: Table, after: str | None, order: Order) -> Select[Any]:
    """The rows behind the one with the id `after`, by birth. Of an unknown id nothing is behind."""
    number = table.c.number
    if after is not None:
        there = select(number).where(table.c.id == after).scalar_subquery()
        wanted = wanted.where(number > there if order == "asc" else number < there)
    return wanted.order_by(number.asc() if order == "asc" else number.desc())
