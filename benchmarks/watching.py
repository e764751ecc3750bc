"""What it costs to watch: runs with metrics, spans and logs beside the same runs without, on CPU time.

    python benchmarks/watching.py [--rounds 15] [--json FILE]

In one process, taking turns; the CPU time of all threads, so that of the decoder, and of the thread that encodes
spans. The ratio is that of the medians. `model`: the embedded model, whose decoder takes the time; the bar is for it.
`engine`: a policy that costs nothing, so that nothing but the engine stands beside the watchers.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from asking import verdict
from engine import Nothing, first
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from system2.cli.running import calm
from system2.core import FREE, Meter, Problem
from system2.engine import Engine
from system2.search import beam
from system2.server.watch import Logs, Metrics, Spans
from system2.server.watch.lines import handler
from system2.solve import prepare

BAR = 1.02
QUESTION = "Use 13, 8, 5, 2 to make 57"


class Encoded(SpanExporter):
    """Encodes spans as they would be sent, and sends them nowhere."""

    def __init__(self) -> None:
        self.spans = self.bytes = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += len(spans)
        self.bytes += len(encode_spans(spans).SerializeToString())
        return SpanExportResult.SUCCESS


def model() -> Engine:
    """16 lines of thought of the embedded model."""
    return prepare(QUESTION, samples=16, tokens=100_000, trace=False, seed=1)


def engine() -> Engine:
    """A beam of 32: some 7,000 nodes, each a call of its own."""
    strategy = beam(32, 32, 8, choose=first)
    return Engine(Problem.of("1+1"), strategy, Nothing(), Meter(price=FREE))


@dataclass(frozen=True, slots=True)
class Watch:
    """All that watch a server."""

    metrics: Metrics
    logs: Logs
    spans: Spans | None
    sender: BatchSpanProcessor
    sent: Encoded


def watch(spans: bool) -> Watch:
    """With spans or without."""
    logger, sent = logging.Logger("watching"), Encoded()
    logger.addHandler(handler("json", io.StringIO()))
    provider = TracerProvider(shutdown_on_exit=False)
    sender = BatchSpanProcessor(sent, max_queue_size=16_384)
    provider.add_span_processor(sender)
    known = {"system2"}
    drawn = Spans(provider.get_tracer("system2"), models=known) if spans else None
    return Watch(Metrics(models=known), Logs(logger, models=known), drawn, sender, sent)


def cost(make: Callable[[], Engine], seen: Watch | None) -> float:
    """Seconds of CPU time of one run and all that is told of it."""
    made = make()
    gc.collect()
    began = time.process_time()
    if seen:
        made.watchers.append(seen.metrics.run("system2", "key", "embedded", price=FREE))
        made.watchers.append(seen.logs.run(model="system2", key="key"))
        if seen.spans:
            made.watchers.append(seen.spans.run(price=FREE))
    asyncio.run(made.run())
    if seen:
        seen.sender.force_flush()
    assert not made.faults
    return time.process_time() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="what it costs to watch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="also write the numbers here")
    given = parser.parse_args()
    calm()
    rows: list[dict[str, float | str]] = []
    print("| run | watched by | CPU without, ms | with, ms | ratio | spans a run | |")
    print("|---|---|---|---|---|---|---|")
    for name, make in (("model", model), ("engine", engine)):
        for spans in (False, True):
            seen = watch(spans)
            cost(make, seen)  # what is done once
            seen.sent.spans = 0
            times: tuple[list[float], list[float]] = [], []
            for n in range(2 * given.rounds):
                times[n % 2].append(cost(make, seen if n % 2 else None))
            bare, watched = (median(one) * 1e3 for one in times)
            ratio = watched / bare
            by = "metrics, logs, spans" if spans else "metrics, logs"
            bar = verdict(ratio <= BAR) if name == "model" else ""
            each = seen.sent.spans / given.rounds
            print(
                f"| {name} | {by} | {bare:.1f} | {watched:.1f} | {ratio:.3f} | {each:,.0f} | {bar} |"
            )
            rows.append({"run": name, "by": by, "bare": bare, "watched": watched, "ratio": ratio})
            seen.sender.shutdown()
    if given.json:
        Path(given.json).write_text(json.dumps(rows, indent=1), "utf-8")


if __name__ == "__main__":
    main()
