"""The tree of thoughts of one search. Knows how a chain is planted; not where chains come from."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from system2.core.problem import Chain, Step

Key = Callable[["Node", Step], Hashable | None]


@dataclass(slots=True, eq=False, weakref_slot=True)
class Node:
    """A point in the tree. The path from the root to here is one line of thought.

    count    how many continuations arrived here (a duplicate adds one); a vote weighs by it
    tried    continuations received below this node, duplicates included
    visits, total, pending, exhausted   the book-keeping of tree searches
    closed   continuing from here brings nothing new
    """

    id: int
    parent: Node | None
    step: Step | None
    score: float | None = None
    count: int = 1
    tried: int = 0
    visits: int = 0
    total: float = 0.0
    pending: int = 0
    closed: bool = False
    exhausted: bool = False
    depth: int = 0
    children: list[Node] = field(default_factory=list["Node"])

    @property
    def final(self) -> bool:
        """Is the line of thought finished here?"""
        return self.step is not None and self.step.final

    @property
    def answer(self) -> str | None:
        """The final answer written here, if any."""
        return self.step.answer if self.step else None

    def chain(self) -> list[Step]:
        """The steps from the root down to here."""
        steps: list[Step] = []
        node = self
        while node.parent is not None and node.step is not None:
            steps.append(node.step)
            node = node.parent
        return steps[::-1]


@dataclass(frozen=True, slots=True)
class Planted:
    """One node a chain passed through: new, or known before and met again."""

    node: Node
    new: bool


class Tree:
    """All nodes of one search in the order they were born, and every arrival at a finished answer."""

    def __init__(self) -> None:
        self.root = Node(0, None, None)
        self.nodes = [self.root]
        self.finals: list[Node] = []
        self._known: dict[tuple[int, bool, Hashable], Node] = {}

    def add(self, parent: Node, step: Step, score: float | None = None) -> Node:
        """A new node below `parent`."""
        node = Node(len(self.nodes), parent, step, score, depth=parent.depth + 1)
        parent.children.append(node)
        self.nodes.append(node)
        return node

    def plant(self, node: Node, chain: Chain, score: float | None, key: Key) -> list[Planted]:
        """Lead `chain` down from `node`; where a step is known already (same `key`), walk into it.

        Returns the nodes passed, the last one being where the chain ends; its score is set if it
        had none. A duplicate is merged, never dropped: what was paid for counts. A cut step is never
        the same as another, nor is a finished line the same as one that goes on.
        """
        path: list[Planted] = []
        for step in chain:
            node.tried += 1
            name = None if step.cut else key(node, step)
            place = (node.id, step.final, name)
            known = None if name is None else self._known.get(place)
            if known is not None:
                known.count += 1
                node = known
            else:
                node = self.add(node, step)
                if name is not None:
                    self._known[place] = node
            path.append(Planted(node, known is None))
            if node.final:
                self.finals.append(node)
        if path and node.score is None:
            node.score = score
        return path
