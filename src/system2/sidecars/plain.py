"""Notes on the embedded model's thoughts without a second model: what its steps do, in a few set words. Costs nothing.

In English and Chinese; other languages get English. Says nothing that does not stand in the steps (reading.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from system2.core import Chain, Moment, Note, Problem, Write
from system2.sidecars import language
from system2.sidecars.quoting import inline
from system2.sidecars.reading import Act, acts

MOST = 3  # sentences

_TITLES = {
    "en": {
        "read": "Reading the question", "short": "Reading the question", "statement": "Reading the statements",
        "cells": "Looking at the cells", "applied": "Applying the rule", "table": "Listing multiples",
        "digit": "Dividing digit by digit", "differences": "Taking differences",
        "try": "Trying {what}", "dead": "Trying {what}", "hit": "Trying {what}",
        "compute": "Computing {what}", "result": "Working it out", "equation": "Rearranging", "rule": "Trying a rule",
        "fits": "Testing an assignment", "fails": "Testing an assignment", "check": "Checking", "good": "Checking",
        "bad": "Checking", "back": "Going back", "pick": "Sorting", "count": "Counting letters",
        "compare": "Comparing digits", "work": "Thinking", "answer": "Writing the answer",
    },
    "zh": {
        "read": "阅读题目", "short": "阅读题目", "statement": "阅读各人的话", "cells": "观察格子",
        "applied": "应用规律", "table": "列出倍数", "digit": "逐位相除", "differences": "求差", "try": "尝试 {what}", "dead": "尝试 {what}", "hit": "尝试 {what}",
        "compute": "计算 {what}", "result": "逐步计算", "equation": "整理方程", "rule": "尝试一条规律",
        "fits": "检验一种假设", "fails": "检验一种假设", "check": "检查", "good": "检查", "bad": "检查",
        "back": "回到前面", "pick": "排序", "count": "数字母", "compare": "比较数位", "work": "思考中",
        "answer": "写出答案",
    },
}  # fmt: skip
_SAID = {
    "en": {
        "read": "The question comes down to {what}.", "short": "It has put the question into a short form.",
        "statement": "It notes what one person says.", "cells": "It looks at the coloured cells alone.",
        "applied": "It applies the rule to a row.", "table": "It lists multiples of {what}.",
        "digit": "The next digit of the quotient is {gave}.",
        "differences": "It takes the differences between neighbours.", "try": "It tries {what}.",
        "dead": "{what} does not lead to the target.", "hit": "{what} leads to the target.",
        "compute": "{what} gives {gave}.", "result": "That gives {gave}.", "equation": "Now it has {what}.",
        "rule": "The rule it tries is “{what}”.", "fits": "One assignment fits.",
        "fails": "One assignment does not fit.", "good": "The check holds.", "bad": "The check fails.",
        "back": "It returns to {what} to try something else.", "pick": "Next comes {gave}.",
        "count": "It goes through the letters one by one.", "compare": "That gives {gave}.",
    },
    "zh": {
        "read": "题目归结为 {what}。", "short": "它先把题目写成简短的形式。", "statement": "它记下一个人说的话。",
        "cells": "它只看有颜色的格子。", "applied": "它把规律用到一行上。", "table": "它列出 {what} 的倍数。",
        "digit": "商的下一位是 {gave}。", "differences": "它求出相邻两数的差。", "try": "它尝试 {what}。", "dead": "{what} 无法得到目标。",
        "hit": "{what} 可以得到目标。", "compute": "{what} 得 {gave}。", "result": "结果是 {gave}。",
        "equation": "现在得到 {what}。", "rule": "它尝试的规律是“{what}”。", "fits": "有一种假设成立。",
        "fails": "有一种假设不成立。", "good": "检查通过。", "bad": "检查没有通过。",
        "back": "它回到 {what}，换一种做法。", "pick": "下一个是 {gave}。", "count": "它逐个查看字母。",
        "compare": "结果是 {gave}。",
    },
}  # fmt: skip
_MANY = {
    "en": {
        "statement": "It notes {n} statements.", "digit": "It finds {n} more digits of the quotient.",
        "applied": "It applies the rule to {n} rows.", "try": "It tries {n} moves.", "dead": "{n} moves do not lead to the target.",
        "fails": "{n} assignments do not fit.", "good": "{n} checks hold.", "bad": "{n} checks fail.",
        "compute": "{n} sums are worked out, the last gives {gave}.",
        "pick": "{n} more numbers are put in order.", "equation": "After {n} changes it has {what}.",
    },
    "zh": {
        "statement": "它记下了 {n} 句话。", "digit": "它又求出商的 {n} 位。", "applied": "它把规律用到 {n} 行上。",
        "try": "它尝试了 {n} 步。", "dead": "有 {n} 步无法得到目标。", "fails": "有 {n} 种假设不成立。",
        "good": "{n} 项检查通过。", "bad": "{n} 项检查没有通过。", "compute": "完成了 {n} 步计算，最后一步得 {gave}。",
        "pick": "又排好了 {n} 个数。", "equation": "经过 {n} 次变形得到 {what}。",
    },
}  # fmt: skip
_MILESTONES = {
    "en": {
        "answer": "**An answer: {answer}**\n\nA line of thought has come to this answer.",
        "lead": "**{answer} overtakes {other}**\n\nAnother answer is preferred now.",
        "wrong": "**{answer} is wrong**\n\nThis line of thought was refuted.",
        "plain answer": "**An answer**\n\nA line of thought has come to an answer.",
        "plain lead": "**Another answer leads**\n\nAnother answer is preferred now.",
        "plain wrong": "**A wrong turn**\n\nThis line of thought was refuted.",
    },
    "zh": {
        "answer": "**得到一个答案：{answer}**\n\n有一条思路得出了这个答案。",
        "lead": "**{answer} 超过了 {other}**\n\n现在更倾向于另一个答案。",
        "wrong": "**{answer} 不对**\n\n这条思路被否定了。",
        "plain answer": "**得到一个答案**\n\n有一条思路得出了答案。",
        "plain lead": "**另一个答案领先**\n\n现在更倾向于另一个答案。",
        "plain wrong": "**走错了路**\n\n这条思路被否定了。",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlainSummary:
    """A sidecar that reads the marks and forms of the embedded model's own steps."""

    language: str
    name: str = "summary"
    holds: bool = False
    tokens: int = 0

    async def at_step(
        self, problem: Problem, chain: Chain, write: Write, moment: Moment
    ) -> Note | None:
        """A note on what is new in the chain; None where that is nothing."""
        if moment.what in ("answer", "lead", "wrong"):
            return milestone(self.language, (chain[-1].answer if chain else None) or "", moment)
        new = [act for act in acts(chain)[moment.since :] if act.kind != "answer"]
        return Note(told(self.language, new)) if new else None


def plain_summary(tag: str = language.DEFAULT) -> PlainSummary:
    """Notes without a model, in Chinese for any tag of Chinese, else in English. Raises ValueError."""
    return PlainSummary("zh" if language.tag(tag).split("-")[0] == "zh" else "en")


def milestone(words: str, answer: str, moment: Moment) -> Note:
    """The note on an answer: new, overtaking another, or refuted."""
    names = inline(answer, 40), inline(moment.other or "", 40)
    known = bool(names[0]) and (moment.what != "lead" or bool(names[1]))
    form = _MILESTONES[words][moment.what if known else f"plain {moment.what}"]
    return Note(form.format(answer=names[0], other=names[1]))


def told(words: str, new: Sequence[Act]) -> str:
    """Acts as a note: the title says what comes last, the sentences what was done, like with like."""
    runs = [[*run] for _, run in groupby(new, lambda act: act.kind)]
    lines = [line for run in runs if (line := sentence(words, run))]
    body = ("" if words == "zh" else " ").join(lines[-MOST:])
    return f"**{title(words, new[-1])}**" + (f"\n\n{body}" if body else "")


def title(words: str, act: Act) -> str:
    """What an act is called."""
    form = _TITLES[words][act.kind]
    if "{what}" in form and not act.what:
        form = _TITLES[words]["work"]
    return form.format(what=signs(act.what))


def sentence(words: str, run: list[Act]) -> str:
    """What acts of one kind did; empty where there is nothing to say that they say."""
    last, count = run[-1], len(run)
    form = (_MANY if count > 1 else _SAID)[words].get(last.kind) or _SAID[words].get(last.kind, "")
    if ("{what}" in form and not last.what) or ("{gave}" in form and not last.gave):
        return ""
    return form.format(n=count, what=signs(last.what), gave=signs(last.gave))


def signs(text: str) -> str:
    """Operations as people write them; text that is none stays as it is."""
    if not set(text) <= set("0123456789+-*/().=x"):
        return inline(text)
    shown = ""
    for c in text:
        between = shown[-1:].isalnum() or shown.endswith(")")
        if c in "+*/=" or (c == "-" and between):
            shown += {"*": " × ", "/": " ÷ ", "-": " − "}.get(c, f" {c} ")
        else:
            shown += "−" if c == "-" else c
    return shown
