"""Under which span a node's span stands, so that what draws spans by their parents draws the tree. Knows no node.

A step that goes on with a line stands under the first step of that line, beside the others; one that
branches off stands under the step it branches off from. So a line of a thousand steps is two levels deep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context


class Nesting:
    """Grows with the tree; the question is node 0, and `root` the context of its span."""

    def __init__(self, root: Context | None) -> None:
        self._own = {0: root}
        self._line = {0: root}  # the context of the first step of a node's line
        self._continued = {0}  # nodes that have a child: the next one branches off

    def above(self, parent: int) -> Context | None:
        """Where the next child of a node stands."""
        return self._own[parent] if parent in self._continued else self._line[parent]

    def add(self, node: int, parent: int, own: Context) -> None:
        """A node with its context, once it has a span."""
        self._own[node] = own
        self._line[node] = own if parent in self._continued else self._line[parent]
        self._continued.add(parent)
