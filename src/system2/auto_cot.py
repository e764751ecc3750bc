"""Worked examples out of bare questions: one of each kind, thought through by the model itself (Auto-CoT).

Knows no answers: a chain is taken because it is simple, not because it is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Unpack

from system2.core import Chain, Usage
from system2.demonstrations import Demonstration
from system2.options import Options, amount, embedded
from system2.policies.segment import answered, written
from system2.solve import Result, think
from system2.verifiers.meaning import embedded as vectors
from system2.verifiers.meaning import meaning

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float32]

WORDS = 60  # of a question, at most: the paper's
STEPS = 5  # of its chain, at most
TRIES = 5  # questions of one cluster that are thought through before it is given up


@dataclass(slots=True)
class Chosen:
    """The examples found, and what finding them cost. cost is None where the price is unknown.

    empty  clusters in which no tried question had a simple chain; ended: "budget" or "time", or ""
    """

    examples: list[Demonstration] = field(default_factory=list[Demonstration])
    usage: Usage = field(default_factory=Usage)
    cost: Decimal | None = Decimal(0)
    thought: int = 0
    empty: int = 0
    ended: str = ""


def auto_cot(
    questions: Sequence[str],
    k: int = 4,
    *,
    tell: Callable[[Demonstration], None] = lambda example: None,
    **options: Unpack[Options],
) -> Chosen:
    """Examples for `k` kinds of question (Auto-CoT, Zhang et al. 2022, arXiv 2210.03493, sec. 4).

    The questions are clustered by meaning; of each cluster that question nearest its centre is taken
    which has at most 60 words, and whose chain, thought with no examples, has at most 5 steps and an
    answer. tell: is told each example as it is found. tokens, dollars and seconds are of all questions
    together; seed draws the first centres. Raises ImportError without the extra `meaning`, ValueError.
    """
    if embedded(options):
        raise ValueError(
            "examples are for a server's model, and thought by it; give its address as model, such as "
            "http://localhost:8000/v1"
        )
    short = sorted({one.strip() for one in questions if 0 < len(one.split()) <= WORDS})
    if not 1 <= k <= len(short):
        raise ValueError(
            f"k must be from 1 to the number of different questions of at most {WORDS} words, which is "
            f"{len(short)}; {k} was given"
        )
    meaning()
    found, began = Chosen(), monotonic()
    for cluster in clusters(vectors(short), k, options.get("seed", 0)):
        for at in cluster[:TRIES]:
            spent = monotonic() - began
            left = remaining(options, found, spent)
            if left is None:
                found.ended = "time" if spent >= options.get("seconds", spent + 1) else "budget"
                return found
            done = think(short[at], **left)
            book(found, done)
            if example := simple(short[at], done):
                found.examples.append(example)
                tell(example)
                break
        else:
            found.empty += 1
    return found


def remaining(options: Options, found: Chosen, seconds: float) -> Options | None:
    """The options for one more question: one line of thought, and what is left of the budget."""
    left = options.copy()
    left["samples"] = 1
    if "tokens" in options:
        left["tokens"] = options["tokens"] - found.usage.completion - found.usage.unseen
        if left["tokens"] < 1:
            return None
    if "dollars" in options and found.cost is not None:
        left["dollars"] = max(Decimal(0), amount(options["dollars"], "dollars") - found.cost)
        if not left["dollars"]:
            return None
    if "seconds" in options:
        left["seconds"] = options["seconds"] - seconds
        if left["seconds"] <= 0:
            return None
    return left


def book(found: Chosen, done: Result) -> None:
    """One more question was thought through."""
    found.thought += 1
    found.usage += done.usage
    found.cost = None if done.cost is None or found.cost is None else found.cost + done.cost


def simple(question: str, done: Result) -> Demonstration | None:
    """The example of a chain that is short and comes to an answer; else None."""
    if done.answer is None or len(done.answer.strip().splitlines()) != 1:
        return None
    thoughts: Chain = [step for step in done.chosen if step.kind == "thought"] or done.chosen
    text = unanswered(written(thoughts), done.answer)
    if len(thoughts) > STEPS or not text:
        return None
    try:
        return Demonstration(question, text, done.answer)
    except ValueError:  # half a character
        return None


def unanswered(text: str, answer: str) -> str:
    """The text without its last line, where that is the answer's."""
    before, _, last = text.strip().rpartition("\n")
    return (before if answered(last) == answer else text).strip()


def clusters(rows: Rows, k: int, seed: int) -> list[list[int]]:
    """k-means: the rows of each cluster, those nearest its centre first (Lloyd 1982).

    First centres by k-means++ (Arthur and Vassilvitskii 2007). The same seed gives the same clusters.
    A cluster that lost all its rows takes the one farthest from its centre.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = rows[rng.integers(len(rows), size=1)]
    while len(centres) < k:
        far = distances(rows, centres).min(1)
        total = float(far.sum())
        chance = far / total if total > 0 else None
        centres = np.vstack([centres, rows[rng.choice(len(rows), p=chance)]])
    label = distances(rows, centres).argmin(1)
    for _ in range(100):
        far = distances(rows, centres)
        label = far.argmin(1)
        for lost in range(k):
            if not (label == lost).any():
                alone = np.bincount(label, minlength=k)[label] == 1
                label[int(np.where(alone, -1.0, far.min(1)).argmax())] = lost
        moved = np.stack([rows[label == one].mean(0) for one in range(k)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    far = distances(rows, centres)
    return [
        sorted(np.flatnonzero(label == one).tolist(), key=lambda at: (float(far[at, one]), at))
        for one in range(k)
    ]


def distances(rows: Rows, centres: Rows) -> NDArray[np.float64]:
    """The square of each row's distance to each centre."""
    import numpy as np

    apart = rows[:, None, :].astype(np.float64) - centres[None, :, :]
    return np.einsum("rcd,rcd->rc", apart, apart)
