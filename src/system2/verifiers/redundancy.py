"""How much of a run's thinking had been said before, by another line of thought. Reads a tree; judges nobody."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from system2.core import Node, Tree
from system2.verifiers.meaning import grouped, installed

By = Literal["meaning", "text"]

MOST = 30_000  # characters that are embedded: less than a second of one core


@dataclass(frozen=True, slots=True)
class Redundancy:
    """Reasoning tokens of the steps of a tree, and how many of them said nothing new.

    by      how steps were compared
    longer  steps' texts that were compared by their letters alone, since there were too many
    """

    tokens: int
    again: int
    by: By
    longer: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1; 0 where nothing was thought."""
        return self.again / self.tokens if self.tokens else 0.0


def redundancy(tree: Tree, by: By | None = None) -> Redundancy:
    """The share of reasoning tokens in steps whose meaning an earlier step of another line had.

    Earlier is: born before. Another line: not among the steps that lead to this one, so that a line
    which repeats itself is not counted. Where a continuation was merged into a known step, its tokens
    count each time, and as said before from the second time on. Tokens of the reply are left out.
    by: what is the same; without it by meaning where the extra `meaning` is installed, else by text.
    Raises ImportError where meaning is asked for and is not.
    """
    by = by or ("meaning" if installed() else "text")
    nodes = [node for node in tree.nodes if node.step and own(node)]
    texts = [" ".join(node.step.text.split()) for node in nodes if node.step]
    longer = 0
    if by == "meaning":
        near = affordable(texts)
        labels = grouped(texts, only=near)
        longer = len({*texts} - near)
    else:
        numbers: dict[str, int] = {}
        labels = [numbers.setdefault(text, len(numbers)) for text in texts]
    label = {node.id: mark for node, mark in zip(nodes, labels, strict=True)}
    before = Counter[int]()
    earlier: dict[int, int] = {}  # steps of the same meaning that were born before
    for node in nodes:
        earlier[node.id] = before[label[node.id]]
        before[label[node.id]] += 1
    above = paths(tree.root, label)
    tokens = again = 0
    for node in nodes:
        new = earlier[node.id] == above[node.id]  # all that said it lead here
        tokens += own(node) * node.count
        again += own(node) * (node.count - new)
    return Redundancy(tokens, again, by, longer)


def own(node: Node) -> int:
    """Reasoning tokens of one node's step."""
    step = node.step
    return 0 if step is None or step.kind == "reply" else max(0, step.tokens - step.told)


def paths(root: Node, label: dict[int, int]) -> dict[int, int]:
    """For each labelled node, how many of the nodes that lead to it have its label."""
    found: dict[int, int] = {}
    on = Counter[int]()
    stack = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        mark = label.get(node.id)
        if leaving:
            on[mark or 0] -= 1
            continue
        if mark is not None:
            found[node.id] = on[mark]
            on[mark] += 1
            stack.append((node, True))
        stack += [(child, False) for child in node.children]
    return found


def affordable(texts: list[str]) -> set[str]:
    """The texts that are compared by meaning: as many as MOST characters hold, short ones first."""
    found = set[str]()
    room = MOST
    for text in sorted({*texts}, key=lambda text: (len(text), text)):
        room -= len(text)
        if room < 0:
            break
        found.add(text)
    return found
