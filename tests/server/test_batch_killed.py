"""A server with a batch is killed in the middle: it goes on, and pays for nothing twice."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clients.serving import SOURCE
from openai import OpenAI
from policies.counting_server import Manners
from policies.counting_server import Server as Backend
from server.batch_calls import asked, begun, ended, line, rows, until

from system2.core import Called, Replied
from system2.store import read


class Killed:
    """A server that can be killed and begun again in the same folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.env = {**os.environ, "PYTHONPATH": SOURCE, "XDG_DATA_HOME": str(folder)}
        self.process: Any = None

    def start(self) -> OpenAI:
        command = [
            sys.executable,
            str(Path(__file__).with_name("batch_process.py")),
            str(self.folder),
            self.url,
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env=self.env
            )
        found = re.search(r"(http://\S+/v1)", self.process.stdout.readline().decode())
        assert found, (self.folder / "log").read_text()
        return OpenAI(base_url=found[1], api_key="none", max_retries=0)

    def replied(self) -> set[int]:
        """The seeds, as they are sent, of the calls whose replies stand in the traces."""
        found: set[int] = set()
        for path in (self.folder / "system2" / "runs").glob("*.jsonl"):
            seeds: dict[int, int] = {}
            for event in read(path):
                if isinstance(event, Called):
                    seeds[event.call] = event.seeds[0] % 2**31
                elif isinstance(event, Replied) and not event.failed:
                    found.add(seeds[event.call])
        return found

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[Killed, Backend]]:
    with Backend(Manners(pace=0.04)) as backend:
        house = Killed(tmp_path, backend.url)
        yield house, backend
        if house.process.poll() is None:
            house.end(signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_server_goes_on_and_pays_for_nothing_twice(
    killed: tuple[Killed, Backend], how: signal.Signals
):
    house, backend = killed
    client = house.start()
    bodies = [
        asked(f"question {n}", reasoning_effort="high", seed=n, system2={"samples": 3})
        for n in range(4)
    ]
    lines = [line(f"l{n}", body | {"model": "far"}) for n, body in enumerate(bodies)]
    batch = begun(client, lines)
    until(lambda: house.replied())
    assert client.batches.retrieve(batch.id).status == "in_progress"
    house.end(how)
    client.close()
    kept, before = house.replied(), len(backend.records)
    assert kept
    client = house.start()
    over = ended(client, batch.id)
    assert over.status == "completed" and over.request_counts.completed == 4
    found = rows(client, over.output_file_id)
    assert sorted(found) == ["l0", "l1", "l2", "l3"]
    client.close()
    house.end(signal.SIGTERM)
    asked_again = {record.body["seed"] for record in backend.records[before:]}
    assert (
        asked_again and not kept & asked_again
    )  # what was kept is paid for, and asked for no more
    with sqlite3.connect(house.folder / "accounts.db") as db:
        runs = [row[0] for row in db.execute("select distinct run from ledger")]
    db.close()
    assert len(runs) == 4  # the searches that were begun are those that ended
