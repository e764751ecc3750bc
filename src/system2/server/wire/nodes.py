"""A run's events as the page's JSON: a tree that grows, a vote, a meter. Pure: no HTTP, no files, no clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from system2.core import (
    Billed,
    Born,
    Event,
    Failed,
    Finished,
    Handed,
    Merged,
    Node,
    Noted,
    Price,
    Resumed,
    Scored,
    Started,
    Tree,
    Usage,
    Vetoed,
)
from system2.search import confidence
from system2.server.wire.steps import headline, plain, text
from system2.server.wire.usage import STOPS, told
from system2.verifiers import value

FINENESS = 64  # a tree is told of again when it has changed by a 64th
OWNER = "key"  # the setting of a trace that names the key it was asked with
ANSWERS = 50  # of a vote that are told
LATER = (
    "visits",
    "value",
    "score",
    "count",
    "status",
    "summary",
)  # what changes after a node's birth


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of the page: number `seq` of its run, whoever reads it and when."""

    seq: int
    type: str
    body: dict[str, Any]

    def data(self) -> dict[str, Any]:
        """As it is sent."""
        return {"type": self.type, "seq": self.seq, **self.body}


@dataclass(slots=True)
class Growth:
    """What the page knows of a run, event by event.

    The frames and their numbers follow from the events alone, so that a follower may go on at any
    number, before and after a restart of the server, live or from the trace.

    raw    with the text of the thoughts; without it nodes have neither text nor title
    caps   tokens, dollars (a decimal's text), seconds; price: None where it is unknown
    """

    raw: bool
    caps: Mapping[str, Any] = field(default_factory=dict[str, Any])
    price: Price | None = None
    model: str | None = None
    started: Started | None = None
    finished: Finished | None = None
    tree: Tree = field(default_factory=Tree)
    roles: dict[str, Usage] = field(default_factory=dict[str, Usage])
    sequence: int = 0
    changes: int = 0
    news: dict[int, bool] = field(default_factory=dict[int, bool])  # node → is it new
    sums: list[float] = field(default_factory=lambda: [0.0])  # of scores at and below each node
    judged: list[int] = field(default_factory=lambda: [0])  # how many those are
    arriving: tuple[int, int] = (0, 0)
    firsts: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    titles: dict[int, str] = field(default_factory=dict[int, str])  # what a summary says of a node
    spoken: dict[tuple[int, int], str] = field(default_factory=dict[tuple[int, int], str])
    sure: dict[int, float] = field(default_factory=dict[int, float])
    said: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    # ---------------------------------------------------------------- events

    def hear(self, event: Event, seconds: float | None = None) -> Iterator[Frame]:
        """The frames that this event brings; `seconds` since the run began, where somebody knows."""
        match event:
            case Started():
                self.started = event
                yield self.frame("run.started", self.beginning())
                yield self.frame("budget", self.meter(seconds))
            case Resumed():
                self.again(event)
                yield self.frame("run.started", self.beginning() | {"resumed": True})
                yield self.frame("budget", self.meter(seconds))
            case Born():
                parent = self.tree.nodes[event.parent]
                node = self.tree.add(parent, event.step, event.score)
                self.sums.append(0.0)
                self.judged.append(0)
                self.news[node.id] = True
                self.arrive(event, node)
            case Merged():
                node = self.tree.nodes[event.id]
                if node.score is None:
                    self.score(node, event.score)
                node.count += 1
                self.arrive(event, node)
            case Scored():
                for id, score in event.scores:
                    node = self.tree.nodes[id]
                    self.credit(node, node.score, -node.count)
                    self.score(node, score)
                    self.credit(node, node.score, node.count)
                self.changes += len(event.scores)
            case Billed():
                self.roles[event.role] = self.roles.get(event.role, Usage()) + event.usage
            case Failed():
                yield self.frame("note", {"text": event.error, "role": event.role})
            case Noted():
                self.speak((event.ask, event.child), headline(event.text))
            case Vetoed():
                yield self.frame("note", {"text": f"{event.by}: {event.reason}", "role": "veto"})
            case Handed() if self.changes * FINENESS >= len(self.tree.nodes):
                yield from self.flush(seconds)
            case Finished():
                self.finished = event
                yield from self.flush(event.seconds)
                yield self.frame("run.finished", self.ending(event))
            case _:
                pass

    def again(self, event: Resumed) -> None:
        """The tree grows anew; what was spent stays spent."""
        self.tree, self.finished = Tree(), None
        self.sums, self.judged = [0.0], [0]
        self.news.clear()
        self.sure.clear()
        self.firsts.clear()
        self.titles.clear()
        self.spoken.clear()
        self.said, self.changes, self.arriving = [], 0, (0, 0)
        for role, usage in event.lost.items():
            self.roles[role] = self.roles.get(role, Usage()) + usage

    def arrive(self, event: Born | Merged, node: Node) -> None:
        """A continuation has come to this node: it and, the first time, all above count a visit."""
        self.changes += 1
        key = (event.ask, event.child)
        above = node.parent if key != self.arriving else None
        self.arriving = key
        if isinstance(event, Born) and key not in self.firsts:
            self.firsts[key] = node.id
            if key in self.spoken:
                self.titles[node.id] = self.spoken[key]
        self.visit(node)
        while above is not None:
            self.visit(above)
            above = above.parent
        self.credit(node, node.score, 1)
        if node.final:
            self.tree.finals.append(node)

    def speak(self, key: tuple[int, int], title: str) -> None:
        """A summary of a continuation names the first step that it brought."""
        self.spoken[key] = title
        if (id := self.firsts.get(key)) is not None:
            self.titles[id] = title
            self.news.setdefault(id, False)

    def visit(self, node: Node) -> None:
        """One continuation more passes here."""
        node.visits += 1
        if node.parent:
            self.news.setdefault(node.id, False)

    def score(self, node: Node, score: float | None) -> None:
        """What a verifier says of it now."""
        node.score = score
        self.news.setdefault(node.id, False)

    def credit(self, node: Node, score: float | None, count: int) -> None:
        """Add (or take back) a score here and to all above."""
        if score is None:
            return
        at: Node | None = node
        while at is not None:
            self.sums[at.id] += count * score
            self.judged[at.id] += count
            if at.parent:
                self.news.setdefault(at.id, False)
            at = at.parent

    # ---------------------------------------------------------------- frames

    def frame(self, kind: str, body: dict[str, Any]) -> Frame:
        """The next one."""
        self.sequence += 1
        return Frame(self.sequence - 1, f"system2:{kind}", body)

    def flush(self, seconds: float | None) -> Iterator[Frame]:
        """All that is new since the last time."""
        born = [self.node(self.tree.nodes[id]) for id, new in self.news.items() if new]
        changed = [
            {"id": f"n{id}"} | {name: now[name] for name in LATER}
            for id, new in self.news.items()
            if not new
            for now in [self.node(self.tree.nodes[id])]
        ]
        self.news.clear()
        self.changes = 0
        if born:
            yield self.frame("node.added", {"nodes": born})
        if changed:
            yield self.frame("node.updated", {"nodes": changed})
        if (answers := self.answers()) != self.said:
            self.said = answers
            yield self.frame("answer.candidate", {"answers": answers})
        yield self.frame("budget", self.meter(seconds))

    def beginning(self) -> dict[str, Any]:
        """What was asked for."""
        assert self.started
        return {
            "run": self.started.run,
            "question": self.started.problem.question,
            "model": self.model,
            "settings": settings(self.started),
            "budget": dict(self.caps),
            "raw": self.raw,
        }

    def ending(self, end: Finished) -> dict[str, Any]:
        """How it ended. An answer that was refuted or forbidden is none."""
        refuted = end.node is not None and self.tree.nodes[end.node].score == 0.0
        return {
            "answer": None if refuted or end.why == "moderation" else end.answer,
            "why": STOPS.get(end.why, end.why),
            "samples": end.samples,
            "usage": told(end.usage),
            "roles": {role: told(usage) for role, usage in end.roles.items()},
            "cost": None if end.cost is None else f"{end.cost:f}",
            "seconds": round(end.seconds, 3),
            "chosen": None if end.node is None else f"n{end.node}",
        }

    def meter(self, seconds: float | None) -> dict[str, Any]:
        """What has been spent, and of what."""
        roles = self.finished.roles if self.finished else self.roles
        usage = sum(roles.values(), Usage())
        dollars: Decimal | None = self.price.of(usage) if self.price else None
        if self.finished:
            dollars = self.finished.cost
        return {
            "tokens": usage.completion,
            "dollars": None if dollars is None else f"{dollars:f}",
            "seconds": None if seconds is None else round(seconds, 3),
            "calls": usage.calls,
            "roles": {role: used.completion for role, used in roles.items()},
            "caps": dict(self.caps),
        }

    def answers(self) -> list[dict[str, Any]]:
        """The vote: the answer with the most lines behind it first. A refuted line weighs nothing."""
        told: dict[Any, dict[str, Any]] = {}
        for node in self.tree.finals:
            if (key := value(node)) is None:
                continue
            entry = told.setdefault(
                key, {"answer": node.answer, "votes": 0, "weight": 0.0, "score": None}
            )
            entry["votes"] += 1
            if node.id not in self.sure:
                self.sure[node.id] = confidence(node)
            entry["weight"] += 0.0 if node.score == 0.0 else self.sure[node.id]
            if node.score is not None:
                entry["score"] = max(node.score, entry["score"] or 0.0)
        ranked = sorted(told.values(), key=lambda entry: (-entry["votes"], -entry["weight"]))
        return [entry | {"weight": round(entry["weight"], 4)} for entry in ranked[:ANSWERS]]

    def node(self, node: Node, *, whole: bool = False) -> dict[str, Any]:
        """A node as it is now; `whole`: with all of its text, where it may be shown."""
        judged = self.judged[node.id]
        value = round(self.sums[node.id] / judged, 4) if judged else None
        shown = plain(node) | {"value": value, "summary": self.titles.get(node.id, "")}
        return shown | (text(node, whole=whole) if self.raw else {"title": ""})


def settings(started: Started) -> dict[str, str]:
    """What was asked for, without whose key it was."""
    return {name: value for name, value in started.settings.items() if name != OWNER}
