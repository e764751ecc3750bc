"""`system2 usage`: what keys have spent, from the server's ledger. Reads it, running or not."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from system2.cli.keys import add_database, columns, needed
from system2.cli.terminal import quoted, shown

if TYPE_CHECKING:
    from system2.server.data import Spent

TOKENS = ("prompt", "cached", "reasoning", "answer", "aborted", "failed", "unseen")
SHOWN = ("prompt", "cached", "reasoning", "answer")


def add_usage(to: argparse.ArgumentParser) -> None:
    """system2 usage"""
    to.add_argument(
        "--by", default="key,model,day", metavar="key,model,day",
        help="what to add up by: key, model, day, role (policy, verifier, sidecar)",
    )  # fmt: skip
    to.add_argument("--since", metavar="2026-11-01", help="from this day on, in UTC")
    to.add_argument("--key", metavar="ID", help="of this key alone")
    to.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_database(to)
    to.set_defaults(run_command=run_usage)


def run_usage(options: argparse.Namespace) -> int:
    """The sums, one group a line; exit status 0, and 2 where there never was such a key."""
    try:
        from system2.server.data import LOCAL, Database, Keys, Ledger
    except ImportError as error:
        raise needed(error) from error
    by = [name.strip() for name in options.by.split(",") if name.strip()]
    since = None if options.since is None else begun(options.since)

    async def read() -> tuple[list[Spent], bool]:
        async with Database.open(options.database) as db:
            book = Ledger(db)
            found = await book.usage(by, key=options.key, since=since)
            known = found or options.key in (None, LOCAL.id) or await Keys(db).get(options.key)
            return found, bool(known or await book.usage((), key=options.key))

    found, known = asyncio.run(read())
    if not known:
        said = f"there is no key {options.key!r}, and nothing was spent by one; `system2 keys list` shows them"
        sys.stderr.write(f"system2: {shown(said)}\n")
        return 2
    if options.json:
        print(quoted(json.dumps([plain(one, by) for one in found], ensure_ascii=False)))  # noqa: T201
        return 0
    if not found:
        sys.stderr.write("system2: nothing was spent\n")
        return 0
    head = (*by, "calls", *SHOWN, "cost")
    for line in columns([head, *(row(one, by) for one in found)], right=len(by)):
        print(shown(line))  # noqa: T201
    return 0


def begun(given: str) -> int:
    """When a day began, in UTC, in unix seconds. Raises ValueError."""
    try:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d", given):
            raise ValueError("it is written another way")
        return int(datetime.fromisoformat(given).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise ValueError(f"--since {given}: expected a day such as 2026-11-01 ({error})") from error


def plain(one: Spent, by: list[str]) -> dict[str, Any]:
    """Sums as `--json` shows them; dollars as text, to the last digit."""
    return {
        **{name: getattr(one, name) for name in by},
        "calls": one.calls,
        **{f"{name}_tokens": getattr(one.usage, name) for name in TOKENS},
        "dollars": None if one.dollars is None else f"{one.dollars:f}",
        "calls_without_price": one.unpriced,
        "disputed_calls": one.disputed,
    }


def row(one: Spent, by: list[str]) -> tuple[str, ...]:
    """Sums in the table."""
    return (
        *(getattr(one, name) for name in by),
        f"{one.calls:,}",
        *(f"{getattr(one.usage, name):,}" for name in SHOWN),
        cost(one),
    )


def cost(one: Spent) -> str:
    """Dollars as people read them; + where some calls have no known price."""
    if one.dollars is None:
        return "unknown"
    told = f"${one.dollars:.6f}" if one.dollars else "free"
    return f"{told} + {one.unpriced:,} unknown" if one.unpriced else told
