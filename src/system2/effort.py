"""The effort table: how hard to think. One row an effort; everything else reads it from here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial

from system2.core import PLAIN, Node, Strategy, Style, Tree
from system2.routing import Routes, Ways, router
from system2.search import (
    Refuted,
    best,
    best_of,
    confidence,
    consensus,
    direct,
    forking,
    revise,
    solved,
    weighted,
)
from system2.verifiers import value


@dataclass(frozen=True, slots=True)
class Effort:
    """What an effort means.

    samples      lines of thought at most; 0: none, the answer at once
    sure         a vote ends when the first answer is the more frequent one with this probability
    token        the embedded model's own dial: "none", "low" or "high"
    temperature  0: the likeliest token each time
    tokens       budget of completion tokens; an explicit budget replaces it
    """

    samples: int
    sure: float
    token: str
    temperature: float
    tokens: int


#                         samples   sure  token  temperature    tokens
EFFORTS: Mapping[str, Effort] = {
    "none":        Effort(      0, 0.850, "none",        0.0,      256),
    "minimal":     Effort(      1, 0.850, "low",         0.0,    2_048),
    "low":         Effort(      1, 0.850, "high",        0.0,    4_096),
    "medium":      Effort(      8, 0.850, "high",        0.7,   16_384),
    "high":        Effort(     32, 0.930, "high",        0.8,   65_536),
    "xhigh":       Effort(    128, 0.950, "high",        0.9,  262_144),
    "max":         Effort(    512, 0.990, "high",        1.0,  524_288),
    "pro":         Effort(  1_024, 0.998, "high",        1.0, 1_048_576),
}  # fmt: skip
DEFAULT = "medium"


def effort(name: str) -> Effort:
    """The row of that name. Raises ValueError naming those there are."""
    if name not in EFFORTS:
        raise ValueError(f"there is no effort {name!r}; choose one of {', '.join(EFFORTS)}")
    return EFFORTS[name]


def strategy_of(row: Effort, samples: int | None = None, reply: Style = PLAIN) -> Strategy:
    """The strategy of a row; `samples` overrides its number of lines of thought. reply: how it is shown.

    Answers a verifier found right win; where none was checked, answers are weighed by how sure the
    model was of the lines that led to them (all the same where a server tells no log-probabilities).
    """
    count = row.samples if samples is None else samples
    if count == 0:
        return direct(reply)
    if count == 1:
        return best_of(1)
    return best_of(
        count, choose=checked_or_voted, need=either(verified, consensus(row.sure, answer=unrefuted))
    )


PILOT = 4  # lines of thought that a routed question begins with
WORTH = 1_000  # lines of thought that a right answer is worth: more is not spent to make it a little surer


def ways_of(*, embedded: bool) -> Ways:
    """What a router may choose: whole lines for everybody, and what the backend can besides."""
    ways: dict[str, Callable[[int], Strategy]] = {
        "lines": lambda n: best_of(n, choose=checked_or_voted)
    }
    if embedded:
        ways["forking"] = lambda n: forking(n, PILOT, choose=checked_or_voted)
    else:
        ways["revise"] = lambda n: revise(n, choose=checked_or_voted)
    return ways


def pilot() -> Strategy:
    """How a routed question begins."""
    return best_of(PILOT, choose=checked_or_voted, need=verified)


def routed_of(routes: Routes, tokens: int, *, embedded: bool) -> Strategy:
    """What earlier runs say this question deserves, within `tokens`.

    A question of their mix takes a quarter of that on average, hard ones up to all of it, and none
    more than a right answer is worth. Raises
    ValueError where they know a way that this backend has not.
    """
    left = tokens - PILOT * routes.each("lines")
    worth = 1 / (WORTH * max(1.0, routes.each("lines")))
    price = max(worth, routes.price(max(1.0, left / 4)))
    decide = partial(routes.at, price=price, most=left)
    return router(routes, ways_of(embedded=embedded), pilot(), decide, answer=unrefuted)


_solved = solved()


def verified(tree: Tree) -> int | None:
    """Stop once a verifier found an answer right; how many lines that takes it cannot say, and bounds no wave."""
    return 0 if _solved(tree) == 0 else None


def unrefuted(node: Node) -> Hashable | None:
    """What a line of thought votes for: `0.5` and `1/2` are one answer.

    A refuted one has no vote, and takes it from those that say the same and were never judged.
    """
    said = value(node)
    return Refuted(said) if node.score == 0.0 and said is not None else said


_vote = weighted(confidence, answer=unrefuted)


def checked_or_voted(tree: Tree) -> Node | None:
    """The answer a verifier found right; else the weighted vote."""
    node = best(tree)
    return node if node and node.score == 1.0 else _vote(tree)


def either(
    *rules: Callable[[Tree], int | None],
) -> Callable[[Tree], int | None]:
    """Stop as soon as one of the rules does."""

    def need(tree: Tree) -> int | None:
        return min((n for rule in rules if (n := rule(tree)) is not None), default=None)

    return need
