"""Which raw thoughts are shown: the first line as it is written, then the one that was chosen. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from system2.core import Node, Step

APART = "\n\n———\n\n"
"""Between the line that was followed and the one that was chosen instead."""
MARKS = {"<step>": "\n", "<check>": "\n✓ ", "<back>": "\n↩ ", "</think>": ""}


@dataclass(slots=True)
class Thoughts:
    """The raw chain of thought of one search, told without a repetition.

    Of many lines written at once only the first can be read as it comes; the chosen one is told whole
    when it is chosen, unless it is that one.
    """

    line: tuple[int, int] | None = None  # ask and child of the line that is followed
    told: str = ""
    done: bool = False

    def piece(self, ask: int, child: int, text: str) -> str:
        """What to show of a piece of some line."""
        if self.line is None:
            self.line = ask, child
        if self.done or self.line != (ask, child):
            return ""
        shown = readable(text)
        self.told += shown
        return shown

    def chosen(self, node: Node | None) -> str:
        """What to show once a line is chosen. Nothing is shown after it."""
        if self.done or node is None:
            self.done = True
            return ""
        self.done = True
        whole = written(node.chain())
        if whole.startswith(self.told):
            return whole[len(self.told) :]
        if self.told.startswith(whole):
            return ""
        return APART + whole


def written(chain: Sequence[Step]) -> str:
    """A line of thought as text, without the answer's own."""
    whole = "".join(step.text for step in chain if step.kind not in ("reply", "call"))
    return readable(whole.partition("</think>")[0])


def readable(text: str) -> str:
    """The marks of the embedded model's traces (docs/traces.md) as ends of lines."""
    for mark, shown in MARKS.items():
        text = text.replace(mark, shown)
    return text
