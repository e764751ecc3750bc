"""The server's ledger against the backend's own count, whatever goes wrong between them (serving.py, server.py).

    python benchmarks/serving_money.py [--count 50] [--seed 1] [--stalled 30]

Bars: what can be known exactly is booked exactly (1.000); of what broke, never less than what reached us, the
rest within what is booked as unseen, marked estimated; a wrong report is paid as reported and flagged. And no
reply costs more than its cap.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from random import Random
from typing import Any

from replies import Manners
from serving import (  # fmt: skip
    CHAT,
    RESPONSES,
    Reply,
    Serving,
    body_of,
    chat,
    completion,
    response,
    sent,
    verdict,
)

EXACT = {"HTTP 429": {"throttle": 0.3}, "HTTP 500": {"fail": 0.3}, "reset after the body": {"reset_after": 0.5},
         "slow loris": {"loris": 0.5}}  # fmt: skip
BROKEN = {"reset in mid-body": {"reset": 0.5}, "garbage": {"garbage": 0.5}, "truncated SSE": {"short": 0.5},
          "stall": {"stall": 0.3}}  # fmt: skip
LIES = {"usage too low": 3, "usage too high": 5_000}


async def asked(one: Serving, bodies: list[tuple[str, Any]]) -> list[Reply]:
    """All at once."""
    return list(await asyncio.gather(*(one.ask(path, body) for path, body in bodies)))


def row(name: str, cells: list[Any], fine: bool) -> bool:
    """A line of the table."""
    print(f"| {name} | {' | '.join(str(cell) for cell in cells)} | {verdict(fine)} |", flush=True)
    return fine


def faults(one: Serving, given: argparse.Namespace) -> bool:
    """Ledger and truth, fault by fault."""
    print(
        "| fault | requests | calls | booked | sent | booked ÷ sent | unseen ≤ | estimated | disputed | |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    met, since = True, 0
    kinds: dict[str, dict[str, Any]] = {**EXACT, **BROKEN, **{name: {"lies": n} for name, n in LIES.items()}}  # fmt: skip
    for name, manners in kinds.items():
        one.backend.behave(Manners(seed=given.seed, stalled=given.stalled, **manners))
        bodies = [body_of(n, n % 4 > 1, name) for n in range(given.count)]
        replies = asyncio.run(asked(one, bodies))
        rows, since = one.settled(since)
        records = one.backend.counts()
        booked, true = completion(rows), sent(records)
        unseen = sum(r["unseen"] for r in rows)
        guessed = sum(r["estimated"] for r in rows if r["unseen"] or completion([r]))
        flagged = sum(r["disputed"] for r in rows)
        odd = sum(r.outcome not in ("done", "failed", "throttled") for r in records)
        statuses = Counter(reply.status for reply in replies)
        fine = set(statuses) <= {200, 502} and all(map(told, replies))
        if name in EXACT:
            fine = fine and booked == true and not unseen and not guessed
        elif name in BROKEN:
            fine = fine and booked <= true <= booked + unseen and guessed >= odd
        else:
            calls = sum(r.outcome == "done" for r in records)
            fine = fine and booked == manners["lies"] * calls and flagged == calls
        cells = [len(replies), len(records), booked, true, f"{booked / max(1, true):.3f}", unseen, guessed, flagged]  # fmt: skip
        met = row(name, cells, fine) and met
    return met


def told(reply: Reply) -> bool:
    """Is it an answer or an honest end?"""
    if reply.status != 200:
        return "error" in reply.json()
    return reply.whole() if reply.body.startswith((b"data:", b"event:", b":")) else "usage" in reply.json()  # fmt: skip


def caps(one: Serving, given: argparse.Namespace) -> bool:
    """Random caps on tokens and dollars, of a backend of random manners."""
    dice, since = Random(given.seed), one.settled(0)[1]
    worst, answers, over, seen = 0.0, 0, 0, 0
    for turn in range(4):
        one.backend.behave(Manners(seed=turn, fail=0.1, reset=0.1, truncate=0.2, length=dice.choice((40, 200))))  # fmt: skip
        bodies: list[tuple[str, Any]] = []
        for n in range(given.count):
            tokens, dollars = dice.choice((16, 64, 256, 1024, 4096)), dice.choice((0.0, 0.0005, 0.004, 0.03))  # fmt: skip
            effort = dice.choice(("none", "low", "medium", "high"))
            own = {"budget": {"usd": dollars}} if n % 2 else {}
            question, stream = f"why {turn} {n}?", n % 4 > 1
            if n % 3:
                body = chat(
                    question,
                    stream,
                    max_completion_tokens=tokens,
                    reasoning_effort=effort,
                    system2=own,
                )
                if stream:
                    body["stream_options"] = {"include_usage": True}
                bodies.append((CHAT, body))
            else:
                bodies.append((RESPONSES, response(question, stream, max_output_tokens=tokens,
                                                   reasoning={"effort": effort}, system2=own)))  # fmt: skip
        for (_, body), reply in zip(bodies, asyncio.run(asked(one, bodies)), strict=True):
            answers += told(reply)
            found = last(reply)
            if "usage" not in found or found.get("usage") is None:
                continue
            seen += 1
            used = found["usage"].get("output_tokens", found["usage"].get("completion_tokens"))
            limit = body.get("max_completion_tokens") or body["max_output_tokens"]
            cost, cap = (
                found["system2"]["cost"]["usd"],
                body["system2"].get("budget", {}).get("usd"),
            )
            over += used > limit or (cap is not None and cost > cap)
            worst = max(worst, used / limit, cost / cap if cap else 0.0)
    rows, _ = one.settled(since)
    del rows
    count = 4 * given.count
    print(
        "\n| caps | requests | with usage | answered honestly | beyond a cap | spent ÷ cap, at worst | |"
    )
    print("|---|---|---|---|---|---|---|")
    return row("tokens and dollars", [count, seen, answers, over, f"{worst:.3f}"], answers == count and not over)  # fmt: skip


def last(reply: Reply) -> dict[str, Any]:
    """The end of a reply, streamed or not."""
    if not reply.body.startswith((b"data:", b"event:", b":")):
        return reply.json()
    lines = [line[6:] for line in reply.body.decode().splitlines() if line.startswith("data: {")]
    found = json.loads(lines[-1])
    return found.get("response", found)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="the ledger against the truth")
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stalled", type=float, default=30.0)
    given = parser.parse_args()
    with Serving(("--effort", "low")) as one:
        met = faults(one, given)
        met = caps(one, given) and met
    sys.exit(not met)


if __name__ == "__main__":
    main()
