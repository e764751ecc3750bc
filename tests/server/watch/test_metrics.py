"""What GET /metrics says is what runs cost and grew: each thing once, in few labels."""

from __future__ import annotations

import asyncio
import re
from decimal import Decimal
from typing import Any

import pytest
from engine.fakes import WILD, Fault, Faulty, Judge, Marks, always, drive, hanging, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from server.watch.seen import MODEL, STRATEGIES, metrics, of, read, tokens, watched

from system2.core import (
    PLAIN,
    Asked,
    Billed,
    Born,
    Budget,
    Called,
    Event,
    Failed,
    Finished,
    Merged,
    Meter,
    Price,
    Recalled,
    Usage,
)
from system2.engine import Engine, Recall
from system2.policies.fake import Digits
from system2.policies.local import LocalPolicy
from system2.search import beam, best_of, depth_first, mcts
from system2.server.errors import ApiError
from system2.server.watch import Metrics
from system2.solve import prepare

PRICE = Price(Decimal(3), Decimal(15), Decimal(1))
CONTRACT = {
    "system2_requests_total": {"endpoint", "model", "status"},
    "system2_request_seconds_count": {"endpoint"},
    "system2_time_to_first_token_seconds_count": {"model"},
    "system2_thinking_seconds_count": {"model"},
    "system2_queue_seconds_count": set[str](),
    "system2_tokens_total": {"model", "kind"},
    "system2_cost_usd_total": {"model", "key_id"},
    "system2_runs_active": set[str](),
    "system2_runs_total": {"strategy", "why"},
    "system2_search_nodes_total": {"strategy", "status"},
    "system2_samples_count": set[str](),
    "system2_backtracks_total": set[str](),
    "system2_upstream_errors_total": {"backend", "code"},
    "system2_rate_limited_total": {"limit"},
}


@pytest.mark.parametrize("name", STRATEGIES)
@settings(max_examples=6)
@given(seed=st.integers(0, 2**20), reply=st.booleans(), wild=st.booleans())
def test_what_a_run_cost_and_grew(name: str, seed: int, reply: bool, wild: bool) -> None:
    """To the token, whatever fails."""
    seen, meter = metrics(), Meter(price=PRICE)
    policy = Digits(seed=seed, after=0.0, **(WILD if wild else {"repeat": 0.4, "base": 2}))
    engine, end, events = watched(
        STRATEGIES[name](),
        seen.run(MODEL, "key_1", "digits", strategy=name, price=PRICE),
        policy=policy, meter=meter, seed=seed, reply=PLAIN if reply else None, verifier=Marks(),
    )  # fmt: skip
    said = tokens(seen)
    assert said.get("prompt", 0) == end.usage.prompt
    assert said.get("reasoning", 0) == end.usage.reasoning
    assert said.get("visible", 0) == end.usage.answer
    assert end.cost is not None
    assert read(seen, "cost_usd_total", model=MODEL, key_id="key_1") == pytest.approx(
        float(end.cost)
    )
    nodes = engine.tree.nodes[1:]
    assert all(node.step for node in nodes)
    born = read(seen, "search_nodes_total") - read(seen, "search_nodes_total", status="duplicate")
    assert born == len(nodes)
    assert read(seen, "search_nodes_total", status="duplicate") == len(of(events, Merged))
    finals = [node for node in nodes if node.final]
    assert read(seen, "search_nodes_total", strategy=name, status="solved") == len(finals)
    assert read(seen, "samples_sum") == end.samples
    assert read(seen, "upstream_errors_total", backend="digits") == len(
        [e for e in of(events, Failed) if "pretend server" in e.error]
    )
    assert read(seen, "runs_active") == 0
    assert read(seen, "runs_total", strategy=name, why=end.why) == 1


def test_the_tokens_of_an_answer_are_never_counted_as_reasoning() -> None:
    """Nor is anything counted late: all that cannot be the answer's counts as soon as it is billed."""
    seen = metrics()
    watcher = seen.run(MODEL, "key_1", "digits")
    shown: list[tuple[float, int]] = []
    billed = 0

    def look(event: Event) -> None:
        nonlocal billed
        billed += event.usage.completion if isinstance(event, Billed) else 0
        shown.append((tokens(seen).get("reasoning", 0), billed))

    _, end, _ = watched(best_of(8), watcher, look, reply=PLAIN, seed=3)
    assert end.usage.answer == 1
    assert shown[-1] == (end.usage.reasoning, end.usage.completion)
    assert max(late for counted, whole in shown if (late := whole - counted)) <= 4  # a call's own


def test_tokens_of_a_judge_are_the_evaluators() -> None:
    seen = metrics()
    _, end, _ = watched(
        best_of(4), seen.run(MODEL, "key_1", "digits", price=PRICE), verifier=Judge(), seed=1
    )
    assert (
        tokens(seen)["evaluator"] == end.roles["verifier"].completion + end.roles["verifier"].prompt
    )
    whole = sum(end.roles.values(), Usage())
    assert read(seen, "cost_usd_total") == pytest.approx(float(PRICE.of(whole)))


@settings(max_examples=25)
@given(st.data())
def test_a_resumed_run_is_counted_once(data: st.DataObject) -> None:
    """Both halves together are what the run says at its end, wherever the first was killed."""
    name = data.draw(st.sampled_from(["best_of", "beam", "mcts", "depth_first"]))

    def engine(recall: Recall | None = None) -> Engine:
        from engine.fakes import SUM

        policy = Digits(base=3, repeat=0.4, after=0.0, fail=0.2, breaks=0.2)
        return Engine(SUM, STRATEGIES[name](), policy, Meter(), seed=5, recall=recall)

    _, events = drive(engine())
    before = events[: data.draw(st.integers(1, len(events)))]
    seen = metrics()
    first = seen.run(MODEL, "key_1", "digits")
    for event in before:
        first(event)
    first.close()
    assert read(seen, "runs_active") == 0
    again = engine(Recall(before))
    again.watchers.append(seen.run(MODEL, "key_1", "digits"))
    end, after = drive(again)
    said = tokens(seen)
    assert said.get("prompt", 0) == end.usage.prompt
    assert said.get("reasoning", 0) + said.get("visible", 0) == end.usage.completion
    kept = {(event.ask, event.child) for event in of(after, Recalled)}
    new = [e for e in of(after, Born) if (e.ask, e.child) not in kept]
    born = read(seen, "search_nodes_total") - read(seen, "search_nodes_total", status="duplicate")
    assert born == len(of(before, Born)) + len(new)


def test_the_embedded_model_is_counted_to_the_token() -> None:
    seen = Metrics(models={"system2"})
    engine = prepare("Use 13, 8, 5 to make 57", samples=4, trace=False, seed=1)
    engine.watchers.append(seen.run("system2", "local", "embedded", price=engine.meter.price))
    end, _ = drive(engine)
    said = tokens(seen)
    assert (said["prompt"], said["reasoning"] + said.get("visible", 0)) == (
        end.usage.prompt,
        end.usage.completion,
    )
    assert said.get("visible", 0) == end.usage.answer > 0
    assert read(seen, "thinking_seconds_count", model="system2") == 1
    assert isinstance(engine.policy, LocalPolicy) and read(seen, "cost_usd_total") == 0


def test_a_run_that_is_stopped_is_over() -> None:
    seen = metrics()
    engine, end, _ = watched(
        best_of(3), seen.run(MODEL, "k", "digits"), policy=hanging(2),
        meter=Meter(Budget(seconds=0.1)),
    )  # fmt: skip
    assert end.why == "time" and read(seen, "runs_active") == 0
    assert read(seen, "runs_total", why="time") == 1 and engine.over


def test_a_run_that_broke_off_is_over_too() -> None:
    seen = metrics()
    watcher = seen.run(MODEL, "k", "digits")
    _, _, events = watched(best_of(2), policy=Digits())
    for event in events[:-1]:
        watcher(event)
    assert read(seen, "runs_active") == 1
    watcher.close()
    watcher.close()
    assert read(seen, "runs_active") == 0
    assert sum(tokens(seen).values()) == sum(
        e.usage.prompt + e.usage.completion for e in of(events, Billed)
    )


def test_going_back_is_counted() -> None:
    """Where a search goes on no deeper than it was; levels and whole lines do not go back."""

    def backtracks(strategy: Any, **options: Any) -> float:
        seen = metrics()
        _, end, events = watched(strategy, seen.run(MODEL, "k", "digits"), seed=1, **options)
        assert end.samples or len(of(events, Asked)) == 24
        return read(seen, "backtracks_total")

    assert backtracks(best_of(16)) == 0
    assert backtracks(beam(4, 4)) == 0
    assert (
        backtracks(depth_first(2), policy=Digits(length=3, base=9)) == 3
    )  # 4 ways down to the last level
    assert backtracks(mcts(4, 3, simulations=24, until="step")) > 0


def test_a_backend_that_refuses_is_told_of_by_its_code() -> None:
    seen = metrics()
    policy = Faulty(Digits(), always(Fault(error=refused())))
    _, end, _ = watched(
        best_of(2), seen.run(MODEL, "k", "http://u:pw@host/v1?key=x"), policy=policy
    )
    assert end.why == "failed"
    assert read(seen, "upstream_errors_total", code="other") == 2
    assert b"pw" not in seen.text()[0] and b"key=x" not in seen.text()[0]


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_requests() -> None:
    clock = Clock()
    seen = Metrics(models={MODEL}, clock=clock)
    where = "/v1/chat/completions"
    with seen.request(where) as one:
        one.model = MODEL
        one.queued(0.3)
        clock.now = 2.0
        one.first()
        clock.now = 3.0
        one.first()
        clock.now = 7.0
    assert read(seen, "requests_total", endpoint=where, model=MODEL, status="200") == 1
    assert read(seen, "request_seconds_sum", endpoint=where) == 7.0
    assert read(seen, "time_to_first_token_seconds_sum", model=MODEL) == 2.0
    assert read(seen, "time_to_first_token_seconds_count") == 1
    assert read(seen, "queue_seconds_sum") == 0.3
    for error, status in (
        (ApiError(429, "slow down"), "429"),
        (asyncio.CancelledError(), "499"),
        (GeneratorExit(), "499"),
        (ZeroDivisionError("no idea"), "500"),
    ):
        with pytest.raises(type(error)), seen.request(where, MODEL):
            raise error
        assert read(seen, "requests_total", endpoint=where, status=status) > 0
    assert read(seen, "requests_total", status="499") == 2


def test_labels_are_few_whatever_clients_send() -> None:
    seen = metrics()
    for n in range(1200):
        with seen.request(f"/v1/{n}", f"model-{n}"):
            pass
        seen.limited(f"limit-{n}")
        seen.run(f"model-{n}", f"key_{n}", f"backend-{n}", strategy=f"s{n}", price=PRICE)(
            Billed(1, 1, "policy", Usage(prompt=1), estimated=False)
        )
    text = seen.text()[0].decode()
    values = {
        label: {v for line in text.splitlines() for v in re.findall(rf'{label}="([^"]*)"', line)}
        for label in ("endpoint", "model", "limit", "key_id", "strategy")
    }
    assert values["model"] == {"other"}
    most = {"endpoint": 65, "limit": 17, "key_id": 1001, "strategy": 65}
    assert {label: len(values[label]) for label in most} == most
    assert all("other" in values[label] for label in most)


def test_names_and_labels_are_those_of_the_contract() -> None:
    """And Prometheus can read them, in both of its formats."""
    seen = metrics()
    watched(
        mcts(4, 3, simulations=24, until="step"),
        seen.run(MODEL, "k", "digits", price=PRICE),
        policy=Digits(after=0.0, fail=0.3), reply=PLAIN,
    )  # fmt: skip
    with seen.request("/v1/responses", MODEL) as one:
        one.first()
        one.queued(0.0)
    seen.limited("requests")
    body, kind = seen.text()
    assert kind.startswith("text/plain")
    found = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }
    assert CONTRACT.items() <= found.items()
    assert "openmetrics" in seen.text("application/openmetrics-text; version=1.0.0")[1]


def test_its_own_registry_tells_of_the_process() -> None:
    assert b"process_cpu_seconds_total" in Metrics().text()[0]
    assert b"process_cpu_seconds_total" not in metrics().text()[0]


def test_events_of_tomorrow_are_no_trouble() -> None:
    seen = metrics()
    seen.run(MODEL, "k", "digits")(object())  # type: ignore[arg-type]
    assert sum(tokens(seen).values()) == 0 and not of([], Finished)


def test_sidecars_have_kinds_and_prices_of_their_own() -> None:
    seen = metrics()
    dear = Price(Decimal(300), Decimal(1500))
    watcher = seen.run(MODEL, "k", "digits", price=PRICE, asides={"summary": dear, "mine": None})
    usage = Usage(prompt=10, reasoning=5)
    for call, by in enumerate(("summary", "moderation", "mine", ""), 1):
        role = "sidecar" if by else "policy"
        watcher(Called(1, call, 1, role, (0,), (1,), 5, 10, by))
        watcher(Billed(1, call, role, usage, estimated=False))
    watcher.close()
    assert tokens(seen) == {
        "summary": 15, "moderation": 15, "other": 15, "prompt": 10, "reasoning": 5,
    }  # fmt: skip
    known = dear.of(usage) + 2 * PRICE.of(usage)
    assert read(seen, "cost_usd_total") == pytest.approx(float(known))
