"""`system2 serve` as a process of its own, with models of a configuration, and what it wrote to its log."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import system2

SOURCE = str(Path(system2.__file__).parents[1])
LINE = re.compile(r"system2 serves .* at (http://\S+)/v1")
FAULT = re.compile(r"Traceback| error |status=5\d\d")


class Serving:
    """Runs from `with` to the end of it. words: further words of the command line."""

    def __init__(self, folder: Path, config: str, *words: str, **env: str) -> None:
        self.folder, self.words = folder, words
        self.config, self.log = folder / "models.toml", folder / "log"
        self.config.write_text(config)
        self.env = {**os.environ, "PYTHONPATH": SOURCE, "XDG_DATA_HOME": str(folder), **env}
        self.root = ""

    @property
    def url(self) -> str:
        """Where clients are pointed at."""
        return f"{self.root}/v1"

    @property
    def port(self) -> int:
        """Of its socket."""
        return int(self.root.rpartition(":")[2])

    def __enter__(self) -> Serving:
        command = [sys.executable, "-m", "system2", "serve", "--port", "0"]
        command += ["--config", str(self.config), "--grace", "1", *self.words]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, env=self.env)
        end = time.monotonic() + 60
        while not (found := LINE.search(self.said())):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start:\n{self.said()}")
            time.sleep(0.05)
        self.root = found[1]
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8", "replace")

    def faults(self) -> list[str]:
        """Lines of the log that tell of a fault of ours.

        uvicorn has already refused what it cannot read when the reply to it comes, and says so: no fault.
        """
        return [
            line
            for line in self.said().splitlines()
            if FAULT.search(line) and "error=LocalProtocolError" not in line
        ]
