"""Runs on disk, found and told: what was asked, what grew, what it cost. Reads traces, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from system2.core import (
    Billed,
    Born,
    Event,
    Failed,
    Finished,
    Merged,
    Node,
    Noted,
    Resumed,
    Scored,
    Started,
    Tree,
    Usage,
    Vetoed,
)
from system2.store import decode, folder, read

TAIL = 65_536  # bytes in which the last event of a trace is looked for


@dataclass(slots=True)
class Record:
    """One run. `finished` is None where it was killed, or is still going on.

    tree      as it grew; ids and order are those of the run
    usage     of all calls that were billed; errors: of those that failed, in order
    notes     of sidecars, of all sittings; vetoes: those the tree grew under
    """

    started: Started
    finished: Finished | None = None
    tree: Tree = field(default_factory=Tree)
    usage: Usage = field(default_factory=Usage)
    errors: list[str] = field(default_factory=list[str])
    notes: list[Noted] = field(default_factory=list[Noted])
    vetoes: list[Vetoed] = field(default_factory=list[Vetoed])

    @property
    def chosen(self) -> Node | None:
        """Where the line of thought that answers ends."""
        at = self.finished.node if self.finished else None
        return None if at is None else self.tree.nodes[at]


@dataclass(frozen=True, slots=True)
class Summary:
    """The two ends of a run: enough for a list."""

    run: str
    started: Started
    finished: Finished | None


def summaries(place: Path | None = None) -> Iterator[Summary]:
    """All runs, newest first; a file that is no trace is left out."""
    for path in sorted((place or folder()).glob("*.jsonl"), reverse=True):
        with suppress(OSError, ValueError):
            first, last = ends(path)
            if isinstance(first, Started):
                yield Summary(path.stem, first, last if isinstance(last, Finished) else None)


def ends(path: Path) -> tuple[Event, Event | None]:
    """The first event of a trace and how it finished, if it did, read without what stands between."""
    with path.open("rb") as file:
        first = file.readline()
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL))
        tail = file.read()
    whole = tail.split(b"\n")[:-1]
    done = whole and whole[-1].startswith(b'{"event":"Finished"')
    return decode(first.decode()), decode(whole[-1].decode()) if done else None


def find(name: str, place: Path | None = None) -> Path:
    """The trace of a run: its name, the beginning of one, or `last`. Raises ValueError."""
    home = place or folder()
    names = sorted(path.stem for path in home.glob("*.jsonl"))
    if not names:
        raise ValueError(f"there are no runs in {home}; ask something first")
    if name == "last":
        return home / f"{names[-1]}.jsonl"
    fitting = [one for one in names if one.startswith(name)]
    if name in names:
        fitting = [name]
    if len(fitting) != 1:
        found = (
            f"{len(fitting)} runs begin with {name!r}" if fitting else f"there is no run {name!r}"
        )
        raise ValueError(f"{found}; `system2 runs` lists them, the newest is {names[-1]}")
    return home / f"{fitting[0]}.jsonl"


def record(path: Path) -> Record:
    """A run from its trace. Raises ValueError where the trace cannot be understood."""
    return told(read(path), str(path))


def told(events: Iterable[Event], name: str) -> Record:
    """The events of a run, taken together. Raises ValueError if they do not begin one."""
    found: Record | None = None
    for event in events:
        if isinstance(event, Started):
            found = Record(event)
        elif found is None:
            break
        else:
            take(found, event)
    if found is None:
        raise ValueError(f"{name} holds no run: its first event was never finished")
    return found


def take(found: Record, event: Event) -> None:
    """One more event."""
    tree = found.tree
    if isinstance(event, Resumed):  # the tree grows anew
        found.tree, found.finished, found.vetoes = Tree(), None, []
        found.started = replace(found.started, settings=event.settings)
        found.usage = sum(event.lost.values(), found.usage)
    elif isinstance(event, Born):
        node = tree.add(tree.nodes[event.parent], event.step, event.score)
        if node.final:
            tree.finals.append(node)
    elif isinstance(event, Merged):
        node = tree.nodes[event.id]
        node.count += 1
        node.score = event.score if node.score is None else node.score
        if node.final:
            tree.finals.append(node)
    elif isinstance(event, Scored):
        for id, score in event.scores:
            tree.nodes[id].score = score
    elif isinstance(event, Billed):
        found.usage += event.usage
    elif isinstance(event, Failed):
        found.errors.append(event.error)
    elif isinstance(event, Noted):
        found.notes.append(event)
    elif isinstance(event, Vetoed):
        found.vetoes.append(event)
    elif isinstance(event, Finished):
        wrong = event.node is not None and tree.nodes[event.node].score == 0.0
        found.finished = replace(event, refuted=True) if wrong else event  # older traces do not say
