"""A server that is told to end under load, or killed in the middle of responses in the background (serving.py).

    python benchmarks/serving_ends.py [--clients 40] [--kills 5] [--seed 1]

Bars: whoever waits is answered within the grace, and no stream breaks off without a last event; after `kill -9`
and a new start on the same data every response in the background ends with an answer, no completed call is
bought again, and the ledger covers what the backend sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from replies import Manners
from serving import RESPONSES, Reply, Serving, body_of, completion, response, sent, verdict

from system2.core import Called, Replied, Resumed
from system2.store import read

GRACE = 4


async def told_to_end(one: Serving, count: int, after: float) -> tuple[list[Reply | Exception], float]:  # fmt: skip
    """So many requests, and the signal in the middle of them; what came, and how long it took to end."""
    asked = [asyncio.create_task(one.ask(*body_of(n, n % 4 > 1, "end "))) for n in range(count)]
    await asyncio.sleep(after)
    one.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    found = await asyncio.gather(*asked, return_exceptions=True)
    await asyncio.to_thread(one.process.wait, 60)
    return [r for r in found if isinstance(r, Reply | Exception)], time.monotonic() - began


def ends(given: argparse.Namespace) -> bool:
    """SIGTERM under load, with time enough and without."""
    print("| SIGTERM under load | requests | answered | refused at the door | broken | streams without a last event | ended after | |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    met = True
    for name, rate in (("calls of a second", 60.0), ("calls longer than the grace", 2.0)):
        with Serving(("--effort", "low", "--grace", str(GRACE))) as one:
            asyncio.run(one.ask(*body_of(0, False)))
            one.backend.behave(Manners(rate=rate, length=60))
            found, took = asyncio.run(told_to_end(one, given.clients, 2.0))
        replies = [r for r in found if isinstance(r, Reply)]
        refused = [r for r in replies if r.status == 503]
        fine = [r for r in replies if r.status == 200]
        broken = len(found) - len(refused) - len(fine)
        streams = [r for r in fine if r.body.startswith((b"data:", b"event:"))]
        short = sum(not r.whole() for r in streams)
        plain = sum("usage" in r.json() for r in fine if r not in streams)
        good = not broken and not short and plain + len(streams) == len(fine) and took <= GRACE + 8
        met = met and good
        print(f"| {name} | {len(found)} | {len(fine)} | {len(refused)} | {broken} | {short} of {len(streams)} | {took:.1f} s (grace {GRACE}) | {verdict(good)} |", flush=True)  # fmt: skip
    return met


async def begun(one: Serving, tag: str, count: int) -> list[str]:
    """Ids of so many responses in the background."""
    asked = [one.ask(RESPONSES, response(f"why {tag} {n}?", background=True)) for n in range(count)]
    return [reply.json()["id"] for reply in await asyncio.gather(*asked)]


async def finals(one: Serving, ids: list[str]) -> list[dict[str, Any]]:
    """How they end."""
    out: list[dict[str, Any]] = []
    for id in ids:
        while True:
            found = (await one.ask(f"{RESPONSES}/{id}")).json()
            if found.get("status") not in ("queued", "in_progress"):
                break
            await asyncio.sleep(0.2)
        out.append(found)
    return out


def kills(given: argparse.Namespace) -> bool:
    """`kill -9` at random moments."""
    print("\n| kill -9 | responses | answered after a new start | in time for the events | bought again | booked ≤ sent ≤ booked + unseen | |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    dice, met = Random(given.seed), True
    with Serving(("--effort", "medium")) as one:
        since = 0
        for turn in range(given.kills):
            one.backend.behave(Manners(seed=turn, rate=60, length=60))
            ids = asyncio.run(begun(one, str(turn), 6))
            time.sleep(dice.uniform(0.1, 3.0))
            os.kill(one.process.pid, signal.SIGKILL)
            one.process.wait()
            one.start()
            found = asyncio.run(finals(one, ids))
            rows, since = one.settled(since)
            records = one.backend.counts()
            whole = sum(one["status"] == "completed" and bool(text(one)) for one in found)
            streams = [asyncio.run(one.ask(f"{RESPONSES}/{id}?stream=true")) for id in ids]
            fine = sum(ordered(stream) for stream in streams)
            again = twice(one)
            booked, true, unseen = completion(rows), sent(records), sum(r["unseen"] for r in rows)
            good = whole == len(ids) == fine and not again and booked <= true <= booked + unseen
            met = met and good
            print(f"| {turn + 1} | {len(ids)} | {whole} | {fine} | {again} | {booked} ≤ {true} ≤ {booked + unseen} | {verdict(good)} |", flush=True)  # fmt: skip
    return met


def text(body: dict[str, Any]) -> str:
    """The answer."""
    said = [item["content"][0]["text"] for item in body["output"] if item["type"] == "message"]
    return said[0] if said else ""


def ordered(stream: Reply) -> bool:
    """Are its events numbered without a gap, and is the last one the end?"""
    events = [json.loads(line[6:]) for line in stream.body.decode().splitlines() if line.startswith("data: {")]  # fmt: skip
    numbers = [event["sequence_number"] for event in events]
    return numbers == [*range(len(numbers))] and events[-1]["type"] == "response.completed"


def twice(one: Serving) -> int:
    """Continuations that were asked for again although they had been completed, by the traces."""
    again = 0
    for path in Path(f"{one.place}/system2/runs").glob("*.jsonl"):
        events = list(read(path))
        at = next((n for n, event in enumerate(events) if isinstance(event, Resumed)), len(events))
        over = {
            event.call for event in events[:at] if isinstance(event, Replied) and not event.failed
        }
        paid = {s for e in events[:at] if isinstance(e, Called) and e.call in over for s in e.seeds}
        again += len(paid & {s for e in events[at:] if isinstance(e, Called) for s in e.seeds})
    return again


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="the end of a server")
    parser.add_argument("--clients", type=int, default=40)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    met = ends(given)
    met = kills(given) and met
    sys.exit(not met)


if __name__ == "__main__":
    main()
