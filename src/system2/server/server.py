"""Everything one process of the server holds: models, jobs, accounts, watchers. Composed in cli/serve.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from system2.server.backends import Backends
from system2.server.data.database import Database
from system2.server.data.keys import LOCAL, Key, Keys
from system2.server.data.ledger import Ledger
from system2.server.data.limits import Limits
from system2.server.data.stored import Stored
from system2.server.errors import ApiError
from system2.server.jobs import Jobs
from system2.server.lateness import LATE
from system2.server.owner import Owner
from system2.server.retries import Retries
from system2.server.sealed import Seal
from system2.server.served import Models
from system2.server.watch.logs import Logs
from system2.server.watch.metrics import Metrics
from system2.server.watch.spans import Spans

EVENT, TOKEN = 1_024, 100  # bytes that an event of a search takes, and a token of its tree, about
PASSED = frozenset({"forwarded", "x-real-ip"})
"""What a proxy adds to a request; and whatever begins with x-forwarded-."""


@dataclass(slots=True)
class Server:
    """What endpoints share.

    open   nobody needs a key: only where the socket is bound to this machine alone
    stays  open though there are keys; else the first key that is made closes it
    hosts  names in the Host header that an open server answers to, so that no web page can be made to
           ask it (DNS rebinding)
    largest  bytes of a request's body
    slow     seconds in which it must have come
    beat     seconds of silence after which a stream is kept alive
    images   hosts whose images a backend may be told to fetch
    chats, responses   what was begun, for those who ask again
    under_way   responses that are being written, by id; completing: chat completions
    batching    whoever works at batches; None: not yet, or no more
    backends    those that have not answered yet
    """

    models: Models
    jobs: Jobs
    database: Database
    keys: Keys
    limits: Limits
    ledger: Ledger
    stored: Stored
    metrics: Metrics
    spans: Spans | None
    logs: Logs
    seal: Seal
    owner: Owner
    open: bool = True
    stays: bool = False
    hosts: frozenset[str] = frozenset({"127.0.0.1", "localhost", "[::1]"})
    largest: int = 32 * 2**20
    slow: float = 60.0
    beat: float = 10.0
    images: frozenset[str] = frozenset()
    chats: Retries[Any] = field(default_factory=lambda: Retries[Any](weight))
    responses: Retries[Any] = field(default_factory=lambda: Retries[Any](weight))

    under_way: dict[str, Any] = field(default_factory=dict[str, Any])
    completing: dict[str, Any] = field(default_factory=dict[str, Any])
    batching: Any = None
    backends: Backends = field(default_factory=lambda: Backends(lambda _: None))

    def may_fetch(self, url: str) -> bool:
        """May a backend be handed this address of an image, to fetch it? Only hosts that were allowed."""
        return (urlsplit(url).hostname or "").lower() in self.images

    async def who(self, headers: Mapping[str, str]) -> Key:
        """Whose request this is, by its headers (names in lower case). Raises ApiError 401, 403."""
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        secret = secret.strip() if scheme.lower() == "bearer" else ""
        if self.open and not self.stays and await self.keys.known():
            self.open = False
        if self.open:
            direct(headers)
            self.near(headers.get("host", ""), headers.get("origin"))
            if not secret.startswith("sk-s2-"):
                return LOCAL
        if not secret:
            raise ApiError(
                401,
                "You didn't provide an API key. Send it as `Authorization: Bearer YOUR_KEY`.",
                "invalid_api_key",
            )
        key = await self.keys.find(secret)
        if key is None:
            raise ApiError(401, "Incorrect API key provided.", "invalid_api_key")
        return key

    def near(self, host: str, origin: str | None) -> None:
        """Raises ApiError 403 where a web page of somebody else's may be asking."""
        stem, _, tail = host.rpartition(":")  # any port: it may be forwarded from another machine
        name = stem if tail.isdigit() else host
        if name.lower() not in self.hosts:
            raise ApiError(
                403,
                "This server has no keys and answers to this machine alone; ask it as 127.0.0.1 or "
                "localhost.",
                "host_not_allowed",
            )
        if origin and origin.partition("://")[2].lower() != host.lower():
            raise ApiError(
                403, "This server answers to no other site's pages.", "origin_not_allowed"
            )


def direct(headers: Mapping[str, str]) -> None:
    """Raises ApiError 403 where a proxy passed this on: then who asks may be anywhere."""
    if any(name in PASSED or name.startswith("x-forwarded-") for name in headers):
        raise ApiError(
            403,
            "This server has no keys, and this request was passed on by a proxy; make keys with "
            "`system2 keys create NAME`.",
            "proxy_not_allowed",
        )


def weight(held: Any) -> int:
    """How many bytes the searches of a request take, about; one under way must not be forgotten: 0."""
    jobs = held.begun.jobs
    if not all(job.task and job.task.done() for job in jobs):
        return 0
    asked = 0
    for message in jobs[0].engine.problem.messages:  # all of them have the same
        asked += len(message.text)
        asked += sum(len(part.url) + len(part.data) for part in message.parts)
    thought = sum(job.engine.meter.usage.completion for job in jobs)
    return 1_024 + asked + EVENT * sum(job.weight for job in jobs) + TOKEN * thought


@dataclass(slots=True)
class Settings:
    """What `system2 serve` was told, of the process as a whole.

    grace   seconds that what runs may take when the process is told to end
    keys    ask for keys though only this machine can reach it, and there are none yet
    open    ask for none though there are some; only where no other machine can reach it
    most    searches at once; images: hosts whose images a backend may fetch
    lease   seconds after which others may take up what this process held, if it was not heard of
    pace    seconds between two looks at a backend that does not answer
    late    seconds that the event loop may be behind, for a while, before nothing new is begun
    """

    host: str = "127.0.0.1"
    port: int = 8000
    grace: float = 10.0
    database: str = ""
    keys: bool = False
    open: bool = False
    logs: str = "text"
    most: int = 256
    images: tuple[str, ...] = ()
    lease: float = 60.0
    pace: float = 2.0
    late: float = LATE
