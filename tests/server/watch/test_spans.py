"""The tree that spans draw is the tree of the run, its tokens are what it cost, and nobody's words are in it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from engine.fakes import WILD, Fault, Faulty, Judge, Marks, always, drive, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from server.watch.seen import MODEL, STRATEGIES, of, watched

from system2.core import (
    PLAIN,
    Budget,
    Chain,
    Failed,
    Meter,
    Moment,
    Node,
    Note,
    Noted,
    Price,
    Problem,
    Recalled,
    Usage,
    Veto,
    Vetoed,
    Write,
)
from system2.engine import Aside, Engine, Recall
from system2.policies.fake import Digits
from system2.search import best_of, depth_first, mcts
from system2.server.errors import ApiError
from system2.server.watch import Heading, Spans, spans_of
from system2.sidecars import Blocklist, moderator
from system2.solve import prepare

PRICE = Price(Decimal(3), Decimal(15))
ABOVE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Seen:
    """Spans that are kept in memory."""

    def __init__(self, **options: Any) -> None:
        self.kept = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.kept))
        tracer = self.provider.get_tracer("test")
        self.spans = Spans(tracer, **{"models": {MODEL, "system2"}} | options)

    @property
    def all(self) -> list[ReadableSpan]:
        return list(self.kept.get_finished_spans())

    @property
    def nodes(self) -> list[ReadableSpan]:
        return [one for one in self.all if "graph.node.parent_id" in attributes(one)]

    @property
    def run(self) -> ReadableSpan:
        (one,) = [one for one in self.all if one.name.startswith("invoke_workflow")]
        return one


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def summed(spans: Sequence[ReadableSpan], name: str) -> int:
    return sum(attributes(span).get(name, 0) for span in spans)


def above(node: Node, drawn: dict[str, ReadableSpan], run: ReadableSpan) -> ReadableSpan:
    """The span that a node's stands under: the first step of its line, or the step it branches off from."""
    step = node.parent
    assert step
    if step.parent is None:
        return run
    if node is step.children[0]:
        while step.parent and step.parent.parent and step is step.parent.children[0]:
            step = step.parent
    return drawn[f"r1/n{step.id}"]


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=4)
@given(seed=st.integers(0, 2**20), wild=st.booleans())
def test_the_tree_and_its_cost(name: str, seed: int, wild: bool) -> None:
    seen = Seen()
    policy = Digits(seed=seed, after=0.0, **(WILD if wild else {"repeat": 0.4, "base": 2}))
    engine, end, events = watched(
        STRATEGIES[name](), seen.spans.run(name, price=PRICE), policy=policy, run="r1", seed=seed,
        reply=PLAIN, meter=Meter(price=PRICE), verifier=Marks(),
    )  # fmt: skip
    drawn = {attributes(one)["graph.node.id"]: one for one in seen.nodes}
    nodes = engine.tree.nodes[1:]
    assert {id: attributes(one)["graph.node.parent_id"] for id, one in drawn.items()} == {
        f"r1/n{node.id}": f"r1/n{node.parent.id}" for node in nodes if node.parent
    }
    run = attributes(seen.run)
    assert run["graph.node.id"] == "r1/n0" and run["gen_ai.workflow.name"] == name
    assert summed(seen.all, "llm.token_count.completion") == end.usage.completion
    assert summed(seen.all, "llm.token_count.prompt") == end.usage.prompt
    assert run["llm.cost.total"] == pytest.approx(float(end.cost or 0))
    assert run["system2.nodes"] == len(nodes) and run["system2.nodes_not_drawn"] == 0
    assert run["system2.why"] == end.why and run["system2.samples"] == end.samples
    assert run["system2.calls_failed"] == len(of(events, Failed))
    for node in nodes:
        one, told = drawn[f"r1/n{node.id}"], attributes(drawn[f"r1/n{node.id}"])
        assert node.step and told["llm.token_count.completion"] == node.step.tokens
        assert one.parent and one.parent.span_id == above(node, drawn, seen.run).context.span_id
        assert one.start_time and one.end_time and one.start_time <= one.end_time
        if before := node.parent and drawn.get(f"r1/n{node.parent.id}"):
            assert before.start_time and (
                one.start_time > before.start_time or one.start_time == one.end_time
            )
        status = "failed" if node.step.cut else "solved" if node.final else "open"
        assert told["system2.node.status"] == status


def test_a_request_in_the_words_of_the_conventions() -> None:
    seen = Seen()
    heading = Heading(
        MODEL, "responses", "/v1/responses", max_tokens=500, temperature=0.7, seed=7, choices=2,
        stream=True, conversation="conv_1", tier="default",
    )  # fmt: skip
    ends = []
    with seen.spans.request(heading, {"traceparent": ABOVE}) as one:
        for n in range(2):
            watcher = one.run("best_of", price=PRICE)
            _, end, _ = watched(
                best_of(2), watcher, run=f"r{n}", reply=PLAIN, meter=Meter(price=PRICE)
            )
            ends.append(end)
        one.first()
        one.answered("resp_1", MODEL, ["stop", "length"])
    (root,) = [one for one in seen.all if one.name == f"chat {MODEL}"]
    told = attributes(root)
    first = told.pop("gen_ai.response.time_to_first_chunk")
    assert 0 < first < 60
    usage = sum([end.usage for end in ends], Usage())
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "system2",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.max_tokens": 500,
        "gen_ai.request.temperature": 0.7,
        "gen_ai.request.seed": 7,
        "gen_ai.request.choice.count": 2,
        "gen_ai.request.stream": True,
        "gen_ai.conversation.id": "conv_1",
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.model": MODEL,
        "gen_ai.response.finish_reasons": ("stop", "length"),
        "gen_ai.usage.input_tokens": usage.prompt,
        "gen_ai.usage.output_tokens": usage.completion,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "openai.api.type": "responses",
        "openai.request.service_tier": "default",
        "openinference.span.kind": "CHAIN",
        "http.route": "/v1/responses",
        "system2.cost.usd": float(sum(end.cost or 0 for end in ends)),
    }
    assert root.parent and f"{root.parent.span_id:016x}" == ABOVE.split("-")[2]
    assert {f"{one.context.trace_id:032x}" for one in seen.all} == {ABOVE.split("-")[1]}
    runs = [one for one in seen.all if one.name == "invoke_workflow best_of"]
    assert len(runs) == 2
    assert all(one.parent and one.parent.span_id == root.context.span_id for one in runs)


def test_names_are_those_of_the_conventions() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes, openai_attributes

    known = {
        value
        for module in (gen_ai_attributes, openai_attributes)
        for value in vars(module).values()
        if isinstance(value, str)
    }
    seen = Seen()
    with seen.spans.request(Heading(MODEL, max_tokens=1, temperature=0.0, seed=1)) as one:
        watched(mcts(4, 3, simulations=9), one.run(), verifier=Marks())
        one.first()
        one.answered("c", MODEL, ["stop"])
    told = {name for span in seen.all for name in attributes(span)}
    told |= {name for span in seen.all for event in span.events for name in event.attributes or {}}
    ours = {name for name in told if name.startswith(("gen_ai.", "openai."))}
    assert ours and ours <= known


def test_one_who_does_not_sample_costs_nothing() -> None:
    seen = Seen()
    with seen.spans.request(Heading(MODEL), {"traceparent": ABOVE[:-1] + "0"}) as one:
        watched(best_of(3), one.run())
    assert not seen.all


@pytest.mark.parametrize("header", ["", "00-zz", "x" * 10_000, ABOVE.replace("0af7", "\n")])
def test_a_traceparent_that_is_none_begins_a_trace(header: str) -> None:
    seen = Seen()
    with seen.spans.request(Heading(MODEL), {"traceparent": header}):
        pass
    (one,) = seen.all
    assert one.parent is None


def test_at_most_so_many_nodes_are_drawn() -> None:
    seen = Seen(most=5)
    engine, end, _ = watched(best_of(9), seen.spans.run(), seed=1)
    assert len(seen.nodes) == 5
    run = attributes(seen.run)
    assert run["system2.nodes"] == len(engine.tree.nodes) - 1
    assert run["system2.nodes_not_drawn"] == run["system2.nodes"] - 5
    assert summed(seen.all, "llm.token_count.completion") == end.usage.completion


def test_errors_are_a_status_and_a_kind() -> None:
    for error, status, kind, code in (
        (ApiError(429, "slow down", "rate_limit_exceeded"), 429, "rate_limit_exceeded", "UNSET"),
        (ApiError(503, "busy", "overloaded"), 503, "overloaded", "ERROR"),
        (asyncio.CancelledError(), 499, "cancelled", "UNSET"),
        (ZeroDivisionError("SECRET"), 500, "ZeroDivisionError", "ERROR"),
    ):
        seen = Seen()
        with pytest.raises(type(error)), seen.spans.request(Heading("unheard of")):
            raise error
        (one,) = seen.all
        told = attributes(one)
        assert one.name == "chat other"
        assert (told["http.response.status_code"], told["error.type"]) == (status, kind)
        assert one.status.status_code is StatusCode[code] and not one.events
        assert "SECRET" not in one.to_json()


def test_failures_of_calls_are_events_and_a_failed_run_an_error() -> None:
    seen = Seen()
    policy = Faulty(Digits(), always(Fault(error=refused())))
    watched(best_of(2), seen.spans.run(), policy=policy)
    assert [event.name for event in seen.run.events] == ["call failed"] * 2
    assert seen.run.status.status_code is StatusCode.ERROR


def test_scores_and_judges() -> None:
    seen = Seen()
    _, end, _ = watched(best_of(3), seen.spans.run(), verifier=Judge(), seed=1)
    scores = [attributes(one).get("gen_ai.evaluation.score.value") for one in seen.nodes]
    assert sum(score is not None for score in scores) == 3
    judged = end.roles["verifier"]
    assert attributes(seen.run)["system2.tokens.verifier"] == judged.prompt + judged.completion


def test_what_a_resumed_run_had_is_drawn_and_not_paid_again() -> None:
    _, _, events = watched(depth_first(2), seed=3, run="r1")
    before = events[: len(events) // 2]
    seen = Seen()
    from engine.fakes import SUM

    engine = Engine(SUM, depth_first(2), Digits(), Meter(), seed=3, run="r1", recall=Recall(before))
    engine.watchers.append(seen.spans.run("depth_first", run="r1"))
    end, after = drive(engine)
    assert of(after, Recalled) and attributes(seen.run)["system2.resumed"]
    assert len(seen.nodes) == len(engine.tree.nodes) - 1
    recalled = [one for one in seen.nodes if "system2.node.recalled" in attributes(one)]
    assert recalled and not summed(recalled, "llm.token_count.completion")
    paid = sum(e.usage.completion for e in after if type(e).__name__ == "Billed")
    assert summed(seen.all, "llm.token_count.completion") == paid < end.usage.completion


def test_a_run_that_broke_off_ends_its_span() -> None:
    seen = Seen()
    drawing = seen.spans.run()
    _, _, events = watched(best_of(2))
    for event in events[:-1]:
        drawing(event)
    drawing.close()
    drawing.close()
    assert attributes(seen.run)["system2.why"] == "broken"


def test_content_only_where_it_is_switched_on() -> None:
    question = "Use 13, 8, 5 to make 57"
    for content in (False, True):
        seen = Seen(content=content)
        with seen.spans.request(Heading("system2")) as one:
            engine = prepare(question, samples=2, trace=False, seed=1)
            engine.watchers.append(one.run())
            end, _ = drive(engine)
        text = json.dumps([json.loads(one.to_json()) for one in seen.all])
        thoughts = [node.step.text for node in engine.tree.nodes if node.step]
        whole = [thought for thought in thoughts if len(thought.strip()) > 8]
        assert whole and end.answer
        for said in (question, *whole):
            assert (json.dumps(said)[1:-1] in text) is content
        if content:
            assert attributes(seen.run)["input.value"] == question
            assert attributes(seen.run)["output.value"] == end.answer
            assert '"reasoning"' in text


@pytest.mark.parametrize("content", [False, True])
def test_what_sidecars_said_is_in_the_span_of_the_run(content: bool) -> None:
    seen = Seen(content=content)
    secret = "a note that quotes: three is prime"
    phrases = {"violence": ("3",), "hate": ("3 ",)}
    asides = [
        Aside(moderator(Blocklist(phrases), stopping=()), strict=True),
        Aside(Says(secret), every=1),
        Aside(Forbids("a reason that quotes: two"), every=1),
    ]
    _, _, events = watched(best_of(8), seen.spans.run(run="r"), sidecars=asides, seed=1)
    notes, vetoes = of(events, Noted), of(events, Vetoed)
    assert notes and {veto.by for veto in vetoes} == {"moderation", "forbids"}
    told = {name: [one for one in seen.run.events if one.name == name] for name in ("note", "veto")}
    assert len(told["note"]) == min(64, len(notes)) and len(told["veto"]) == min(64, len(vetoes))
    for span, event in zip(told["note"], notes, strict=False):
        assert span.attributes and span.attributes["system2.sidecar"] == event.by == "says"
        assert span.attributes["system2.occasion"] == event.what
    for span, event in zip(told["veto"], vetoes, strict=False):
        assert span.attributes and span.attributes["system2.sidecar"] == event.by
        assert span.attributes["system2.stop"] is False
        categories = span.attributes.get("system2.categories")
        assert categories == (("hate", "violence") if event.by == "moderation" else None)
    assert attributes(seen.run)["system2.notes"] == len(notes)
    assert attributes(seen.run)["system2.vetoes"] == len(vetoes)
    text = json.dumps([json.loads(one.to_json()) for one in seen.all])
    assert (secret in text) is (("a reason that quotes: two") in text) is content


@dataclass
class Says:
    """Says the same of everything."""

    text: str
    name: str = "says"
    holds: bool = False
    tokens: int = 0

    async def at_step(self, problem: Problem, chain: Chain, write: Write, moment: Moment) -> Note:
        return Note(self.text)


@dataclass
class Forbids:
    """Forbids what holds a two."""

    reason: str
    name: str = "forbids"
    holds: bool = True
    tokens: int = 0

    async def at_step(
        self, problem: Problem, chain: Chain, write: Write, moment: Moment
    ) -> Veto | None:
        return Veto(self.reason) if "2" in "".join(step.text for step in chain) else None


# -------------------------------------------------------------------- where they go


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, Any, bytes]]]]:
    """A collector on this machine: its address, and (path, headers, body) of what it was sent."""
    got: list[tuple[str, Any, bytes]] = []

    class Post(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Post)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_they_are_sent_as_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (address, got):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
        spans = spans_of(models={MODEL})
        assert spans and not spans.pen.content
        with spans.request(Heading(MODEL)) as one:
            engine, _, _ = watched(best_of(3), one.run(), run="r1")
        spans.close()
    sent = [
        (resource.resource, span)
        for _, _, body in got
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert len(sent) == len(engine.tree.nodes) - 1 + 2
    assert {path for path, _, _ in got} == {"/v1/traces"}
    assert all(headers["authorization"] == "Bearer abc" for _, headers, _ in got)
    named = {a.key: a.value.string_value for a in sent[0][0].attributes}
    assert named["service.name"] == "system2"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_nothing_is_sent_unasked(environ: dict[str, str]) -> None:
    assert spans_of(environ) is None


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "only otlp and none"),
    ],
)
def test_what_cannot_be_had_is_said(more: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spans_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h"} | more)


ALONE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name) if sys.argv[1] == "raise" else AssertionError(name)
sys.meta_path.insert(0, Missing())
from system2.server.watch import Heading, Logs, Metrics, spans_of
assert spans_of({}) is None
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""


def test_without_an_endpoint_nothing_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, "assert"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        ALONE
        + """
try:
    spans_of({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
except ValueError as error:
    print(error)
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "raise"], capture_output=True, text=True, check=False
    )
    assert "pip install 'system2[otel]'" in done.stdout, done.stderr


def test_budgets_end_spans_too() -> None:
    seen = Seen()
    _, end, _ = watched(best_of(9), seen.spans.run(), meter=Meter(Budget(tokens=6)), seed=1)
    assert attributes(seen.run)["system2.why"] == end.why == "budget"
