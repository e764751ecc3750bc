"""Text to steps as it arrives, and the final answer out of it. Pure; knows nothing about servers or models.

The steps are the same however the text was split on its way. A step's end is known when the next
one begins, so what ends the whole text never ends a step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from system2.core import Chain

By = Literal["paragraph", "sentence", "marker"]

OPEN, CLOSE, MARK = "<think>", "</think>", "<step>"
_MARKS = (MARK, "</step>")
_WEAK = ".!?…"  # end a sentence before a blank: 3.14, a?b, file.txt are none
_STRONG = "。！？｡।॥؟۔።"  # end it by themselves: nothing else is written with them
_CLOSERS = "\"'”’»)]}）】」』》*_`"
_ENDERS = _WEAK + _STRONG + _CLOSERS

# A model may write blanks, marks or full stops without end: no pattern is tried again inside a run, and
# none asks what follows, which at the end of a text would begin the run again at each of its characters.
_LONG = re.compile(r"(?<!\s)(\s{1000})\s++")  # of a run, all that follows is dropped
_MARKS_HELD = 65  # characters that end a sentence together
_RUN = re.compile(rf"[{_WEAK}{_STRONG}][{re.escape(_ENDERS)}]{{0,{_MARKS_HELD - 1}}}+")
_BLANK = re.compile(r"\s++")
_STOP = re.compile(rf"(?P<mark>{_RUN.pattern})(?P<gap>\s*+)|(?P<blank>\s++)")
_MARKED = re.compile(r"(?:(?:(?<!\s)\s++)?+</?step>)++\s*+")

# Abbreviations of the languages that write them; the second row only before a number.
_ABBREVIATED = re.compile(r"(?:mrs?|ms|dr|prof|sr|jr|st|vs|cf|al|approx|resp|viz|bzw|ca|etc)")
_NUMBERED = re.compile(r"(?:nos?|nr|figs?|eqs?|sec|ch|vol|pp?|ex|art|thm|step)")
_DOTTED = re.compile(r"(?:^|[^\w.])(?:[^\W\d_]\.)+[^\W\d_]$")
_LISTED = re.compile(r"(?:^|\n)[ \t]*[(\[]?\d{1,3}$")
_REACH = 64


@dataclass(frozen=True, slots=True)
class Span:
    """Text of one kind. end: with it a step ends (the text may be empty)."""

    text: str
    kind: Literal["thought", "reply"]
    end: bool = False


class Segmenter:
    """Cuts one continuation. Thoughts are cut into steps, the reply is one step.

    Content is thought, until `</think>` or, where thoughts come in a field of their own, from the
    start reply. reply: content is reply but for what stands in `<think>`.
    """

    def __init__(self, by: By = "paragraph", *, reply: bool = False) -> None:
        self.by = by
        self.kind: Literal["thought", "reply"] = "thought"
        self.filled = False  # has the step a visible character?
        self.texts: dict[str, list[str]] = {"thought": [], "reply": []}
        self._content: Literal["thought", "reply"] = "reply" if reply else "thought"
        self.fresh = True  # no content came but blanks: <think> may open
        self._raw: str = ""  # may be the beginning of a tag
        self._held: str = ""  # not known yet on which side of a step's end it stands
        self._tail: str = ""  # the end of the step so far

    def feed(self, text: str, *, thought: bool = False) -> list[Span]:
        """More text. thought: it came in the server's own field for thoughts."""
        if thought:
            self._content = "reply"
            return [*self._turn("thought"), *self._write(text)]
        spans: list[Span] = []
        self._raw += text
        if self.fresh:
            start = self._raw.lstrip()
            if OPEN.startswith(start):  # also where nothing is left
                self._raw = _LONG.sub(r"\1", self._raw)
                return []
            self.fresh = False
            if start.startswith(OPEN):
                self._raw = start[len(OPEN) :]
                spans += self._turn("thought")
                self._content = "thought"
            else:
                spans += self._turn(self._content)
        if self.kind != self._content:  # thoughts came in their field after content had begun
            spans += self._turn(self._content)
        if self.kind == "thought":
            before, tag, after = self._raw.partition(CLOSE)
            if not tag:
                kept = _partial(before, (CLOSE,))
                before, after = before[: len(before) - kept], before[len(before) - kept :]
            spans += self._write(before)
            self._raw = after
            if tag:
                self._content = "reply"
                spans += self._turn("reply")
        if self.kind == "reply":
            spans += self._write(self._raw)
            self._raw = ""
        return spans

    def close(self) -> list[Span]:
        """What was held back: nothing more comes. Who closes says how the last step ends."""
        spans: list[Span] = []
        if self._raw:
            if self.fresh and self._raw.strip():
                spans += self._turn(self._content)
            spans += self._write(self._raw)
        spans += self._span(self._rest())
        self._raw = self._held = ""
        return _joined(spans)

    def answer(self, before: str = "") -> str | None:
        """The final answer: of the reply if there is one, else of the thoughts (`before` included)."""
        if (reply := "".join(self.texts["reply"])).strip():
            return final_answer(reply)
        return final_answer(before + "".join(self.texts["thought"]))

    @property
    def text(self) -> str:
        """All thoughts, then all of the reply."""
        return "".join(self.texts["thought"] + self.texts["reply"])

    def _turn(self, kind: Literal["thought", "reply"]) -> list[Span]:
        """From here on the text is of this kind; what was open ends a step."""
        if kind == self.kind:
            return []
        spans: list[Span] = []
        if self.filled:
            spans = _joined([*self._span(self._rest()), Span("", self.kind, end=True)])
        self.kind, self.filled, self._held, self._tail = kind, False, "", ""
        return spans

    def _rest(self) -> str:
        """What was held back, now that no step begins behind it."""
        return _MARKED.sub("", self._held) if self.by == "marker" else self._held

    def _write(self, text: str) -> list[Span]:
        if self.kind == "reply":
            return self._span(text if self.filled else text.lstrip())
        text, spans, at = _LONG.sub(r"\1", self._held + text), list[Span](), 0
        if self.by == "marker":  # a run of markers is as good as one
            kept = len(text) - _partial(text, _MARKS)
            text = _MARKED.sub(MARK, text[:kept]) + text[kept:]
        held = self._hold(text)
        for start, resume in self._cuts(text, held):
            if self.filled or text[at:start].strip():
                spans += [*self._span(text[at:start]), Span("", "thought", end=True)]
                self.filled, self._tail = False, ""
            elif start == resume:
                continue  # blanks before a step are its own
            at = resume
        spans += self._span(text[at:held])
        self._held = text[max(at, held) :]
        return _joined(spans)

    def _span(self, text: str) -> list[Span]:
        if not text:
            return []
        self.texts[self.kind].append(text)
        self._tail = (self._tail + text)[-_REACH:]
        self.filled = self.filled or bool(text.strip())
        return [Span(text, self.kind)]

    def _hold(self, text: str) -> int:
        """From where on the text cannot be judged before more comes."""
        if self.by == "marker":
            rest = text[: len(text) - _partial(text, _MARKS)].rstrip()
            return len(rest.removesuffix(MARK))
        rest = text.rstrip()
        if self.by == "paragraph":
            return len(rest)
        ends = rest[len(rest.rstrip(_ENDERS)) :].lstrip(_CLOSERS)
        for m in _RUN.finditer(ends):  # as they are cut into marks
            if m.end() == len(ends):
                return len(rest) - len(ends) + m.start()
        return len(rest)

    def _cuts(self, text: str, held: int) -> list[tuple[int, int]]:
        """Where steps may end, and where the next would begin: what lies between is dropped."""
        if self.by == "marker":
            body = text[: len(text) - _partial(text, _MARKS)]
            return [(m.start(), m.end()) for m in _MARKED.finditer(body) if m.end() < len(body)]
        found: list[tuple[int, int]] = []
        at = 0
        for m in (_STOP if self.by == "sentence" else _BLANK).finditer(text):
            if m.end() == len(text):  # what follows it has not come
                break
            mark = m["mark"] if self.by == "sentence" else None
            gap = (m["gap"] if mark else m[0]) or ""
            if gap.count("\n") < 2:
                if not mark:
                    continue
                before = text[max(at, m.start() - _REACH) : m.start()]
                before = before if found else (self._tail + before)[-_REACH:]
                if not _ends(before, mark, gap, text[m.end()]):
                    continue
            # A line's end belongs to the step it ends, an indent or a space to the step it begins.
            end = m.end() - len(gap) + gap.rfind("\n") + 1
            found.append((end, end))
            at = end
        return found


def _ends(before: str, mark: str, gap: str, after: str) -> bool:
    """Does a sentence end with this mark?"""
    if any(c in _STRONG for c in mark):
        return True
    if not gap:
        return False
    if mark[0] != "." or mark.startswith(".."):
        return True
    word = re.split(r"[\s(\[\"']", before)[-1].lower()
    if _ABBREVIATED.fullmatch(word) or (_NUMBERED.fullmatch(word) and after.isdigit()):
        return False
    return not (_DOTTED.search(before) or _LISTED.search(before))


def _partial(text: str, tags: tuple[str, ...]) -> int:
    """Length of the longest end of `text` that one of the tags begins with, short of a whole tag."""
    longest = max(len(tag) for tag in tags) - 1
    for size in range(min(longest, len(text)), 0, -1):
        if any(len(tag) > size and tag.startswith(text[-size:]) for tag in tags):
            return size
    return 0


def _joined(spans: list[Span]) -> list[Span]:
    """Text and the end right after it in one span."""
    out: list[Span] = []
    for span in spans:
        if span.end and not span.text and out and not out[-1].end:
            out[-1] = Span(out[-1].text, out[-1].kind, end=True)
        else:
            out.append(span)
    return out


def written(chain: Chain, by: By = "paragraph") -> str:
    """A chain as the text it was cut from, so that a model can go on writing it."""
    ends = MARK if by == "marker" else ""
    return "".join(s.text + ("" if s.cut or s.final else ends) for s in chain)


_ANSWER = re.compile(
    r"^[ \t>#*_`-]*(?:(?:the[ ]+)?(?:final[ ]+)?answer(?:[ ]+is)?|(?:最终|最后)?答案(?:是|为)?)"
    r"[ \t*_`]*[:：][*_`]*(?P<rest>.*)$",
    re.IGNORECASE | re.MULTILINE,
)
# What goes on below the line of an answer: up to the end of its fence, or lines set in under it.
_MORE = re.compile(
    r"[ \t]*(?P<whole>(?P<fence>```++)[^\n]*+\n(?:.*?\n)?(?P=fence)|\S[^\n]*+(?:\n[ \t]++\S[^\n]*+)++)",
    re.DOTALL,
)
_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)
_BOXED = re.compile(r"\\f?box(?:ed)?\s*(?=\{)")


def answered(text: str) -> str | None:
    """What follows the last "Answer:" line, else the last \\boxed{…}; None: it names no answer."""
    for label in reversed([*_ANSWER.finditer(text)]):
        if more := _MORE.match(text, label.start("rest")):  # a program: no dress to take off
            return more["whole"]
        if found := _tidy(label["rest"]) or _tidy(text[label.end() :]):
            return found
    return _box(text)


def final_answer(text: str) -> str | None:
    """The answer it names, else its last line; None: it is blank."""
    if found := answered(text):
        return found
    lines = [line for line in text.splitlines() if line.strip()]
    return _tidy(lines[-1]) if lines else None


def _box(text: str) -> str | None:
    """The contents of the last \\boxed{…} whose braces balance. One pass: a text may hold thousands."""
    opens = {m.end() for m in _BOXED.finditer(text)}
    open_: list[int] = []
    last, found = -1, None
    for m in _BRACES.finditer(text):
        if m[0] == "{":
            open_.append(m.start())
        elif m[0] == "}" and open_:
            start = open_.pop()
            if start in opens and start > last:
                last, found = start, text[start + 1 : m.start()]
    return (found or "").strip() or None


def _tidy(text: str) -> str | None:
    """Without the dress of an answer: emphasis, dollar signs, a box, the full stop."""
    if (box := _box(text)) is not None:
        return box
    text = text.strip().strip("*`").strip()
    if len(text) > 1 and text.endswith((".", "。")) and text[-2] not in ".。":
        text = text[:-1].rstrip() if "." not in text[:-1].split()[-1] else text
    text = text.strip("*`").strip()
    if len(text) > 2 and text[0] == text[-1] == "$" and "$" not in text[1:-1].strip("$"):
        text = text.strip("$").strip()
    return text or None
