"""Nodes that stand for the same state: one is searched, all learn from it. Knows nothing about how."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from system2.core import Node, Tree

State = Callable[[Node], Hashable | None]


def unlike(node: Node) -> None:
    """The state under which no two nodes are the same."""


@dataclass(slots=True)
class Transpositions:
    """Unfinished nodes by state; those whose state is None stand for themselves.

    What is found below one node is credited above all that stand for its state, each node once:
    "update all" in a directed graph (Saffidine et al. 2012, "UCD", sec. 3).
    """

    state: State
    _alike: dict[Hashable, list[Node]] = field(default_factory=dict[Hashable, list[Node]])
    _first: dict[Hashable, Node] = field(default_factory=dict[Hashable, Node])
    _late: set[Node] = field(default_factory=set[Node])
    _mates: dict[Node, list[Node]] = field(default_factory=dict[Node, list[Node]])
    _read: int = 1

    def update(self, tree: Tree) -> None:
        """Look at the nodes born since the last time; but for the first, those of a state are exhausted."""
        for node in tree.nodes[self._read :]:
            name = None if node.final else self.state(node)
            if name is not None:
                mates = self._alike.setdefault(name, [])
                mates.append(node)
                self._mates[node] = mates
                reached = not self.below(node)
                if not reached or self._first.setdefault(name, node) is not node:
                    self._late.add(node)
                    node.exhausted = True
        self._read = len(tree.nodes)

    def met(self, node: Node) -> bool:
        """Does another node of this state stand for it?"""
        return node in self._late

    def below(self, node: Node) -> bool:
        """Does it stand below a node that another stands for, where no search goes?"""
        above = node.parent
        while above is not None and above not in self._late:
            above = above.parent
        return above is not None

    def above(self, node: Node) -> Iterator[Node]:
        """The node and all above it, and above those of the same states; each once."""
        seen, stack = {node}, [node]
        while stack:
            at = stack.pop()
            yield at
            found = [*self._mates.get(at, ()), *([at.parent] if at.parent else ())]
            fresh = [one for one in found if one not in seen]
            seen.update(fresh)
            stack += fresh
