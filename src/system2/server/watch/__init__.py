"""Watchers of events: metrics, spans, logs. None of them sees a thought or a key."""

from system2.server.watch.logs import Logs, begin
from system2.server.watch.metrics import Metrics
from system2.server.watch.otlp import spans_of
from system2.server.watch.spans import Heading, Spans

__all__ = ["Heading", "Logs", "Metrics", "Spans", "begin", "spans_of"]
