"""One step of a tree as JSON. Pure."""

from __future__ import annotations

import re
from math import exp
from typing import Any

from system2.core import Node

TITLE = 80  # characters
TEXT = 2_000  # characters of a step in a list of them; the node's own page has all
MARKS = re.compile(r"</?(?:think|step|check|back)>")  # of the embedded model
BOLD = re.compile(r"^\s*\*\*([^*\n]+)\*\*")


def plain(node: Node) -> dict[str, Any]:
    """What may be told of a step to whoever sees its run: everything but its text."""
    step = node.step
    assert step and node.parent
    logprobs = step.logprobs
    return {
        "id": f"n{node.id}",
        "parent": f"n{node.parent.id}",
        "depth": node.depth,
        "step": node.depth,
        "kind": kind(node),
        "status": status(node),
        "visits": node.visits,
        "prior": round(exp(sum(logprobs) / len(logprobs)), 4) if logprobs else None,
        "score": node.score,
        "tokens": step.tokens,
        "answer": node.answer,
        "count": node.count,
        "children": len(node.children),
    }


def text(node: Node, *, whole: bool) -> dict[str, Any]:
    """Its text, and the first line of it. more: there is more of it."""
    assert node.step
    said = readable(node.step.text)
    return {
        "title": title(said),
        "text": said if whole else said[:TEXT],
        "more": not whole and len(said) > TEXT,
    }


def kind(node: Node) -> str:
    """What a step is, in the page's words."""
    step = node.step
    if step is None or step.kind in ("call", "result", "program"):
        return "tool"
    return "answer" if step.final else "thought"


def status(node: Node) -> str:
    """Where a line of thought stands at this step."""
    if node.step is None or node.step.cut or (node.final and node.score == 0.0):
        return "failed"
    if node.final:
        return "solved"
    return "expanded" if node.children else "open"


def readable(text: str) -> str:
    """A step without the marks of the embedded model; the answer stands below its thoughts."""
    return MARKS.sub("", text.replace("</think>", "\n\n")).strip()


def title(text: str) -> str:
    """The first line of a text."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= TITLE else line[: TITLE - 1] + "…"


def headline(text: str) -> str:
    """The bold title of a summary, else its first line."""
    found = BOLD.match(text)
    return title(found[1] if found else text)
