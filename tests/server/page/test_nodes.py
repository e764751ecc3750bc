"""A run's events as the page hears them, told from recorded runs of every strategy and from the embedded model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from system2 import think
from system2.core import (
    Billed,
    Event,
    Failed,
    Finished,
    Handed,
    Resumed,
    Scored,
    Started,
    Usage,
    Vetoed,
)
from system2.records import told
from system2.server.wire.nodes import Frame, Growth
from system2.server.wire.runs import listed, summary
from system2.store import folder, read

GOLDEN = sorted((Path(__file__).parents[2] / "golden").glob("*.jsonl"))


def heard(events: list[Event], *, raw: bool = True) -> tuple[Growth, list[Frame]]:
    """All frames of these events."""
    growth = Growth(raw)
    return growth, [frame for event in events for frame in growth.hear(event)]


def page(frames: list[Frame]) -> dict[str, dict[str, Any]]:
    """The nodes as the page has them after these frames."""
    nodes: dict[str, dict[str, Any]] = {}
    for frame in frames:
        if frame.type == "system2:run.started":
            nodes.clear()
        for node in frame.body.get("nodes", ()):
            if frame.type == "system2:node.added":
                assert node["id"] not in nodes
                assert node["parent"] == "n0" or node["parent"] in nodes
                nodes[node["id"]] = dict(node)
            else:
                nodes[node["id"]].update(node)
    return nodes


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_page_ends_with_the_tree_of_the_run(path: Path):
    events = list(read(path))
    growth, frames = heard(events)
    record = told(events, path.stem)
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    nodes = page(frames)
    assert len(nodes) == len(record.tree.nodes) - 1
    for node in record.tree.nodes[1:]:
        seen = nodes[f"n{node.id}"]
        now = growth.node(growth.tree.nodes[node.id])
        late = ("visits", "value", "score", "count", "status", "summary")
        assert {name: seen[name] for name in late} == {name: now[name] for name in late}
        assert (seen["score"], seen["count"], seen["answer"]) == (
            node.score,
            node.count,
            node.answer,
        )
        assert seen["visits"] >= node.count
        assert seen["visits"] >= sum(nodes[f"n{child.id}"]["visits"] for child in node.children)
        scores = [one.score for one in below(node) if one.score is not None]
        assert (seen["value"] is None) == (not scores)
        if scores:
            assert min(scores) - 1e-4 <= seen["value"] <= max(scores) + 1e-4
    votes = [entry["votes"] for entry in growth.answers()]
    assert sum(votes) == sum(node.answer is not None for node in record.tree.finals)
    assert json.loads(json.dumps([frame.data() for frame in frames]))


def below(node: Any) -> list[Any]:
    """A node and all under it."""
    found, stack = [], [node]
    while stack:
        found.append(stack.pop())
        stack += found[-1].children
    return found


@pytest.mark.parametrize("path", GOLDEN[:6], ids=lambda path: path.stem)
def test_frames_follow_from_the_events_alone(path: Path):
    events = list(read(path))
    _, frames = heard(events)
    live = Growth(True)
    told_live = [frame for n, event in enumerate(events) for frame in live.hear(event, n / 7)]
    assert [(f.seq, f.type) for f in told_live] == [(f.seq, f.type) for f in frames]
    _, plain = heard(events, raw=False)
    assert [(f.seq, f.type) for f in plain] == [(f.seq, f.type) for f in frames]


@pytest.fixture(scope="module")
def thoughts() -> list[Event]:
    """A run of the embedded model, from its trace."""
    result = think("Countdown: reach 94 with 3 5 7 25", effort="medium", seed=5)
    return list(read(folder() / f"{result.run}.jsonl"))


def test_who_may_not_read_thoughts_gets_none(thoughts: list[Event]):
    _, frames = heard(thoughts, raw=False)
    nodes = page(frames)
    assert nodes
    assert not any("text" in node or node["title"] for node in nodes.values())
    _, whole = heard(thoughts)
    texts = {node["text"] for node in page(whole).values() if len(node["text"]) > 12}
    assert texts
    written = json.dumps([frame.data() for frame in frames])
    assert not any(json.dumps(text)[1:-1] in written for text in texts)


def test_the_meter_ends_with_the_bill(thoughts: list[Event]):
    growth, frames = heard(thoughts)
    end = thoughts[-1]
    assert isinstance(end, Finished)
    last = [frame.body for frame in frames if frame.type == "system2:budget"][-1]
    assert last["tokens"] == sum(usage.completion for usage in end.roles.values())
    assert last["dollars"] == "0" == frames[-1].body["cost"]
    assert frames[-1].type == "system2:run.finished"
    assert frames[-1].body["answer"] == end.answer
    row = summary(growth, live=False)
    assert row["tokens"] == last["tokens"]
    assert row["system2"]["nodes"] == len(growth.tree.nodes) - 1


def test_a_refuted_answer_and_a_forbidden_one_are_none(thoughts: list[Event]):
    end = thoughts[-1]
    assert isinstance(end, Finished)
    assert end.node is not None
    refuting: list[Event] = [*thoughts[:-1], Scored(1, ((end.node, 0.0),)), end]
    assert heard(refuting)[1][-1].body["answer"] is None
    started = thoughts[0]
    assert isinstance(started, Started)
    forbidden = Finished(end.node, "no", "moderation", 1, Usage(), {}, None, 1.0)
    assert listed("r", started, forbidden, live=False, model=None)["answer"] is None


def test_a_run_that_goes_on_grows_anew_and_keeps_its_bill(thoughts: list[Event]):
    again: list[Event] = [Resumed({"effort": "high"}, {"policy": Usage(reasoning=5)})]
    again += [e for e in thoughts[1:] if not isinstance(e, Billed | Finished)]
    growth, frames = heard([*thoughts, *again])
    assert [f.body.get("resumed") for f in frames if f.type == "system2:run.started"] == [
        None,
        True,
    ]
    assert page(frames).keys() == page(heard(thoughts)[1]).keys()
    before = heard(thoughts)[0].meter(None)["tokens"]
    assert growth.meter(None)["tokens"] == before + 5


def test_a_long_run_is_told_in_few_frames(thoughts: list[Event]):
    handed = [event for event in thoughts if isinstance(event, Handed)]
    _, frames = heard(thoughts)
    budgets = [frame for frame in frames if frame.type == "system2:budget"]
    assert len(budgets) <= len(handed) + 2
    empty = [*thoughts[:-1], *(Handed((n,)) for n in range(5_000)), thoughts[-1]]
    assert len(heard(empty)[1]) <= len(frames) + 1


def test_a_note_says_whose_failure_it_was():
    events: list[Event] = [
        Failed(1, "sidecar", "summary: ValueError: no title"),
        Failed(1, "policy", "no server answers"),
        Vetoed(1, 0, 0, "violence", stop=False, by="moderation", of=""),
    ]
    notes = [frame.body for frame in heard(events)[1] if frame.type == "system2:note"]
    assert notes == [
        {"text": "summary: ValueError: no title", "role": "sidecar"},
        {"text": "no server answers", "role": "policy"},
        {"text": "moderation: violence", "role": "veto"},
    ]
