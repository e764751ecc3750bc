"""Are two answers the same mathematics? Numbers, names, units and lists are compared here, the rest by a worker.

Never blocks the event loop, never evaluates text as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

from system2.core import Chain, Problem, Write
from system2.verifiers.number import closes, latin, measured, percent, plain, undressed
from system2.verifiers.verdicts import Known, ready, verdicts
from system2.verifiers.worker import worker

SECONDS = 3.0  # that a comparison may take
LONGEST = 10_000  # characters of an answer that is compared as mathematics
ITEMS = 64  # of a list that is compared one by one
CALLS = 64  # of functions with brackets that are spelt as LaTeX
DEEPEST = 9  # lists within lists
ADVICE = "comparing mathematics needs math-verify; install it with `pip install 'system2[math]'`"

_FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|max|min|pi|infty|alpha|beta|gamma|delta|theta|lambda|mu|sigma|phi|omega|cdot|times"
_SHORT = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "infinity": "infty", "inf": "infty", "oo": "infty"}  # fmt: skip
_BARE = re.compile(rf"(?<![\\A-Za-z])(?:{_FUNCTIONS}|{'|'.join(_SHORT)})(?![A-Za-z])")
_ROOT = re.compile(r"(?:\\sqrt|√) ?([0-9]+|[A-Za-z])")
_CALL = re.compile(r"((?<![A-Za-z])\\?sqrt ?|√ ?|\^ ?|(?<![\\A-Za-z])abs ?)\(")
_COMMAND = re.compile(
    r"\\(?:text|mathrm|mbox|operatorname|begin|end|mathbb) ?\{[^{}]*\}|\\[A-Za-z]+"
)
_PROSE = re.compile(r"[^\W\d_]{5,}|[^\W\d_]{2,} [^\W\d_]{2,}")
_BASED = re.compile(r"[0-9A-Za-z.]*[0-9] ?_ ?(?:[0-9]+|\{ ?[0-9]+ ?\})")  # 110_2 is not 110
_POINT = re.compile(r"(?<![\d.,^])([0-9]+)\.([0-9]+)(?![\d.,eE^])")
_SIGN = re.compile(r"[\d\\+*/^=<>!(){}|-]")
_MANY = re.compile(r"[<>]|\\(?:pm|mp|in|cup|cap|setminus|mathbb|[lg]e|[lg]eq|[lg]t)(?![A-Za-z])")
_NAME = re.compile(
    r"((?:\\?[A-Za-z]+|\\text ?\{[^{}]*\})(?:_(?:\w|\{\w+\}))?'*(?: ?\([\w, ]*\))?|\([A-Za-z, ]+\)) ?= ?(?=[^=]*$)"
)
_COMMA = re.compile(
    r"[,;、]|(?<![A-Za-z\\])(?:and|or)(?![A-Za-z])|\\text ?\{ ?(?:and|or) ?\}|[和或]"
)
_SYMBOLS = {"−": "-", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "×": "\\times ", "÷": "\\div ", "·": "\\cdot ", "∞": "\\infty ", "π": "\\pi ", "±": "\\pm ", "∪": "\\cup ", "**": "^", "°": "^{\\circ}"}  # fmt: skip

Ask = Callable[[str, str], bool | None]


@dataclass(frozen=True, slots=True)
class Part:
    """An answer, or an item of one that is a list."""

    text: str  # all of it
    name: str = ""  # x in `x = 5 cm`
    head: str = ""  # 5 in it, as LaTeX
    unit: str = ""
    number: Fraction | None = None
    ends: str = ""  # the brackets of a list
    items: tuple[Part, ...] = ()


async def same(a: str, b: str, *, seconds: float = SECONDS) -> bool | None:
    """Are these two answers the same mathematics? None: it could not be decided in time.

    Plain numbers are compared exactly; where one alone is a percentage, 50% is both 0.5 and 50.
    `seconds` begin when earlier comparisons are done. Raises ImportError, ValueError.
    """
    ready("math_verify", ADVICE, seconds)
    if a.strip() == b.strip():
        return True
    if max(len(a), len(b)) > LONGEST:
        return None
    left, right = read(a), read(b)
    asked: dict[tuple[str, str], bool | None] = {}

    def ask(one: str, other: str) -> bool | None:
        return asked.setdefault(apart(one, other), None)

    verdict = alike(left, right, ask)
    if verdict is None and asked:
        question = {"pairs": [*asked], "seconds": seconds}
        told = await worker("algebra.py").ask(question, seconds)
        if told is None:
            return None
        asked.update(zip(asked, told, strict=True))
        verdict = alike(left, right, ask)
    return verdict


@dataclass(slots=True)
class Mathematical:
    """Scores 1.0 where the chain's answer is the same mathematics as `gold`, else 0.0."""

    gold: str
    seconds: float = SECONDS
    known: Known = field(default_factory=dict[str, bool])

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """1.0 or 0.0; None without an answer yet, or where it could not be decided in time."""
        check = partial(same, self.gold, seconds=self.seconds)
        return await verdicts(chains, self.known, check, self.seconds)


def mathematical(gold: str, *, seconds: float = SECONDS) -> Mathematical:
    """Right is what is the same mathematics as `gold`. Raises ImportError, ValueError."""
    ready("math_verify", ADVICE, seconds)
    return Mathematical(gold, seconds)


# ---------------------------------------------------------------- reading


def read(answer: str, depth: int = 0) -> Part:
    """What an answer is called, what it is, what it is measured in; its items, if it is a list."""
    text = value = undressed(latin(answer))
    name = ""
    if match := _NAME.match(text):
        name, value = re.sub(r"[{} ]", "", match[1]), undressed(text[match.end() :])
    head, unit = measured(value)
    number = plain(head)
    if number is None and depth < DEEPEST:
        ends, found = items(value)
        parts = tuple([read(item, depth + 1) for item in found])
        if len(parts) == 1:  # {5} is 5
            one = parts[0]
            return Part(text, name or one.name, one.head, one.unit, one.number, one.ends, one.items)
        if parts:
            return Part(text, name, spelt(value), ends=ends, items=parts)
    if number is not None:
        return Part(text, name, str(number), unit or "%" * percent(head), number)
    return Part(text, name, spelt(head), unit)


def items(text: str) -> tuple[str, list[str]]:
    """The brackets around a list and what stands in it; nothing: it is no list."""
    ends, inner = "", text.replace("\\{", "{").replace("\\}", "}")
    if inner[:1] in [*"([{"] and closes(inner, 0, "([{", ")]}") == len(inner) - 1:
        ends, inner = inner[0] + inner[-1], inner[1:-1]
    if "\\begin" in inner or (not ends and _MANY.search(spelt(inner))):
        return "", []
    depth, start, found = 0, 0, list[str]()
    commas = {match.start(): match.end() for match in _COMMA.finditer(inner)}
    for at, sign in enumerate(inner):
        depth += (sign in "([{") - (sign in ")]}")
        if not depth and at in commas:
            found.append(inner[start:at])
            start = commas[at]
    found = [item for item in map(str.strip, [*found, inner[start:]]) if item]
    if len(found) > ITEMS or len(found) < (1 if ends in ("{}", "[]") else 2):
        return "", []
    return ends, found if ends != "{}" else [*dict.fromkeys(found)]


def spelt(text: str) -> str:
    """The text as a grammar of LaTeX reads it: signs and names of functions become commands."""
    for _ in range(CALLS):
        match = _CALL.search(text)
        end = closes(text, match.end() - 1, "(", ")") if match else -1
        if not match or end < 0:
            break
        sign = match[1].strip()
        start, stop = "||" if sign == "abs" else "{}"
        command = {"abs": "", "^": "^"}.get(sign, "\\sqrt")
        text = f"{text[: match.start()]}{command}{start}{text[match.end() : end]}{stop}{text[end + 1 :]}"
    for sign, command in _SYMBOLS.items():
        text = text.replace(sign, command)
    text = _BARE.sub(lambda match: "\\" + _SHORT.get(match[0], match[0]), text)
    text = _POINT.sub(lambda m: f"\\frac{{{m[1]}{m[2]}}}{{1{'0' * len(m[2])}}}", text)
    return " ".join(_ROOT.sub(lambda match: f"\\sqrt{{{match[1]}}}", text).split())


# ---------------------------------------------------------------- comparing


def alike(a: Part, b: Part, ask: Ask) -> bool | None:
    """Are they the same? Whatever is neither number, word nor list is asked of `ask`; None: it cannot say yet."""
    if a.text == b.text:
        return True
    if a.items and b.items:
        return listed(a, b, ask)
    if a.items or b.items:
        one = b if a.items else a
        return ask(spelt(a.text), spelt(b.text)) if _MANY.search(one.head) else False
    numbers = a.number is not None and b.number is not None
    if (a.name and b.name and a.name != b.name) or "=" in a.head + b.head:
        return False if numbers else ask(spelt(a.text), spelt(b.text))
    if a.unit and b.unit and a.unit != b.unit:
        return False
    if a.number is not None and b.number is not None:
        hundredths, other = (a, b.number) if a.unit == "%" else (b, a.number)
        both = a.unit == b.unit or hundredths.unit != "%"
        return a.number == b.number or (not both and (hundredths.number or 0) * 100 == other)
    if a.head == b.head:
        return True
    if wordy(a.head) or wordy(b.head) or max(len(a.head), len(b.head)) == 1:
        return said(a.head) == said(b.head)
    return ask(a.head, b.head)


def listed(a: Part, b: Part, ask: Ask) -> bool | None:
    """Two lists: in order where either is bracketed or gives each value a name of its own, else as sets."""
    if len(a.items) != len(b.items) or (a.ends and b.ends and a.ends != b.ends):
        return False
    left, right = [*a.items], [*b.items]
    named = [len({re.split(r"[_\d]", i.name)[0] for i in p.items} - {""}) == len(left) for p in (a, b)]  # fmt: skip
    if all(named):
        left, right = [sorted(part, key=lambda item: item.name) for part in (left, right)]
    if any(named) or (a.ends or b.ends or "{}") != "{}":
        found = [alike(one, other, ask) for one, other in zip(left, right, strict=True)]
        return False if False in found else None if None in found else True
    unsure = False
    for one in left:
        found = [alike(one, other, ask) for other in right]
        if True in found:
            right.pop(found.index(True))
        elif None in found:
            unsure = True
        else:
            return False
    return None if unsure else True


def wordy(text: str) -> bool:
    """Is it no mathematics? A reader of LaTeX takes `no` and `on` for the same product."""
    if _BASED.fullmatch(text) or (len(text) > 1 and not _SIGN.search(text)):
        return True
    return bool(_PROSE.search(_COMMAND.sub("  ", text)))


def said(text: str) -> str:
    """Words without what means nothing in them; of one or two letters, `no` alone is a word."""
    text = re.sub(r"[{} ]+", " ", text.replace("_{", "_")).strip()
    return text.casefold() if len(text) > 2 or text.casefold() == "no" else text


def apart(a: str, b: str) -> tuple[str, str]:
    """Both with an index at capitals that mean another letter than the small ones: math-verify reads X as x."""
    letters = {*_COMMAND.sub("", a + b)}

    def index(match: re.Match[str]) -> str:
        return f"{match[0]}_{{9}}" if match[0].lower() in letters else match[0]

    one, other = [re.sub(r"\\[A-Za-z]+|[A-Z](?!_)", index, t) for t in (a, b)]
    return one, other
