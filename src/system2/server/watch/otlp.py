"""Where spans go: OTLP over HTTP, as the standard OTEL_* variables say. Sends nothing without an endpoint.

Sources: opentelemetry.io/docs/specs/otel, "SDK environment variables" and "OTLP exporter".
"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping

from system2.server.watch.spans import Spans

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
YES = frozenset({"true", "1", "span_only", "span_and_event"})
QUEUE = 16_384  # spans: a wide search plants thousands at once, between two deliveries


def spans_of(
    environ: Mapping[str, str] | None = None, *, models: Container[str] = ()
) -> Spans | None:
    """Spans that are sent as the environment says; None: it names no endpoint, or wants none sent.

    Raises ValueError in a sentence where it wants what cannot be had. The SDK reads the rest of the
    variables itself, from the process's environment: sampler, headers, timeout, resource, batches.
    """
    given = os.environ if environ is None else environ
    wanted = any(given.get(name) for name in ENDPOINTS)
    off = given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not wanted or off or given.get("OTEL_TRACES_EXPORTER", "otlp").strip() == "none":
        return None
    exporter = given.get("OTEL_TRACES_EXPORTER", "otlp").strip()
    if exporter not in ("", "otlp"):
        raise ValueError(f"OTEL_TRACES_EXPORTER is {exporter!r}; only otlp and none can be had")
    protocol = next((given[name] for name in PROTOCOLS if given.get(name)), "http/protobuf")
    if protocol != "http/protobuf":
        raise ValueError(
            f"the OTLP protocol {protocol!r} was given; only http/protobuf can be had: "
            f"set {PROTOCOLS[1]} to it, and the endpoint to a port that speaks it, often 4318"
        )
    try:
        return _sent(given, models)
    except ImportError as error:
        raise ValueError(
            f"an OTLP endpoint is set, but {error.name} is not installed: "
            f"pip install 'system2[otel]', or unset {ENDPOINTS[1]}"
        ) from error


def _sent(given: Mapping[str, str], models: Container[str]) -> Spans:
    """Spans that go to the endpoint in batches, from a thread of their own."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from system2 import __version__

    named = given.get("OTEL_SERVICE_NAME") or "service.name=" in given.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    provider = TracerProvider(
        resource=Resource.create({} if named else {"service.name": "system2"}),
        shutdown_on_exit=False,  # whoever opened it closes it
    )
    queue = None if given.get("OTEL_BSP_MAX_QUEUE_SIZE") else QUEUE
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), max_queue_size=queue))
    content = given.get(CONTENT, "").strip().lower() in YES
    return Spans(
        provider.get_tracer("system2", __version__),
        models=models,
        content=content,
        close=provider.shutdown,
    )
