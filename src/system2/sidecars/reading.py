"""The embedded model's steps, read for what they do (docs/traces.md). Says only what stands in them; knows no language.

Every pattern is matched against a whole step of at most LONGEST characters, and none of them backtracks far.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from system2.core import Chain

LONGEST = 1000
MARKS = ("<step>", "<check>", "<back>", "</think>", "<think>")

_SUM = re.compile(r"[-+*/().0-9]{1,80}+(?<=[0-9)])")  # one that was cut off is none
_EQUATION = re.compile(r"[-+*/().0-9a-z]{1,80}+=[-+*/().0-9a-z]{1,80}+")
_RULE = re.compile(
    r"(?:add|times|grow|alt|fib|square|right|left|mirror|paint|swap|fill|gather|longest)\b.{0,40}+"
)
_ASSIGNED = re.compile(r"[-+]{2,9}+:.*+")
_DIGIT = re.compile(r"[0-9]{1,12}+:([0-9])[ ,].{0,90} left .{0,60}+")
_TABLE = re.compile(r"([0-9]{1,12}+):1 [0-9]{1,12}+,2 [0-9,][0-9, ]{0,200}+")
_CELLS = re.compile(r"[0-9]{1,99}+>[0-9>;]{1,900}+")
_ROW = re.compile(r"[0-9]{4,99}+")
_DIGITS = re.compile(r"[0-9.]{1,40}+(?:<[0-9]{1,40}+|\|[0-9.]{1,40}+(?::.{0,200}+)?)")
_FAMILIES = (
    ("target", re.compile(r"[0-9]{1,4}+(?:,[0-9]{1,4}+){2,5}+:[0-9]{1,4}+")),
    ("people", re.compile(r"1 [^\s,0-9]{1,20}+(?:,[0-9] [^\s,0-9]{1,20}+){1,8}+")),
    ("base", re.compile(r"[0-9a-f]{1,30}+ [0-9]{1,2}+ to [0-9]{1,2}+")),
    ("order", re.compile(r"-?+[0-9]{1,12}+(?:,-?+[0-9]{1,12}+)++ (?:up|down)")),
    ("pictures", re.compile(r"[0-9>;]{10,1000}+")),
    ("letters", re.compile(r"[^\W\d_](?:\.[^\W\d_]){0,60}+,[^\W\d_]")),
    ("larger", re.compile(r"-?+[0-9.]{1,30}+ -?+[0-9.]{1,30}+ (?:larger|smaller)")),
    ("equation", _EQUATION),
    ("series", re.compile(r"-?+[0-9]{1,12}+(?:,-?+[0-9]{1,12}+){2,20}+")),
    ("sum", _SUM),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """What a step does.

    kind   read short try dead hit compute result equation rule differences statement fits fails cells applied
           table digit check good bad back pick count compare work answer
    what   the part of the step that says on what, and `gave` what it says came of it; either may be empty
    """

    kind: str
    what: str = ""
    gave: str = ""


def acts(chain: Chain) -> list[Act]:
    """One act a step. What comes after the thoughts, the answer, is none; a step nobody can read is work."""
    found: list[Act] = []
    family, told, mark = "", False, ""
    for step in chain:
        if told:
            found.append(Act("answer"))
            continue
        text, own, rest = step.text.strip(), "", ""
        if "</think>" in text:
            text, _, rest = text.partition("</think>")
            own, told = "</think>", True
        for end in MARKS:
            if text.endswith(end):
                text, own = text[: -len(end)].strip(), end
        text = text.removeprefix("<think>")[:LONGEST]
        if not found:
            family = next((name for name, form in _FAMILIES if form.fullmatch(text)), "")
        if told and not text:
            found.append(Act("answer", gave=rest))
        else:
            found.append(act(text, family, mark, first=not found))
        mark = own
    return found


def act(text: str, family: str, mark: str, *, first: bool) -> Act:
    """What one step does, after the mark that leads to it."""
    verdict = text.rpartition(" ")[2] if text.endswith((" ok", " no", " yes")) else ""
    if first:
        plain = family in ("sum", "equation") and short(text)
        if plain or family:
            return Act("read", text) if plain else Act("short")
    elif mark in ("<back>", "<check>"):
        return returned(text, verdict) if mark == "<check>" else Act("back", short(text))
    elif found := special(text, family, verdict):
        return found
    if _DIGITS.fullmatch(text):
        return Act("compare")
    what, gave = computed(text)
    return Act("compute", what, gave) if what else Act("result", gave=gave) if gave else Act("work")


def special(text: str, family: str, verdict: str) -> Act | None:
    """What a step does that only one family has; None: it is of no such kind."""
    if family == "target":
        return tried(text, verdict)
    if family == "people":
        if _ASSIGNED.fullmatch(text):
            return Act("fits" if verdict == "ok" else "fails", text.partition(":")[0])
        return Act("statement") if " on " in text else None
    if _RULE.fullmatch(text):
        return Act("rule", short(text))
    if verdict in ("ok", "no") and family in ("series", "pictures"):
        return Act("good" if verdict == "ok" else "bad")
    if family == "series" and "=" in text and "," in text:
        return Act("differences")
    if family == "pictures" and (_CELLS.fullmatch(text) or _ROW.fullmatch(text)):
        return Act("cells" if ">" in text else "applied")
    if family == "letters":
        return Act("count")
    if family == "larger":
        return Act("compare", gave=short(text.partition(" so ")[2]))
    if family == "order" and ":" in text:
        return Act("pick", gave=short(text.partition(":")[0].rpartition(",")[2]))
    if family == "equation" and _EQUATION.fullmatch(text) and any(map(str.isalpha, text)):
        return Act("equation", short(text))
    if family == "sum" and (table := _TABLE.fullmatch(text)):
        return Act("table", table[1])
    if family == "sum" and (digit := _DIGIT.fullmatch(text)):
        return Act("digit", gave=digit[1])
    return None


def returned(text: str, verdict: str) -> Act:
    """What a check does."""
    return Act({"ok": "good", "no": "bad"}.get(verdict, "check"), *computed(text))


def tried(text: str, verdict: str) -> Act:
    """A step of a search for a target: a move, and whether it gets there; else the solution put together."""
    move = text.partition(",")[0].partition(":")[0]
    if "=" in move:
        return Act({"no": "dead", "yes": "hit"}.get(verdict, "try"), short(move))
    return Act("compute", short(text)) if _SUM.fullmatch(text) else Act("work")


def computed(text: str) -> tuple[str, str]:
    """What a step computes and what it gets, where one and only one thing is computed; else empty."""
    body = text.removesuffix(" ok").removesuffix(" no")
    head = body.partition(":")[0]
    what, equal, value = head.partition("=")
    if " so " in body:
        value = body.rpartition(" so ")[2].partition(":")[0]
    elif "=" in value:
        value = value.rpartition("=")[2]
    single = "," not in head and " r " not in head and ("=" in head or ":" in body)
    if not _SUM.fullmatch(what) or not single:
        what = ""
    fine = (equal or " so " in body) and re.fullmatch(r"[-0-9a-f.r ]{1,40}+", value)
    return (short(what), value.strip()) if fine else ("", "")


def short(text: str) -> str:
    """What fits into a line; empty: it does not."""
    return text if len(text) <= 40 else ""
