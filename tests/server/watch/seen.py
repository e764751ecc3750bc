"""Runs that are watched, and what the metrics say of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engine.fakes import SUM, drive
from prometheus_client import CollectorRegistry

from system2.core import Event, Finished, Meter, Strategy, Watcher
from system2.engine import Engine
from system2.policies.fake import Digits
from system2.search import (
    adaptive,
    aggregate,
    beam,
    best_of,
    depth_first,
    direct,
    dvts,
    halving,
    majority,
    mcts,
    particles,
)
from system2.server.watch import Metrics

STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "direct": direct,
    "best_of": lambda: best_of(9, choose=majority),
    "beam": lambda: beam(2, 3),
    "mcts": lambda: mcts(4, 3, simulations=24, until="step"),
    "adaptive": lambda: adaptive(12),
    "depth_first": lambda: depth_first(2),
    "halving": lambda: halving(16, 4, 2),
    "dvts": lambda: dvts(3, 2),
    "particles": lambda: particles(5),
    "aggregate": lambda: aggregate(3, 2, 3),
}
MODEL = "pretend"


def metrics() -> Metrics:
    """Metrics in a registry of their own, which know one model."""
    return Metrics(CollectorRegistry(), models={MODEL})


def watched(
    strategy: Strategy,
    *watchers: Watcher,
    policy: Any = None,
    meter: Meter | None = None,
    **options: Any,
) -> tuple[Engine, Finished, list[Event]]:
    """A run of pretended digits, seen by these watchers."""
    engine = Engine(SUM, strategy, policy or Digits(), meter or Meter(), **options)
    engine.watchers += watchers
    end, events = drive(engine)
    assert not engine.faults
    return engine, end, events


def read(seen: Metrics, name: str, **labels: str) -> float:
    """What a metric says, over all labels but those given; 0 where it says nothing."""
    return sum(
        sample.value
        for family in seen.registry.collect()
        for sample in family.samples
        if sample.name == f"system2_{name}" and labels.items() <= sample.labels.items()
    )


def tokens(seen: Metrics) -> dict[str, float]:
    """By kind."""
    return {
        sample.labels["kind"]: sample.value
        for family in seen.registry.collect()
        for sample in family.samples
        if sample.name == "system2_tokens_total"
    }


def of(events: Sequence[Event], kind: type) -> list[Any]:
    """Events of a kind."""
    return [event for event in events if isinstance(event, kind)]
