"""What was asked can be listed and looked at: by people, by programs, as a page that runs nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cli.command import run

from system2.cli.page import page
from system2.cli.runs import answers, branches, report
from system2.core import Born, Event, Finished, Meter, Problem, Started, Step, Usage
from system2.engine import Engine
from system2.policies.fake import Digits
from system2.records import ends, find, record, summaries, told
from system2.records import told as told_by
from system2.search import beam, mcts
from system2.store import Trace, encode, read

SUM = "What is 3 + 4?"


def test_ask_then_look(tmp_path: Path) -> None:
    run("ask", SUM, "--effort", "low", data=tmp_path)
    run("ask", "9.11和9.8谁大?", "--effort", "medium", data=tmp_path)
    listed = json.loads(run("runs", "--json", data=tmp_path).out)
    assert [one["question"] for one in listed] == ["9.11和9.8谁大?", SUM]
    assert listed[1]["settings"] == {"effort": "low"} and listed[1]["why"] == "complete"
    shown = run("runs", "--limit", "1", data=tmp_path)
    assert shown.out.count("\n") == 2 and "9.11和9.8谁大?" in shown.out
    told = run("trace", listed[1]["run"], data=tmp_path)
    assert SUM in told.out and f"answer: {listed[1]['answer']}" in told.out
    whole = json.loads(run("trace", "last", "--json", data=tmp_path).out)
    assert whole["nodes"][0]["parent"] == 0
    said = whole["redundancy"]
    assert 0 <= said["redundant_tokens"] <= said["reasoning_tokens"] and 0 <= said["share"] <= 1
    assert "reasoning tokens say what another line said before" in told.out
    assert whole["chosen"] in {node["id"] for node in whole["nodes"]}
    file = tmp_path / "page.html"
    assert run("trace", "last", "--html", str(file), data=tmp_path).status == 0
    assert "9.11和9.8谁大?" in file.read_text("utf-8")


def test_runs_that_are_not_there(tmp_path: Path) -> None:
    empty = run("trace", "last", data=tmp_path)
    assert empty.status == 1 and "there are no runs" in empty.said and "Traceback" not in empty.err
    assert run("runs", data=tmp_path).status == 0
    place = tmp_path / "runs"
    for name in ("20260101-1", "20260101-2"):
        place.mkdir(exist_ok=True)
        started = Started(name, Problem.of("?"), 1, True, {})
        (place / f"{name}.jsonl").write_text(encode(started) + "\n", "utf-8")
    for name, part in (("nobody", "no run 'nobody'"), ("2026", "2 runs begin with '2026'")):
        with pytest.raises(ValueError, match=part):
            find(name, place)
    assert find("last", place).stem == find("20260101-2", place).stem == "20260101-2"


def grown(strategy: object, policy: Digits, place: Path) -> tuple[Engine, Path]:
    """A run with a pretend model, and its trace."""
    engine = Engine(Problem.of("1+1"), strategy, policy, Meter(), seed=3, run="r")  # type: ignore[arg-type]
    engine.watchers.append(trace := Trace("r", place))
    asyncio.run(engine.run())
    return engine, trace.path


@pytest.mark.parametrize("strategy", [beam(2, 3), mcts(8, 3)], ids=["beam", "mcts"])
def test_the_tree_of_a_record_is_the_tree_of_the_run(strategy: object, tmp_path: Path) -> None:
    policy = Digits(base=3, repeat=0.5, cut=0.2, fail=0.3, after=0.0)
    engine, path = grown(strategy, policy, tmp_path)
    found = record(path)
    facts = [
        [(n.id, n.parent.id if n.parent else None, n.step, n.score, n.count) for n in tree.nodes]
        for tree in (engine.tree, found.tree)
    ]
    assert facts[0] == facts[1]
    assert [n.id for n in found.tree.finals] == [n.id for n in engine.tree.finals]
    assert found.finished and found.usage.completion == found.finished.usage.completion
    assert sum(count for _, count, _ in answers(found)) == len(engine.tree.finals)
    lines = [*branches(found.tree.root, found.chosen, "")]
    assert len(lines) == len(engine.tree.nodes) - 1


def test_a_run_that_was_killed_is_told_as_far_as_it_came(tmp_path: Path) -> None:
    _, path = grown(beam(2, 3), Digits(base=3), tmp_path)
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        if whole[:size].count(b"\n") == 0:
            with pytest.raises(ValueError, match="never finished"):
                record(path)
            assert not [*summaries(tmp_path)]
            continue
        found = record(path)
        first, last = ends(path)
        assert first == found.started and isinstance(last, Finished) == (found.finished is not None)
        assert found.finished or "unfinished" in "\n".join(report(found, everything=True))
        assert page(found)


class Tags(HTMLParser):
    """Keeps the names of elements, and whether all that were opened are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.add(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_shows_what_a_model_wrote_and_runs_none_of_it(tmp_path: Path) -> None:
    bad = "</div><script>alert(1)</script>\x1b[2J<img src=x onerror=alert(1)>"
    events: list[Event] = [
        Started("r", Problem.of(bad), 1, True, {"effort": bad}),
        Born(1, 0, 1, 0, Step(bad, 3), None),
        Born(1, 0, 2, 1, Step(bad, 3, answer=bad, final=True), 0.5),
        Born(2, 0, 3, 0, Step("x", 1, cut=True), None),
        Finished(2, bad, bad, 1, Usage(), {}, None, 0.1),
    ]
    text = page(told(events, "r"))
    tags = Tags()
    tags.feed(text)
    assert not tags.open and not tags.names & {"script", "img"} and "\x1b" not in text
    path = tmp_path / "r.jsonl"
    path.write_text("".join(encode(event) + "\n" for event in events), "utf-8")
    assert [*read(path)] == events
    assert "\x1b" not in run("trace", "r", "--tree", data=tmp_path).out


def test_a_line_of_thought_may_be_long() -> None:
    deep = 5000
    events: list[Event] = [Started("r", Problem.of("?"), 1, True, {})]
    events += [Born(n, 0, n, n - 1, Step(f"{n}", 1), None) for n in range(1, deep + 1)]
    events += [Born(deep + n, 0, deep + n, n * 7, Step("fork", 1), None) for n in range(1, 500)]
    found = told(events, "r")
    tags = Tags()
    tags.feed(page(found))
    assert not tags.open
    assert len([*branches(found.tree.root, None, "")]) == deep + 499


def test_a_refuted_answer_is_not_shown_as_one(tmp_path: Path) -> None:
    place, name = tmp_path / "runs", "20260101-000001-abc"
    trace = Trace(name, place)
    usage = Usage(reasoning=5, answer=2, calls=1)
    roles = {"policy": usage, "verifier": Usage(reasoning=9, calls=3)}
    wrong = Step("so 21", 7, answer="21", final=True)
    for event in (
        Started(name, Problem.of("half of 44?"), 1, True, {"effort": "low"}),
        Born(1, 0, 1, 0, wrong, 0.0),
        Finished(1, "21", "complete", 1, usage, roles, None, 0.1, refuted=True),
    ):
        trace(event)
    assert next(iter(summaries(place))).finished == list(read(place / f"{name}.jsonl"))[-1]
    data = tmp_path / "data"
    (data / "system2").mkdir(parents=True)
    place.rename(data / "system2" / "runs")
    (listed,) = json.loads(run("runs", "--json", data=data).out)
    assert (listed["answer"], listed["refuted"]) == (None, True)
    assert [listed[kind] for kind in ("tokens", "reasoning_tokens", "answer_tokens")] == [7, 5, 2]
    assert listed["side_tokens"] == 9
    (line,) = run("runs", data=data).out.splitlines()[1:]
    assert "(refuted)" in line and "21" not in line.split("0.1")[0].replace(name, "")
    told = run("trace", name, data=data).out
    assert "no answer: the verifier refuted 21" in told and "answer: 21" not in told
    assert "7 tokens (5 of thought, 2 of the answer) of 1 calls" in told
    assert "besides 9 tokens of 3 calls by the verifier" in told
    older = list(read(data / "system2" / "runs" / f"{name}.jsonl"))
    assert isinstance(older[-1], Finished)
    found = told_by([*older[:-1], replace(older[-1], refuted=False)], name)
    assert found.finished and found.finished.refuted  # its tree says so
