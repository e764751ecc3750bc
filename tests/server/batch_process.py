"""A server whose batches' leases are short: to be killed in the middle. Its words: a folder, a backend's URL."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

from system2.core import Price
from system2.options import Options
from system2.server.process import Process
from system2.server.served import Served
from system2.server.server import Settings


def main(folder: str, url: str) -> None:
    """Serve until told to end."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(100)
    sock.setblocking(False)
    far = Options(
        model=url, model_name="pretend", price=Price(*map(__import__("decimal").Decimal, "12"))
    )
    served = [Served("system2-mini", Options()), Served("far", far)]
    settings = Settings(database=f"sqlite:///{folder}/accounts.db", grace=1.0, lease=2.0)
    process = Process(settings, served, lambda said: print(said, flush=True))
    asyncio.run(process.run(sock, (signal.SIGTERM,)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
