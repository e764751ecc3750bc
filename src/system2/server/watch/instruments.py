"""The Prometheus metrics of a server: names, labels, buckets. Knows no events and no requests."""

from __future__ import annotations

from collections.abc import Container

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from system2.server.watch.labels import Few

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
FIRST = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)
LINES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Instruments:
    """All metrics, in one registry. `models`: names that may be labels; all others are "other"."""

    def __init__(self, registry: CollectorRegistry, models: Container[str]) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"system2_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"system2_{name}", text, labels, buckets=buckets, registry=registry)

        self.model = Few(models)
        self.endpoint, self.strategy, self.why = Few(most=64), Few(most=64), Few(most=32)
        self.backend, self.key, self.limit = Few(most=64), Few(most=1000), Few(most=16)
        self.requests = counter(
            "requests", "HTTP requests that ended", "endpoint", "model", "status"
        )
        self.seconds = histogram(
            "request_seconds", "From a request to the end of its reply", SECONDS, "endpoint"
        )
        self.first = histogram(
            "time_to_first_token_seconds", "From a request to its first piece", FIRST, "model"
        )
        self.thinking = histogram(
            "thinking_seconds", "Of a run, until its reply is begun", SECONDS, "model"
        )
        self.queue = histogram("queue_seconds", "A request's wait for its turn", FIRST)
        self.tokens = counter("tokens", "Tokens that calls cost; prompt includes cached",
                              "model", "kind")  # fmt: skip
        self.cost = counter("cost_usd", "Dollars, where the price is known", "model", "key_id")
        self.active = Gauge("system2_runs_active", "Runs that think now", registry=registry)
        self.runs = counter("runs", "Runs that ended, and why", "strategy", "why")
        self.nodes = counter("search_nodes", "Steps that came into a tree", "strategy", "status")
        self.samples = histogram("samples", "Finished lines of thought of a run", LINES)
        self.backtracks = counter("backtracks", "Asks that went no deeper than the one before")
        self.errors = counter("upstream_errors", "Tries that a backend failed", "backend", "code")
        self.limited = counter("rate_limited", "Requests refused by a limit", "limit")
