"""Metrics of the server as Prometheus reads them: of requests, of runs. Labels are few, and never text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder

from system2.core import Price
from system2.server.errors import ApiError
from system2.server.watch.bills import Bills
from system2.server.watch.counting import Counting
from system2.server.watch.instruments import Instruments

GONE = 499
"""The client left before its reply was whole, as nginx counts it."""


@dataclass(slots=True)
class Served:
    """A request under way. What is known later than its beginning is set here: `model`, `status`."""

    instruments: Instruments
    clock: Callable[[], float]
    endpoint: str
    model: str
    began: float
    status: int = 200
    begun: bool = False

    def first(self) -> None:
        """A piece of the reply goes out; the first one counts."""
        if not self.begun:
            self.begun = True
            model = self.instruments.model(self.model)
            self.instruments.first.labels(model).observe(self.clock() - self.began)

    def queued(self, seconds: float) -> None:
        """So long it waited for its turn."""
        self.instruments.queue.observe(seconds)


class Metrics:
    """Counts what a server does.

    registry  where the metrics live; None: one of its own, with the process's memory and CPU time
    models    names that may be labels (it is looked up at every use): all others are "other"
    clock     seconds, of any beginning
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        models: Container[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
        self.registry, self.clock = registry, clock
        self.instruments = Instruments(registry, models)

    def run(
        self,
        model: str,
        key_id: str,
        backend: str,
        *,
        strategy: str = "effort",
        price: Price | None = None,
        asides: Mapping[str, Price | None] | None = None,
    ) -> Counting:
        """A watcher of one run. Its dollars are counted at `price`, call by call; None: not at all.

        asides  prices of sidecars by name, where they call another model
        """
        return Counting(
            self.instruments,
            model,
            key_id,
            backend,
            strategy=strategy,
            bills=Bills(price, asides),
            clock=self.clock,
        )

    @contextmanager
    def request(self, endpoint: str, model: str = "") -> Generator[Served]:
        """Count one request until the end of its reply. `endpoint`: the route, never the path."""
        seen = Served(self.instruments, self.clock, endpoint, model, self.clock())
        try:
            yield seen
        except ApiError as error:
            seen.status = error.status
            raise
        except (asyncio.CancelledError, GeneratorExit):
            seen.status = GONE
            raise
        except Exception:
            seen.status = 500
            raise
        finally:
            to = self.instruments
            where = to.endpoint(seen.endpoint)
            to.requests.labels(where, to.model(seen.model), str(seen.status)).inc()
            to.seconds.labels(where).observe(self.clock() - seen.began)

    def limited(self, limit: str) -> None:
        """A request was refused. `limit`: which one, in a word: requests, tokens, runs, dollars."""
        self.instruments.limited.labels(self.instruments.limit(limit)).inc()

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """The body and the content type of GET /metrics; `accept`: the header of that name."""
        encode, kind = choose_encoder(accept)
        return encode(self.registry), kind
