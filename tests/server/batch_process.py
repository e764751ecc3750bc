"""A server whose leases are short: to be killed in the middle. Its words: a folder, a backend's URL, a database."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from decimal import Decimal

from system2.core import Price
from system2.options import Options
from system2.server.process import Process
from system2.server.served import Served
from system2.server.server import Settings


def main(folder: str, url: str, database: str = "", name: str = "far") -> None:
    """Serve until told to end."""
    database = database or f"sqlite:///{folder}/accounts.db"
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(100)
    sock.setblocking(False)
    far = Options(model=url, model_name="pretend", price=Price(Decimal(2), Decimal(8)))
    served = [Served("system2-mini", Options()), Served(name, far, effort="low")]
    settings = Settings(database=database, grace=1.0, lease=2.0)
    process = Process(settings, served, lambda said: print(said, flush=True))
    asyncio.run(process.run(sock, (signal.SIGTERM,)))


if __name__ == "__main__":
    main(*sys.argv[1:])
