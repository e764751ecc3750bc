"""`system2 keys`: who may use the server. Writes to its database, running or not; asks it nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from system2.cli.terminal import quoted, shown

if TYPE_CHECKING:
    from system2.server.data import Key

UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
HEAD = ("id", "name", "secret", "scopes", "models", "limits", "created", "state")


def add_keys(to: argparse.ArgumentParser) -> None:
    """system2 keys"""
    kinds = to.add_subparsers(required=True, metavar="COMMAND")
    create = kinds.add_parser("create", help="make a key; its secret is shown this once")
    create.description = (
        "Prints the secret, and nothing else, on standard output: it cannot be shown again."
    )
    create.add_argument("name", metavar="NAME", help="whose it is, or what for")
    create.add_argument(
        "--scope", action="append", metavar="SCOPE",
        help="chat, cot:read, runs:read, batch, admin; may be given several times (default: chat and runs:read)",
    )  # fmt: skip
    create.add_argument(
        "--model",
        action="append",
        metavar="NAME",
        help="one it may use; several times; default all",
    )
    create.add_argument("--rpm", type=int, metavar="N", help="requests a minute")
    create.add_argument("--tpm", type=int, metavar="N", help="tokens a minute")
    create.add_argument("--at-once", type=int, metavar="N", help="requests under way at once")
    create.add_argument("--most-effort", metavar="EFFORT", help="the highest it may ask for")
    create.add_argument("--dollars-a-request", metavar="D", help="the most one request may cost")
    create.add_argument("--dollars-a-day", metavar="D", help="the most a day, in UTC")
    create.add_argument("--dollars-a-month", metavar="D", help="the most a month, in UTC")
    create.add_argument("--locale", metavar="LOCALE", help="language of summaries, as zh-CN")
    create.add_argument("--expires", metavar="30d", help="how long it holds: m, h, d or w")
    add_database(create)
    create.set_defaults(run_command=run_create)
    listing = kinds.add_parser("list", help="show all keys, without their secrets")
    listing.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_database(listing)
    listing.set_defaults(run_command=run_list)
    revoke = kinds.add_parser("revoke", help="let a key hold no longer, within seconds")
    revoke.add_argument("id", metavar="ID", help="the key's id, as `system2 keys list` shows it")
    add_database(revoke)
    revoke.set_defaults(run_command=run_revoke)


def add_database(to: argparse.ArgumentParser) -> None:
    """Where the accounts lie."""
    to.add_argument(
        "--database", metavar="URL",
        help="sqlite:///FILE or postgresql://USER@HOST/NAME (default: $SYSTEM2_DATABASE, else a "
        "file among your data)",
    )  # fmt: skip


def needed(error: ImportError) -> ValueError:
    """What to install."""
    return ValueError(
        f"the server's accounts need more packages ({error}); install them with "
        "`pip install 'system2[server]'`"
    )


def run_create(options: argparse.Namespace) -> int:
    """Make a key and show its secret; exit status 0."""
    try:
        from system2.server.data import Database, Keys
    except ImportError as error:
        raise needed(error) from error
    key = wanted(options, time.time())

    async def create() -> None:
        async with Database.open(options.database) as db:
            issued = await Keys(db).create(key)
        sys.stderr.write(
            f"system2: {issued.key.id} for {shown(issued.key.name)}; keep its secret, it is shown "
            "this once\n"
        )
        print(issued.secret)  # noqa: T201

    asyncio.run(create())
    return 0


def run_list(options: argparse.Namespace) -> int:
    """All keys, one a line; exit status 0."""
    try:
        from system2.server.data import Database, Keys
    except ImportError as error:
        raise needed(error) from error

    async def read() -> list[Key]:
        async with Database.open(options.database) as db:
            return await Keys(db).list()

    found = asyncio.run(read())
    if options.json:
        print(quoted(json.dumps([plain(key) for key in found], ensure_ascii=False)))  # noqa: T201
        return 0
    if not found:
        sys.stderr.write("system2: there are no keys yet; make one with `system2 keys create`\n")
        return 0
    now = time.time()
    for line in columns([HEAD, *(row(key, now) for key in found)]):
        print(shown(line))  # noqa: T201
    return 0


def run_revoke(options: argparse.Namespace) -> int:
    """Let a key hold no longer; exit status 0."""
    try:
        from system2.server.data import Database, Keys
    except ImportError as error:
        raise needed(error) from error

    async def revoke() -> Key:
        async with Database.open(options.database) as db:
            return await Keys(db).revoke(options.id)

    key = asyncio.run(revoke())
    sys.stderr.write(f"system2: {key.id} ({shown(key.name)}) holds no longer\n")
    return 0


def wanted(options: argparse.Namespace, now: float) -> Key:
    """The key that the options describe. Raises ValueError."""
    from system2.effort import effort
    from system2.server.data import Key
    from system2.solve import amount

    if options.most_effort is not None:
        effort(options.most_effort)

    def cap(name: str) -> Decimal | None:
        given: str | None = getattr(options, name)
        return None if given is None else amount(given, f"--{name.replace('_', '-')}")

    return Key(
        name=options.name,
        scopes=frozenset(options.scope or ("chat", "runs:read")),
        models=tuple(options.model) if options.model else None,
        requests_per_minute=options.rpm,
        tokens_per_minute=options.tpm,
        at_once=options.at_once,
        most_effort=options.most_effort,
        locale=options.locale,
        created_at=int(now),
        expires_at=None if options.expires is None else int(now) + lasting(options.expires),
        dollars_a_request=cap("dollars_a_request"),
        dollars_a_day=cap("dollars_a_day"),
        dollars_a_month=cap("dollars_a_month"),
    )


def lasting(given: str) -> int:
    """Seconds of 90m, 12h, 30d or 4w. Raises ValueError."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", given)
    if not found:
        raise ValueError(
            f"--expires {given}: expected a number with m, h, d or w (minutes, hours, days, weeks), "
            "for example 30d"
        )
    return int(found[1]) * UNITS[found[2]]


def plain(key: Key) -> dict[str, Any]:
    """A key as `--json` shows it."""
    caps = ("dollars_a_request", "dollars_a_day", "dollars_a_month")
    same = ("requests_per_minute", "tokens_per_minute", "at_once", "most_effort", "locale")
    times = ("created_at", "expires_at", "revoked_at")
    return {
        "id": key.id,
        "name": key.name,
        "ending": key.ending,
        "scopes": sorted(key.scopes),
        "models": None if key.models is None else list(key.models),
        **{name: getattr(key, name) for name in same},
        **{name: None if (cap := getattr(key, name)) is None else f"{cap:f}" for name in caps},
        **{name: getattr(key, name) for name in times},
    }


def row(key: Key, now: float) -> tuple[str, ...]:
    """A key in the list."""
    if key.revoked_at is not None:
        state = "revoked"
    elif key.expires_at is None:
        state = "holds"
    else:
        state = f"{'until' if key.holds(now) else 'ended'} {date(key.expires_at)}"
    models = "all" if key.models is None else ",".join(key.models)
    return (
        key.id, key.name, f"…{key.ending}", ",".join(sorted(key.scopes)), models, limits(key),
        date(key.created_at), state,
    )  # fmt: skip


def limits(key: Key) -> str:
    """A key's limits in a few words."""
    said = (
        (key.requests_per_minute, "{}/min"), (key.tokens_per_minute, "{} tokens/min"),
        (key.at_once, "{} at once"), (key.most_effort, "to {}"),
        (key.dollars_a_request, "${:f}/request"), (key.dollars_a_day, "${:f}/day"),
        (key.dollars_a_month, "${:f}/month"),
    )  # fmt: skip
    return ", ".join(words.format(value) for value, words in said if value is not None) or "none"


def date(seconds: int) -> str:
    """A day in UTC."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def columns(rows: Sequence[Sequence[str]], right: int = 99) -> Iterator[str]:
    """Columns as wide as what stands in them; from the column `right` on, numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        line = (
            cell.rjust(width) if n >= right else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield "  ".join(line).rstrip()
