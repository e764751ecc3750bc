"""What an evaluation found: finished trials become rows of accuracy and cost. Runs nothing, awaits nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from statistics import mean
from typing import Any

from system2.core import Meter, Usage
from system2.evals import control
from system2.evals.estimators import (
    Ballots,
    Estimate,
    Ints,
    ballots,
    estimate,
    orders,
    pass_at,
    vote_at,
)
from system2.evals.problems import Item, refused
from system2.tasks.countdown import Facts


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured.

    samples      the sample counts to report; the largest is what is run
    temperature  of the samples; the direct answer and the one chain are greedy
    effort       of everything but the direct answer
    seed         of samples, subsets and intervals; model: what the report calls it
    per_call     most tokens of a sample; calls: most under way at once; problems: likewise
    """

    suite: str
    samples: tuple[int, ...]
    temperature: float = 0.8
    effort: str = "high"
    seed: int = 0
    model: str = "embedded"
    per_call: int = 640
    calls: int | None = None
    problems: int = 32

    def __post_init__(self) -> None:
        ascending = sorted(set(self.samples))
        if not ascending or ascending[0] < 1 or tuple(ascending) != self.samples:
            raise ValueError(f"samples must be ascending and at least 1, {self.samples} were given")


@dataclass(frozen=True, slots=True)
class Row:
    """What a method reaches and costs a problem.

    method   "direct", "chain" (both greedy), "majority", "weighted" (by log-probability), "pass"
             (any sample right: sees the gold), "random" (any of random legal moves right: the
             control of Countdown, costs nothing)
    tokens   completion tokens; dollars: None where the price is unknown
    """

    method: str
    samples: int
    accuracy: Estimate
    tokens: float
    prompt: float
    dollars: float | None


@dataclass(frozen=True, slots=True)
class Family:
    """The rows of one task alone."""

    task: str
    problems: int
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    families          by task, where there is more than one
    refused           share of samples that call a question outside, of the questions that are not;
                      refused_chain: of the greedy chains. None where all questions are outside
    unanswered        share of samples that came to no answer: cut, or the call failed
    failures          calls that failed, the first one's fault beside them
    usage, cost       of everything, exactly
    """

    settings: Settings
    problems: int
    rows: tuple[Row, ...]
    families: tuple[Family, ...]
    refused: Estimate | None
    refused_chain: Estimate | None
    unanswered: float
    failures: int
    fault: str
    usage: Usage
    cost: Decimal | None
    seconds: float

    @property
    def speed(self) -> float:
        """Completion tokens a second, all problems together."""
        return self.usage.completion / self.seconds if self.seconds else 0.0

    def row(self, method: str, samples: int = 1) -> Row | None:
        """The row of a method at a number of samples, if there is one."""
        found = (r for r in self.rows if (r.method, r.samples) == (method, samples))
        return next(found, None)


@dataclass(frozen=True, slots=True)
class Thought:
    """What became of one line of thought."""

    answer: str | None = None
    right: bool = False
    weight: float = 0.0

    @property
    def refused(self) -> bool:
        """Did it call the question outside?"""
        return self.answer is not None and refused(self.answer)


@dataclass(frozen=True, slots=True)
class Tried:
    """The lines of thought of one method on one problem, and what they cost together."""

    thoughts: tuple[Thought, ...]
    usage: Usage
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Trial:
    """One problem, by every method."""

    item: Item
    direct: Tried
    chain: Tried
    samples: Tried


def report(
    trials: Sequence[Trial],
    settings: Settings,
    meter: Meter,
    *,
    logprobs: bool,
    faults: Sequence[str],
    seconds: float,
) -> Report:
    """Everything there is to say about finished trials. logprobs: does the backend tell them?"""
    names = sorted({trial.item.task for trial in trials})
    by_task = {name: [t for t in trials if t.item.task == name] for name in names}
    random = orders(settings.samples[-1], settings.seed)
    families = [
        Family(name, len(own), tuple(rows(own, settings, random, logprobs=logprobs)))
        for name, own in (by_task.items() if len(names) > 1 else ())
    ]
    inside = [trial for trial in trials if not trial.item.outside]
    return Report(
        settings,
        len(trials),
        tuple(rows(trials, settings, random, logprobs=logprobs)),
        tuple(families),
        refusals([t.samples for t in inside], settings.seed),
        refusals([t.chain for t in inside], settings.seed),
        mean(thought.answer is None for t in trials for thought in t.samples.thoughts),
        len(faults),
        faults[0] if faults else "",
        meter.usage,
        meter.cost,
        seconds,
    )


def refusals(tries: Sequence[Tried], seed: int) -> Estimate | None:
    """Share of lines of thought that call the question outside."""
    if not tries:
        return None
    return estimate([mean(thought.refused for thought in t.thoughts) for t in tries], seed)


def rows(trials: Sequence[Trial], settings: Settings, random: Ints, *, logprobs: bool) -> list[Row]:
    """All methods; votes by log-probability only where the backend tells these."""
    seed, counts, n = settings.seed, settings.samples, settings.samples[-1]
    samples = [trial.samples for trial in trials]
    found = [
        row(method, 1, estimate([t.thoughts[0].right for t in tries], seed), tries)
        for method, tries in (
            ("direct", [trial.direct for trial in trials]),
            ("chain", [trial.chain for trial in trials]),
        )
    ]
    for method in ("majority", "weighted") if logprobs else ("majority",):
        votes = [polled(tried, weighted=method == "weighted") for tried in samples]
        for k in counts:
            expected = vote_at(votes, k, random)
            accuracy = estimate(expected.values, seed, expected.error)
            found.append(row(method, k, accuracy, samples, k / n))
    right = [sum(thought.right for thought in tried.thoughts) for tried in samples]
    for k in counts:
        accuracy = estimate([pass_at(n, c, k) for c in right], seed)
        found.append(row("pass", k, accuracy, samples, k / n))
    facts = [trial.item.facts for trial in trials]
    if all(isinstance(fact, Facts) for fact in facts):
        lucky = [control.chance(fact.numbers, fact.target) for fact in facts]
        for k in counts:
            accuracy = estimate([control.pass_at(share, k) for share in lucky], seed)
            found.append(Row("random", k, accuracy, 0.0, 0.0, 0.0))
    return found


def polled(tried: Tried, *, weighted: bool) -> Ballots:
    """The lines of thought as voters."""
    thoughts = tried.thoughts
    weights = [thought.weight if weighted else 1.0 for thought in thoughts]
    return ballots([t.answer for t in thoughts], weights, [t.right for t in thoughts])


def row(method: str, k: int, accuracy: Estimate, tries: Sequence[Tried], share: float = 1.0) -> Row:
    """A row with the mean cost a problem of `share` of the lines of thought."""
    costs = [tried.cost for tried in tries if tried.cost is not None]
    return Row(
        method,
        k,
        accuracy,
        mean(tried.usage.completion for tried in tries) * share,
        mean(tried.usage.prompt for tried in tries) * share,
        float(sum(costs)) / len(tries) * share if len(costs) == len(tries) else None,
    )


def to_json(report: Report) -> str:
    """The report as one JSON object; shares to 5 digits."""
    whole = asdict(report) | {"tokens_per_second": report.speed}
    return json.dumps(_plain(whole), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Decimal):
        return float(value)
    return round(value, 5) if isinstance(value, float) else value
