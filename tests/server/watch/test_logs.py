"""A line for each end and each failure, and nobody's words in any of them, nor in spans, nor in metrics."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest
from engine.fakes import Fault, Faulty, always, drive
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from policies.counting_server import Manners, Server
from prometheus_client import CollectorRegistry
from server.watch.seen import MODEL, watched

from system2.core import PLAIN, CallFailed, Event, Failed, Meter, Price, Problem, Usage
from system2.engine import Engine
from system2.policies.chat import Chat
from system2.policies.fake import Digits
from system2.search import best_of
from system2.server.errors import ApiError
from system2.server.watch import Heading, Logs, Metrics, Spans
from system2.server.watch.labels import word
from system2.server.watch.lines import Form, Line, handler
from system2.server.watch.logs import begin
from system2.server.watch.trouble import SAID, code, said

KEY = "sk-s2-CANARYkeyCANARYkeyCANARYkey0123456789"
CANARIES = (KEY, "CANARY-thought", "CANARY-question", "CANARY-said", "CANARY-pass", "CANARY-model")


@pytest.fixture
def written() -> Iterator[Callable[[Form], tuple[logging.Logger, io.StringIO]]]:
    """A logger of the test's own, and what it writes."""
    made: list[logging.Logger] = []

    def make(form: Form) -> tuple[logging.Logger, io.StringIO]:
        text = io.StringIO()
        logger = logging.Logger(f"test-{len(made)}")
        logger.addHandler(handler(form, text))
        made.append(logger)
        return logger, text

    yield make
    for logger in made:
        for one in [*logger.handlers]:
            one.close()


Written = Callable[[Form], tuple[logging.Logger, io.StringIO]]


def lines(text: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.getvalue().splitlines()]


def test_a_line_for_a_request(written: Written) -> None:
    logger, text = written("json")
    Logs(logger, models={MODEL}).request(
        request="req_1", method="POST", route="/v1/responses/{id}", status=200, ms=12, key="key_1",
        model=MODEL, run="20261122-1", usage=Usage(prompt=5, cached=2, reasoning=30, answer=4),
        cost=Decimal("0.00001"),
    )  # fmt: skip
    (line,) = lines(text)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "event": "request", "request": "req_1", "method": "POST",
        "route": "/v1/responses/{id}", "status": 200, "ms": 12, "key": "key_1", "model": MODEL,
        "run": "20261122-1", "prompt": 5, "cached": 2, "reasoning": 30, "visible": 4,
        "cost": "0.00001",
    }  # fmt: skip


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (429, "warning"), (502, "error")])
def test_its_level_is_its_status(written: Written, status: int, level: str) -> None:
    logger, text = written("json")
    Logs(logger).request(
        request="r", method="GET", route="/v1/x", status=status, ms=1, error="overloaded"
    )
    (line,) = lines(text)
    assert (line["level"], line["error"]) == (level, "overloaded")


def test_a_line_for_a_run_and_for_each_failure(written: Written) -> None:
    logger, text = written("json")
    logs = Logs(logger, models={MODEL})
    with Server(
        Manners(throttled=1, headers={"retry-after-ms": "1"}, said="CANARY-said")
    ) as server:
        _, end, _ = watched(
            best_of(1),
            logs.run(model=MODEL, key="key_1", backend=server.url, request="req_1"),
            policy=Chat("pretend", base_url=server.url),
            meter=Meter(price=Price(Decimal(1), Decimal(2))),
            run="r1",
        )
        backend = server.url
    failed, ended = lines(text)
    assert failed["level"] == "warning" and failed["said"] == SAID["429"]
    assert {**failed, "time": 0, "level": 0, "said": 0} == {
        "time": 0, "level": 0, "event": "backend", "request": "req_1", "key": "key_1",
        "model": MODEL, "backend": backend, "run": "r1", "role": "policy", "error": "429", "said": 0,
    }  # fmt: skip
    assert (ended["run"], ended["why"], ended["samples"]) == ("r1", end.why, end.samples)
    assert (ended["prompt"], ended["reasoning"]) == (end.usage.prompt, end.usage.reasoning)
    assert ended["failures"] == 1 and Decimal(ended["cost"]) == end.cost
    assert ended["nodes"] > 0 and ended["request"] == "req_1"


def test_a_run_that_failed_is_an_error_and_failures_are_not_endless(written: Written) -> None:
    logger, text = written("json")
    policy = Faulty(Digits(), always(Fault(error=CallFailed("no", retry=False))))
    watched(best_of(100), Logs(logger).run(model=MODEL, key="k"), policy=policy, seed=1)
    told = lines(text)
    assert [line["event"] for line in told[:-1]] == ["backend"] * min(20, told[-1]["failures"])
    assert told[-1]["level"] == "error" and told[-1]["model"] == "other"


def test_text_says_the_same_as_json(written: Written) -> None:
    logger, text = written("text")
    Logs(logger).request(request="req_1", method="GET", route="/health", status=200, ms=3)
    time, level, rest = text.getvalue().rstrip("\n").split(" ", 2)
    assert time.endswith("Z") and level == "info"
    assert rest == "request request=req_1 method=GET route=/health status=200 ms=3"


# -------------------------------------------------------------------- what failed, in a word


@pytest.mark.parametrize(
    ("manners", "expected"),
    [
        (Manners(key=KEY), "401"),
        (Manners(model="another"), "404"),
        (Manners(fail=1.0), "500"),
        (Manners(status=400), "400"),
        (Manners(status=504), "504"),
        (Manners(status=429, code="insufficient_quota"), "429"),
        (Manners(hang="start"), "timeout"),
        (Manners(hang="middle"), "timeout"),
        (Manners(reset=1.0), "connection"),
        (Manners(abort="event"), "broken_off"),
        (Manners(abort="short"), "broken_off"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_real_failures_have_codes(manners: Manners, expected: str) -> None:
    with Server(manners) as server:
        policy = Chat("pretend", base_url=server.url, timeout=0.2 if manners.hang else 30.0)
        assert failures(policy)[0] == expected


def failures(policy: Any) -> list[str]:
    """Codes of what fails in the first try of a run."""
    engine = Engine(Problem.of("What is 1+1?"), best_of(1), policy, Meter())
    codes: list[str] = []

    def stop(event: Event) -> None:
        if isinstance(event, Failed):
            codes.append(code(event.error))
            engine.stop("seen")

    engine.watchers.append(stop)
    asyncio.run(engine.run())
    return codes


def test_no_server_and_no_chat_server_have_codes() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        assert failures(Chat("m", base_url=url))[0] == "unreachable"
    with Server() as server:
        assert failures(Chat("pretend", base_url=server.url.removesuffix("/v1")))[0] == "404"


@given(st.text())
def test_codes_are_few(text: str) -> None:
    found = code(text)
    assert found in SAID or (found.isdigit() and 400 <= int(found) < 600)
    assert said(found).isprintable() and (found in SAID or said(found).endswith(found))


# -------------------------------------------------------------------- nobody's words


@given(st.text())
def test_a_field_takes_no_text(text: str) -> None:
    shown = word(text)
    assert shown == "?" or (" " not in shown and shown.isascii() and "sk-" not in shown.lower())
    line = Line("request", **{f.name: text for f in fields(Line) if f.type == "str | None"})
    values = [value for value in line.plain().values() if isinstance(value, str)]
    assert all(" " not in value for value in values) and "\n" not in str(line)


def test_secrets_are_no_words() -> None:
    assert word(KEY) == "?" and word("Bearer-abc") == "?"
    assert word("http://user:CANARY-pass@host:1/v1?key=CANARY") == "http://host:1/v1"


def test_what_others_log_is_told_without_its_text() -> None:
    text = io.StringIO()
    root = logging.getLogger()
    before, level = [*root.handlers], root.level
    try:
        begin("json", text)
        logging.getLogger("uvicorn.error").warning("a question: %s", "CANARY-question")
        logging.getLogger("httpx").info("GET http://user:CANARY-pass@host")
        try:
            raise ValueError(f"the key {KEY} is wrong")
        except ValueError:
            logging.getLogger("asyncio").exception("a task died: CANARY-thought")
        Logs().request(request="r", method="GET", route="/", status=200, ms=1)
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    first, second, third = lines(text)
    assert (first["logger"], first["level"]) == ("uvicorn.error", "warning")
    assert (second["error"], second["raised"].split(":")[0]) == ("ValueError", "test_logs.py")
    assert third["event"] == "request"
    assert not [canary for canary in CANARIES if canary in text.getvalue()]


def test_canaries_are_nowhere(written: Written) -> None:
    """Key, question, thoughts, a server's own words, a password in its address: all planted, none found."""
    (logger, text), (other, plain) = written("json"), written("text")
    seen = Metrics(CollectorRegistry(), models={MODEL})
    kept, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    spans = Spans(provider.get_tracer("test"), models={MODEL})
    thought = "CANARY-thought CANARY-thought"
    echo = f"CANARY-said: you asked CANARY-question with {KEY}"
    for manners in (
        Manners(),
        Manners(status=400, said=echo),
        Manners(throttled=2, said=echo, headers={"retry-after-ms": "1"}),
        Manners(key=KEY),
        Manners(abort="event", said=echo),
    ):
        with Server(manners) as server:
            url = server.url.replace("//", "//user:CANARY-pass@")
            engine = Engine(
                Problem.of("CANARY-question", system=thought), best_of(2),
                Chat("pretend", base_url=url, key=KEY), Meter(), reply=PLAIN, run="r1",
            )  # fmt: skip
            for model in (MODEL, "CANARY-model"):
                heading = Heading(model, conversation=KEY, tier="CANARY-thought two words")
                with (
                    pytest.raises(ApiError),
                    seen.request("/v1/chat/completions", model),
                    spans.request(heading, {"traceparent": KEY, "authorization": KEY}) as span,
                ):
                    if model == MODEL:
                        engine.watchers += [
                            seen.run(model, "key_1", url),
                            span.run("best_of"),
                            Logs(logger, models={MODEL}).run(model=model, key="key_1", backend=url),
                            Logs(other, models={MODEL}).run(model=model, key="key_1", backend=url),
                        ]
                        drive(engine)
                        assert not engine.faults
                    raise ApiError(400, f"CANARY-question {KEY}", "invalid_value", thought)
                for logs in (Logs(logger), Logs(other)):
                    logs.request(
                        request="req_1", method="POST", route="/v1/chat/completions", status=400,
                        ms=1, key=KEY, model=model, error=thought,
                    )  # fmt: skip
    # The embedded model's thoughts are no canaries, so the fake's steps are made to hold one.
    policy = Faulty(Digits(), lambda n: None)
    marked = Engine(Problem.of("CANARY-question"), best_of(2), Marked(policy), Meter(), run="r2")
    with spans.request(Heading(MODEL)) as span:
        marked.watchers += [seen.run(MODEL, "key_1", "digits"), span.run(),
                            Logs(logger).run(model=MODEL, key="key_1")]  # fmt: skip
        end, _ = drive(marked)
        assert end.answer and "CANARY-thought" in end.answer
    found = {
        "json": text.getvalue(),
        "text": plain.getvalue(),
        "metrics": seen.text()[0].decode(),
        "spans": "".join(span.to_json() for span in kept.get_finished_spans()),
    }
    for where, shown in found.items():
        assert len(shown) > 500
        assert not [canary for canary in CANARIES if canary in shown], where
    assert '"backend":"http://127.0.0.1' in found["json"] and '"error":"429"' in found["json"]


class Marked:
    """Another policy's text with a canary in every step and answer."""

    can = frozenset({"continue", "n"})

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def prompt_bound(self, request: Any) -> int:
        return self.inner.prompt_bound(request)

    async def stream(self, request: Any) -> Any:
        from dataclasses import replace

        from system2.core import Delta

        async for item in self.inner.stream(request):
            if isinstance(item, Delta):
                mark = "CANARY-thought" if item.answer else None
                yield replace(item, text="CANARY-thought", answer=mark)
            else:
                yield item
