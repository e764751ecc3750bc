"""Counting what was found, each arrival once. Knows nothing about how lines of thought are found.

Tallies belong to a tree and go with it; no strategy holds one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from system2.core import Node, Tree

Answer = Callable[[Node], Hashable | None]
Weight = Callable[[Node], float]


@dataclass(frozen=True, slots=True)
class Refuted:
    """What a line that was found wrong would have voted for: lines to the same answer that nobody judged fall with it."""

    answer: Hashable


def counted(answer: Hashable | None) -> bool:
    """Is this something to vote for?"""
    return answer is not None and not isinstance(answer, Refuted)


def written(node: Node) -> Hashable | None:
    """The answer as the policy's segmenter read it: answers are the same if their texts are.

    Calls of tools are never the same as a text.
    """
    return ("call", node.answer) if node.step and node.step.kind == "call" else node.answer


def one(node: Node) -> float:
    """Every arrival counts one."""
    return 1.0


@dataclass(slots=True, eq=False)
class Side:
    """The supporters of one answer: their votes together, and the heaviest of them, who speaks.

    unjudged  some of them have no score
    """

    votes: float
    weight: float
    speaker: Node
    place: int
    unjudged: bool = False

    def beats(self, other: Side | None) -> bool:
        """More votes; at equal votes, the answer that was there first."""
        return other is None or (self.votes, -self.place) > (other.votes, -other.place)


@dataclass(slots=True, eq=False)
class Tally:
    """Votes for each answer. Nodes without an answer do not vote, nor do refuted ones (`Refuted`)."""

    answer: Answer
    weight: Weight
    sides: dict[Hashable, Side] = field(default_factory=dict[Hashable, Side])
    first: Side | None = None
    second: Side | None = None
    read: int = 0
    unscored: list[Node] = field(default_factory=list[Node])
    refuted: set[Hashable] = field(default_factory=set[Hashable])

    def update(self, tree: Tree) -> None:
        """Read the arrivals since the last time; all of them again if a score came late, or was held against others."""
        if any(node.score is not None for node in self.unscored):
            self._forget()
        while self.read < len(tree.finals):
            node = tree.finals[self.read]
            self.read += 1
            if self._count(node):
                self._forget()

    def _forget(self) -> None:
        """Begin to read anew; what was refuted stays so."""
        self.sides.clear()
        self.unscored.clear()
        self.first = self.second = None
        self.read = 0

    def _count(self, node: Node) -> bool:
        """One more arrival. Do votes fall that were counted before?"""
        answer = self.answer(node)
        if isinstance(answer, Refuted):
            known, side = answer.answer in self.refuted, self.sides.get(answer.answer)
            self.refuted.add(answer.answer)
            return not known and side is not None and side.unjudged
        if answer is not None:
            self._vote(node, answer)
        return False

    def _vote(self, node: Node, answer: Hashable) -> None:
        if node.score is None and (self.weight is not one or self.answer is not written):
            self.unscored.append(node)
        if node.score is None and answer in self.refuted:
            return
        weight = self.weight(node)
        side = self.sides.get(answer)
        if side is None:
            side = self.sides[answer] = Side(0.0, weight, node, len(self.sides))
        side.votes += weight
        side.unjudged = side.unjudged or node.score is None
        if weight > side.weight:
            side.weight, side.speaker = weight, node
        if weight < 0:
            self._rank()
        elif side is self.first:
            return
        elif side.beats(self.first):
            self.first, self.second = side, self.first
        elif side.beats(self.second):
            self.second = side

    def _rank(self) -> None:
        """Find the two leaders anew: needed only where votes can fall."""
        self.first = self.second = None
        for side in self.sides.values():
            if side.beats(self.first):
                self.first, self.second = side, self.first
            elif side.beats(self.second):
                self.second = side


@dataclass(slots=True, eq=False)
class Champion:
    """The best node to answer from. All but the root are candidates, so there always is one."""

    node: Node | None = None
    rank: tuple[int, bool, float, int, int] = (-1, False, 0.0, 0, 0)
    read: int = 1
    unscored: list[Node] = field(default_factory=list[Node])

    def update(self, tree: Tree) -> None:
        """Look at the nodes born since the last time, and at those that had no score then."""
        late = [node for node in self.unscored if node.score is not None]
        if late:
            self.unscored = [node for node in self.unscored if node.score is None]
        for node in (*late, *tree.nodes[self.read :]):
            rank = standing(node)
            if rank > self.rank:
                if rank[0] > self.rank[0]:
                    self.unscored.clear()
                self.node, self.rank = node, rank
            if node.score is None and rank[0] == self.rank[0]:
                self.unscored.append(node)
        self.read = len(tree.nodes)


def standing(node: Node) -> tuple[int, bool, float, int, int]:
    """How good a node is to answer from; greater is better.

    A finished line with an answer, else any step with an answer (a reply), else a finished line,
    else an open one; of these the highest score, unscored last; of open ones the longest; the
    first of all that are equal.
    """
    step = node.step
    answered = step is not None and step.answer is not None and not step.cut
    kind = 2 * answered + node.final
    length = 0 if kind else node.depth
    return kind, node.score is not None, node.score or 0.0, length, -node.id


_tallies: WeakKeyDictionary[Tree, dict[tuple[Answer, Weight], Tally]] = WeakKeyDictionary()
_champions: WeakKeyDictionary[Tree, Champion] = WeakKeyDictionary()


def tally(tree: Tree, answer: Answer = written, weight: Weight = one) -> Tally:
    """The votes of a tree so far. Amortised O(1) an arrival, plus a glance at each unscored one.

    The glance is needed only where weights may hang on scores: a score may come late, but once
    given it stays.
    """
    kept = _tallies.setdefault(tree, {})
    found = kept.get((answer, weight))
    if found is None:
        found = kept[answer, weight] = Tally(answer, weight)
    found.update(tree)
    return found


def champion(tree: Tree) -> Node | None:
    """The best node to answer from; None only for an empty tree. Costs as `tally` does."""
    found = _champions.setdefault(tree, Champion())
    found.update(tree)
    return found.node
