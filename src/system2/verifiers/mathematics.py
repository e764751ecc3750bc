"""Are two answers the same mathematics? Numbers are compared at once, the rest by math-verify in a worker.

Never blocks the event loop, never evaluates text as code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial

from system2.core import Chain, Problem, Write
from system2.verifiers.number import canonical, percent, undressed
from system2.verifiers.verdicts import Known, ready, verdicts
from system2.verifiers.worker import worker

SECONDS = 3.0  # that a comparison may take
LONGEST = 10_000  # characters of an answer that is compared as mathematics
ADVICE = "comparing mathematics needs math-verify; install it with `pip install 'system2[math]'`"

_FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|max|min|pi|infty|alpha|beta|gamma|theta|cdot|times"
_BARE = re.compile(rf"(?<![\\A-Za-z])(?:{_FUNCTIONS})(?![A-Za-z])")
_ROOT = re.compile(r"(?:\\sqrt|√) ?(?:\(([^()]*)\)|([0-9]+|[A-Za-z]))")
_COMMAND = re.compile(r"\\(?:text|mathrm|mbox) ?\{[^{}]*\}|\\[A-Za-z]+")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SIGN = re.compile(r"[\d\\+*/^=<>!(){}|-]")
_MEASURED = re.compile(r"[+-]?[\d.,]+ ?[^\W\d_]{3,}(?: [^\W\d_]+)*")
_SYMBOLS = {"−": "-", "≤": "\\le ", "≥": "\\ge ", "≠": "\\ne ", "×": "\\times ", "÷": "\\div ", "·": "\\cdot ", "∞": "\\infty ", "π": "\\pi ", "±": "\\pm ", "∪": "\\cup ", "²": "^{2}", "³": "^{3}", "**": "^"}  # fmt: skip


async def same(a: str, b: str, *, seconds: float = SECONDS) -> bool | None:
    """Are these two answers the same mathematics? None: it could not be decided in time.

    Plain numbers are compared exactly; where one alone is a percentage, 50% is both 0.5 and 50.
    `seconds` begin when earlier comparisons are done. Raises ImportError, ValueError.
    """
    ready("math_verify", ADVICE, seconds)
    left, right = canonical(a), canonical(b)
    if left == right:
        return True
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        one, other = percent(a), percent(b)
        return one != other and (left * 100 == right if one else right * 100 == left)
    if max(len(a), len(b)) > LONGEST:
        return None
    asked = spelt(undressed(a)), spelt(undressed(b))
    if not comparable(*asked):
        return False
    question = {"a": asked[0], "b": asked[1], "seconds": seconds}
    return await worker("algebra.py").ask(question, seconds)


@dataclass(slots=True)
class Mathematical:
    """Scores 1.0 where the chain's answer is the same mathematics as `gold`, else 0.0."""

    gold: str
    seconds: float = SECONDS
    known: Known = field(default_factory=dict[str, bool | None])

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        """1.0 or 0.0; None without an answer yet, or where it could not be decided in time."""
        check = partial(same, self.gold, seconds=self.seconds)
        return await verdicts(chains, self.known, check)


def mathematical(gold: str, *, seconds: float = SECONDS) -> Mathematical:
    """Right is what is the same mathematics as `gold`. Raises ImportError, ValueError."""
    ready("math_verify", ADVICE, seconds)
    return Mathematical(gold, seconds)


def spelt(text: str) -> str:
    """The text as a grammar of LaTeX reads it: signs and names of functions become commands."""
    for sign, command in _SYMBOLS.items():
        text = text.replace(sign, command)
    text = _BARE.sub(lambda match: "\\" + match[0], text)
    return _ROOT.sub(lambda match: f"\\sqrt{{{match[1] or match[2]}}}", text)


def comparable(a: str, b: str) -> bool:
    """Can both be mathematics? Words are none: a reader of LaTeX takes `no` and `on` for one product."""
    wordy = [bool(_WORD.search(_COMMAND.sub(" ", text))) for text in (a, b)]
    if all(wordy) or not (_SIGN.search(a) and _SIGN.search(b)):
        return False
    return not any(
        has and not _MEASURED.fullmatch(text) for has, text in zip(wordy, (a, b), strict=True)
    )
