"""Metrics, spans and logs of one server together: what `app` and `jobs` tell of requests and runs. No HTTP, no search."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from time import monotonic

from system2.core import Event, Finished, Piece, Price, Usage
from system2.server.errors import ApiError
from system2.server.watch.counting import Counting
from system2.server.watch.drawing import Drawing
from system2.server.watch.logs import Logs
from system2.server.watch.metrics import Metrics, Served
from system2.server.watch.spans import Answering, Heading, Spans
from system2.server.watch.telling import Telling


@dataclass(frozen=True, slots=True)
class Follower:
    """The watcher of one run, for all that watch; `close` it when the run is over, however it ended."""

    counting: Counting
    telling: Telling
    drawing: Drawing | None = None
    finished: Callable[[Finished], None] | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Piece):  # by far most are, and none of these looks at them
            return
        self.counting(event)
        self.telling(event)
        if self.drawing:
            self.drawing(event)
        if self.finished and isinstance(event, Finished):
            self.finished(event)

    def close(self) -> None:
        """The run is over, whether it said so or not."""
        self.counting.close()
        if self.drawing:
            self.drawing.close()


@dataclass(slots=True)
class Visit:
    """One HTTP request as it is watched. Set `status`, `key` and `error` as they become known.

    error   a code, or the name of a class; where an ApiError passes through, its own
    usage, cost   of the runs that finished below it; cost None: unknown
    """

    watch: Watch
    request: str
    served: Served
    headers: Mapping[str, str]
    stack: ExitStack
    key: str | None = None
    error: str | None = None
    model: str | None = None
    span: Answering | None = None
    usage: Usage | None = None
    cost: Decimal | None = Decimal(0)

    @property
    def status(self) -> int:
        """Of the reply; 200 until something else is said."""
        return self.served.status

    @status.setter
    def status(self, status: int) -> None:
        self.served.status = status

    def asked(self, heading: Heading) -> None:
        """The body is read: a model is to answer. From here on there is a span."""
        self.model = self.served.model = heading.model
        if self.watch.spans and self.span is None:
            self.span = self.stack.enter_context(self.watch.spans.request(heading, self.headers))

    def queued(self, seconds: float) -> None:
        """So long it waited for its turn."""
        self.served.queued(seconds)

    def first(self) -> None:
        """A piece of the reply goes out; the first one counts."""
        self.served.first()
        if self.span:
            self.span.first()

    def answered(self, id: str, model: str, reasons: list[str]) -> None:
        """The reply: its id, who wrote it, why each choice ended."""
        if self.span:
            self.span.answered(id, model, reasons)

    def run(
        self,
        *,
        backend: str = "",
        strategy: str = "effort",
        run: str = "",
        price: Price | None = None,
    ) -> Follower:
        """The watcher of a run that this request began, or goes on with (`run`: its name)."""
        watch, model, key = self.watch, self.model or "", self.key or ""
        return Follower(
            watch.metrics.run(model, key, backend, strategy=strategy, price=price),
            watch.logs.run(
                model=model, key=key, backend=backend, request=self.request, run=run or None
            ),
            self.span.run(strategy, run=run, price=price) if self.span else None,
            self._finished,
        )

    def _finished(self, event: Finished) -> None:
        self.usage = event.usage if self.usage is None else self.usage + event.usage
        if self.cost is not None:
            self.cost = None if event.cost is None else self.cost + event.cost


@dataclass(frozen=True, slots=True)
class Watch:
    """All that watch one server; spans only where they go somewhere."""

    metrics: Metrics = field(default_factory=Metrics)
    logs: Logs = field(default_factory=Logs)
    spans: Spans | None = None
    clock: Callable[[], float] = monotonic

    @contextmanager
    def request(
        self, *, request: str, method: str, route: str, headers: Mapping[str, str] | None = None
    ) -> Generator[Visit]:
        """Watch one HTTP request until the end of its reply. `route`: as the router has it."""
        began, visit = self.clock(), None
        try:
            with self.metrics.request(route) as served, ExitStack() as stack:
                visit = Visit(self, request, served, headers or {}, stack)
                try:
                    yield visit
                except ApiError as error:
                    visit.error = error.code or error.type
                    raise
                except BaseException as error:
                    visit.error = type(error).__qualname__
                    raise
        finally:
            if visit is not None:
                known = visit.usage is not None
                self.logs.request(
                    request=request,
                    method=method,
                    route=route,
                    status=visit.status,
                    ms=round((self.clock() - began) * 1000),
                    key=visit.key,
                    model=visit.model,
                    usage=visit.usage,
                    cost=visit.cost if known else None,
                    error=visit.error,
                )

    def run(
        self,
        *,
        model: str,
        key: str,
        backend: str = "",
        strategy: str = "effort",
        run: str = "",
        price: Price | None = None,
    ) -> Follower:
        """The watcher of a run that no request waits for: of a batch, or taken up at the start."""
        return Follower(
            self.metrics.run(model, key, backend, strategy=strategy, price=price),
            self.logs.run(model=model, key=key, backend=backend, run=run or None),
            self.spans.run(strategy, run=run, price=price) if self.spans else None,
        )

    def close(self) -> None:
        """Send what has not been sent; may take seconds."""
        if self.spans:
            self.spans.close()
