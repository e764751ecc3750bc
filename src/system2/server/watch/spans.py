"""Requests as OpenTelemetry spans, in the words of its GenAI conventions. Nothing of what was said is in them.

Sources: opentelemetry-semantic-conventions 0.66b2 (gen_ai.*, openai.*), W3C Trace Context.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Container, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from system2.core import Finished, Price, Usage
from system2.server.errors import ApiError
from system2.server.watch.bills import Bills
from system2.server.watch.drawing import Drawing, Pen
from system2.server.watch.labels import Few, word

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from system2.server.watch.drawing import Value

MOST = 2_000  # nodes of a run that are spans; more are counted


@dataclass(frozen=True, slots=True)
class Heading:
    """What the span of a request says of it; None: the client did not say.

    choices   how many replies it wants
    """

    model: str
    api: Literal["chat_completions", "responses", "completions"] = "chat_completions"
    route: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    choices: int | None = None
    stream: bool | None = None
    conversation: str | None = None
    tier: str | None = None

    @property
    def operation(self) -> str:
        """As the conventions call it."""
        return "text_completion" if self.api == "completions" else "chat"

    def attributes(self) -> dict[str, Value]:
        """Those that are known."""
        named: dict[str, Value | None] = {
            "gen_ai.operation.name": self.operation,
            "gen_ai.provider.name": "system2",
            "gen_ai.request.model": self.model,
            "gen_ai.request.max_tokens": self.max_tokens,
            "gen_ai.request.temperature": self.temperature,
            "gen_ai.request.seed": self.seed,
            "gen_ai.request.choice.count": self.choices,
            "gen_ai.request.stream": self.stream,
            "gen_ai.conversation.id": self.conversation and word(self.conversation),
            "openai.api.type": None if self.api == "completions" else self.api,
            "openai.request.service_tier": self.tier and word(self.tier),
            "openinference.span.kind": "CHAIN",
            "http.route": self.route,
        }
        return {name: value for name, value in named.items() if value is not None}


class Answering:
    """The span of a request under way. Runs below it add up to its usage when they finish."""

    def __init__(self, span: Span, context: Context, pen: Pen, clock: Callable[[], int]) -> None:
        self.span, self.context, self.pen, self.clock = span, context, pen, clock
        self.began = clock()
        self.usage: Usage | None = None
        self.cost: Decimal | None = Decimal(0)
        self.begun = False

    def run(
        self,
        strategy: str = "effort",
        *,
        run: str = "",
        price: Price | None = None,
        asides: Mapping[str, Price | None] | None = None,
    ) -> Drawing:
        """A watcher of a run that this request began, or goes on with (`run`: its name); prices as in `Metrics.run`."""
        return Drawing(
            self.pen,
            self.context,
            strategy,
            run=run,
            bills=Bills(price, asides),
            finished=self._finished,
        )

    def first(self) -> None:
        """A piece of the reply goes out; the first one counts."""
        if not self.begun:
            self.begun = True
            seconds = (self.clock() - self.began) / 1e9
            self.span.set_attribute("gen_ai.response.time_to_first_chunk", seconds)

    def answered(self, id: str, model: str, reasons: list[str]) -> None:
        """The reply: its id, who wrote it, why each choice ended."""
        self.span.set_attribute("gen_ai.response.id", word(id))
        self.span.set_attribute("gen_ai.response.model", word(model))
        self.span.set_attribute("gen_ai.response.finish_reasons", [word(one) for one in reasons])

    def failed(self, status: int, error: str) -> None:
        """It could not be answered. `error`: a code or the name of a class, never a text."""
        from opentelemetry.trace import StatusCode

        self.span.set_attribute("http.response.status_code", status)
        self.span.set_attribute("error.type", word(error))
        if status >= 500:
            self.span.set_status(StatusCode.ERROR)

    def _finished(self, event: Finished) -> None:
        self.usage = event.usage if self.usage is None else self.usage + event.usage
        if self.cost is not None:
            self.cost = None if event.cost is None else self.cost + event.cost

    def end(self) -> None:
        """Say what it cost, and close the span."""
        if self.usage is not None:
            told = {
                "gen_ai.usage.input_tokens": self.usage.prompt,
                "gen_ai.usage.output_tokens": self.usage.completion,
                "gen_ai.usage.reasoning.output_tokens": self.usage.reasoning,
                "gen_ai.usage.cache_read.input_tokens": self.usage.cached,
            }
            for name, tokens in told.items():
                self.span.set_attribute(name, tokens)
            if self.cost is not None:
                self.span.set_attribute("system2.cost.usd", float(self.cost))
        self.span.end()


class Spans:
    """Draws requests and their searches with one tracer.

    models   names that may be told; all others are "other"
    content  put questions, thoughts and answers into the spans: only where who reads them may
    most     nodes of a run that become spans
    clock    nanoseconds since 1970; close: what `close` does, such as to send what is left
    """

    def __init__(
        self,
        tracer: Tracer,
        *,
        models: Container[str] = (),
        content: bool = False,
        most: int = MOST,
        clock: Callable[[], int] = time.time_ns,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.tracer, self.clock = tracer, clock
        self.model = Few(models)
        self.pen = Pen(tracer, content, most, clock)
        self._close = close

    @contextmanager
    def request(
        self, heading: Heading, headers: Mapping[str, str] | None = None
    ) -> Generator[Answering]:
        """The span of one request, until the end of its reply; `headers` may hold a traceparent."""
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        above = TraceContextTextMapPropagator().extract(headers or {})
        heading = replace(heading, model=self.model(heading.model))
        span = self.tracer.start_span(
            f"{heading.operation} {heading.model}",
            above,
            SpanKind.SERVER,
            heading.attributes(),
            start_time=self.clock(),
        )
        seen = Answering(span, set_span_in_context(span, above), self.pen, self.clock)
        try:
            yield seen
        except ApiError as error:
            seen.failed(error.status, error.code or error.type)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            seen.failed(499, "cancelled")
            raise
        except Exception as error:
            seen.failed(500, type(error).__qualname__)  # its text may hold anything
            raise
        finally:
            seen.end()

    def run(
        self,
        strategy: str = "effort",
        *,
        run: str = "",
        price: Price | None = None,
        asides: Mapping[str, Price | None] | None = None,
    ) -> Drawing:
        """A watcher of a run that no request waits for: a trace of its own."""
        return Drawing(self.pen, None, strategy, run=run, bills=Bills(price, asides))

    def close(self) -> None:
        """Send what has not been sent; may take seconds."""
        if self._close:
            self._close()
