"""What a search can be asked with: options, and the words they come in. Composes and runs nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypedDict

from system2.core import Policy, Price, Strategy, Style, Verifier
from system2.demonstrations import Demonstration
from system2.effort import DEFAULT
from system2.policies.failures import public

LONGEST = 100_000  # characters of a question
MOST = 100_000  # lines of thought
LIMIT = 10**12  # of tokens, dollars, seconds: beyond any use, and numbers stay exact
TOLD = ("effort", "samples", "tokens", "dollars", "seconds", "at_once", "per_call", "model", "model_name", "price", "routes")  # fmt: skip
"""Options that a trace names; a key is a secret."""
OBJECTS = ("strategy", "policy", "verifier")
"""Options of which it can only say that they were given."""


class Options(TypedDict, total=False):
    """How to think; every one has a default.

    effort      a row of the effort table; samples: lines of thought instead of the row's
    routes      file of what `system2 routes` learnt: the strategy and its size are chosen by it
    strategy, policy, verifier   objects of your own; a strategy samples, at 0.7 where the row is greedy
    tokens, dollars, seconds, at_once   the budget; per_call: most tokens of one continuation
    model       URL of an OpenAI-compatible server, or a folder of weights; default: the embedded model
    model_name, key, price, system   for a server
    examples    worked ones that a server's model reads before the question
    seed        the same seed gives the same tree
    reply       how the answer is written for who asked, once the search is over; None: it is what was found
    trace       False: keep nothing on disk
    """

    effort: str
    samples: int
    routes: str
    strategy: Strategy
    policy: Policy
    verifier: Verifier | None
    tokens: int
    dollars: Decimal | float | str
    seconds: float
    at_once: int
    per_call: int
    model: str
    model_name: str
    key: str
    price: Price
    system: str
    examples: Sequence[Demonstration]
    seed: int
    reply: Style | None
    trace: bool


def told(options: Options) -> dict[str, str]:
    """The options as a trace names them, so that the run can go on."""
    given: dict[str, object] = {"effort": DEFAULT} | dict(options)
    if is_url(options.get("model", "")):
        given["model"] = public(options.get("model", ""))
    elif "model" in options:
        given["model"] = Path(options["model"]).absolute()
    if "routes" in options:
        given["routes"] = Path(options["routes"]).absolute()
    if objects := [name for name in OBJECTS if name in options]:
        given["objects"] = ", ".join(objects)
    return {name: str(given[name]) for name in (*TOLD, "objects") if name in given}


def embedded(options: Options) -> bool:
    """Does a model of our own decoder answer? It costs nothing and has a dial of its own."""
    if "policy" not in options:
        return not is_url(options.get("model", ""))
    from system2.policies.local import LocalPolicy

    return isinstance(options["policy"], LocalPolicy)


def check(question: str) -> None:
    """Raises ValueError if this cannot be a question."""
    if not question.strip():
        raise ValueError("the question is empty; give some text, a --file, or - for standard input")
    if len(question) > LONGEST:
        raise ValueError(
            f"the question has {len(question):,} characters; at most {LONGEST:,} are read: shorten it"
        )
    odd = {c for c in question if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t"}
    if any("\ud800" <= c <= "\udfff" for c in odd):
        raise ValueError("the question is not UTF-8 text; convert it, for example with iconv")
    if odd:
        raise ValueError(
            f"the question contains control characters ({', '.join(map(ascii, sorted(odd)[:5]))}); "
            "remove them"
        )


def amount(given: Decimal | float | str, name: str) -> Decimal:
    """A finite number of dollars that is not negative. Raises ValueError."""
    try:
        value = Decimal(str(given))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= LIMIT:
        raise ValueError(
            f"{name}: expected an amount of at least 0 (and at most {LIMIT:,}), "
            f"{str(given)[:40]!r} was given"
        )
    return value


def priced(text: str, name: str) -> Price:
    """IN/OUT or IN/OUT/CACHED, in dollars per million tokens. Raises ValueError."""
    parts = text.split("/")
    if len(parts) not in (2, 3):
        raise ValueError(f"{name} {text}: expected IN/OUT, for example 0.15/0.60")
    return Price(*(amount(part, name) for part in parts))


def is_url(model: str) -> bool:
    """Does this name a server?"""
    return model.lower().startswith(("http://", "https://"))
