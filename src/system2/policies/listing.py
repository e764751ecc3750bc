"""A list as a model writes it, read line by line: which line begins an entry. Pure; knows nothing of policies or tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from system2.policies.segment import answered

Role = Literal["entry", "more", "plain", "aside"]

_DIGITS = r"(?:[0-9]{1,2}|[一二三四五六七八九十]{1,3})"
# A full stop or a colon before a digit is none of a list's: 1.5 + 2, 3:4.
_NUMBER = (
    rf"(?:(?:step|option|idea|步骤|选项)[ ]?)?[(（\[]?{_DIGITS}(?:[)）\]、．：]|[.:](?![0-9]))[:：]?"
    rf"|第{_DIGITS}[步种个][:：、，,]|[①-⑳⑴-⒇❶-❿]"
)
_BULLET = r"[-*•·▪‣–—](?=\s|$)|[•·▪‣]"
_MARK = re.compile(
    rf"(?P<indent>[ \t]*+)(?P<bold>\*\*|__)?(?:(?P<number>{_NUMBER})|(?P<bullet>{_BULLET}))"
    r"(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_TAILS = (" x", ". x", ") x", "、x", ": x")  # what may turn half a mark into a whole one


@dataclass(frozen=True, slots=True)
class Line:
    """What a line is, and its text without its mark.

    entry  begins one; more: belongs to the entry above; plain: an entry, if no line of the list has
           a mark; aside: blank, a heading, a remark
    """

    role: Role
    text: str = ""


class Listing:
    """Reads one list, from its first line to its last.

    The first mark, a number or a bullet, decides what marks an entry. A line without one goes with
    the entry right above it; behind a blank line it is a remark, unless it is set in or names an answer.
    """

    def __init__(self) -> None:
        self.kind = ""  # of mark: "number" or "bullet"; "": none has come
        self.indent = 0  # columns before the first mark
        self.gap = False  # was the line above blank?
        self.bare = False  # has the entry no text yet?

    def read(self, line: str, *, half: bool = False) -> Line:
        """The next line. half: it was cut off, and is no more than it may be taken for."""
        text = line.strip()
        if not text:
            self.gap = True
            return Line("aside")
        if text.startswith("```") or (half and _may_mark(text)):
            return Line("aside")
        gap, self.gap = self.gap, False
        indent = len(line.expandtabs()) - len(line.expandtabs().lstrip())
        mark = _MARK.match(line)
        if mark and self._marks(mark, indent):
            rest = mark["rest"].strip()
            if bold := mark["bold"]:  # **1.** text, or **1. text**
                rest = rest.replace(bold, "", 1).strip()
            self.bare = not rest
            return Line("entry", rest)
        if not self.kind:
            return Line("plain", text)
        if self.bare or not gap or indent > self.indent + 1:
            self.bare = False
            return Line("more", text)
        return Line("entry", text) if answered(text) else Line("aside")

    def _marks(self, mark: re.Match[str], indent: int) -> bool:
        kind = "number" if mark["number"] else "bullet"
        if not self.kind:
            self.kind, self.indent = kind, indent
        return kind == self.kind and indent <= self.indent + 1


def _may_mark(text: str) -> bool:
    """Is half a line the beginning of a mark, and no more?"""
    marks = (_MARK.match(text + tail) for tail in _TAILS)
    return any(mark is not None and mark["rest"].strip() == "x" for mark in marks)
