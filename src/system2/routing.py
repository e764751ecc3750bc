"""Which strategy, and how many lines of thought, a question deserves: learnt from runs whose outcome is known.

Knows no models and no money: it is told what was seen, what was done, what it took and whether it was right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, isfinite, log2
from pathlib import Path
from random import Random

from system2.core import Node, Strategy, Tree
from system2.search import routed
from system2.search.tally import Answer, counted, tally, written

STOP = "stop"
"""The way that asks for nothing more."""
SIZES = tuple(2**k for k in range(11))
"""How many lines of thought's worth a way may be given."""
RIDGE = 1.0  # prior precision of every weight but the first
VERSION = 1

Ways = Mapping[str, Callable[[int], Strategy]]
"""What may be chosen: a name → the strategy that spends about as much as so many lines."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What a pilot shows of a question.

    share  of the leading answer among the lines that came to one; 0: none did
    score  mean score of those lines; a half where nothing was scored
    """

    share: float
    score: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run: what its pilot showed, the way it went on, the completion tokens that took, was it right?"""

    signs: Signs
    way: str
    size: int
    tokens: int
    right: bool


@dataclass(frozen=True, slots=True)
class Way:
    """What is known of one way.

    weights  of a logistic model of being right: 1, share, score, and the same three times log2(size)
    each     completion tokens for every unit of size, after the pilot
    runs     it was learnt from; most: the greatest size among them
    """

    weights: tuple[float, ...]
    each: float
    runs: int
    most: int


@dataclass(frozen=True, slots=True)
class Route:
    """A choice: the way, its size, the chance to be right, the tokens it takes beyond the pilot."""

    way: str
    size: int
    right: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Routes:
    """What was learnt. `seen` are the signs it was learnt from: the mix of questions."""

    ways: Mapping[str, Way]
    seen: tuple[Signs, ...]

    def offers(self, signs: Signs) -> list[Route]:
        """What could be done now, and what it would bring; the cheapest first.

        Greater sizes than were tried are no offer: what rises with the first hundred lines may fall with the
        next, as a beam does under a weak verifier, whose mistakes it finds.
        """
        found = [
            Route(name, size, chance(way.weights, signs, size), way.each * size)
            for name, way in self.ways.items()
            for size in ((1,) if name == STOP else SIZES)
            if size <= way.most
        ]
        return sorted(found, key=lambda route: route.tokens)

    def at(self, signs: Signs, price: float, most: float = float("inf")) -> Route:
        """The best where a token costs `price` right answers, of what takes at most so many; else the cheapest."""
        offers = self.offers(signs)
        return cheapest([one for one in offers if one.tokens <= most] or offers[:1], price)

    def within(self, signs: Signs, tokens: float) -> Route:
        """The best of what takes at most so many tokens; the cheapest where nothing does."""
        return self.at(signs, 0.0, tokens)

    def each(self, way: str) -> float:
        """Tokens of a unit of this way's size; of any, where it was not tried."""
        known = [one.each for name, one in self.ways.items() if name != STOP]
        return self.ways[way].each if way in self.ways else max(known, default=0.0)

    def price(self, tokens: float) -> float:
        """The price at which a question of the mix takes so many tokens beyond the pilot, on average."""
        offers = {signs: self.offers(signs) for signs in {*self.seen}}
        low, high = 1e-12, 1.0
        for _ in range(60):
            middle = (low * high) ** 0.5
            best = {signs: cheapest(found, middle).tokens for signs, found in offers.items()}
            mean = sum(best[signs] for signs in self.seen) / len(self.seen)
            low, high = (middle, high) if mean > tokens else (low, middle)
        return high


def cheapest(offers: Sequence[Route], price: float) -> Route:
    """The best of these where a token costs `price` right answers; of equals the first."""
    return max(offers, key=lambda route: route.right - price * route.tokens)


def signs(tree: Tree, answer: Answer = written) -> Signs:
    """What the tree shows so far."""
    votes = tally(tree, answer)
    counts = [side.votes for side in votes.sides.values()]
    ends = [node for node in tree.finals if counted(answer(node))]
    scores = [node.score for node in ends if node.score is not None]
    return Signs(
        max(counts) / sum(counts) if counts else 0.0,
        sum(scores) / len(scores) if scores else 0.5,
    )


def router(
    routes: Routes,
    ways: Ways,
    pilot: Strategy,
    decide: Callable[[Signs], Route],
    *,
    answer: Answer = written,
    choose: Callable[[Tree], Node | None] | None = None,
    need: Callable[[Tree], int | None] | None = None,
) -> Strategy:
    """Pilot, then the way that `decide` takes: `partial(routes.at, price=…)` or `partial(routes.within, tokens=…)`.

    `choose` and `need` are the pilot's unless given. Raises ValueError where a way that was learnt is
    not among `ways`, or has another key than the pilot.
    """
    if unknown := sorted(set(routes.ways) - {STOP, *ways}):
        raise ValueError(f"router: no strategy was given for {', '.join(unknown)}")
    if other := [name for name in ways if ways[name](1).key is not pilot.key]:
        raise ValueError(
            f"router: {', '.join(other)} must have the key of the pilot, but has another"
        )

    def pick(tree: Tree) -> Strategy | None:
        route = decide(signs(tree, answer))
        return None if route.way == STOP else ways[route.way](route.size)

    return routed(pilot, pick, choose=choose or pilot.choose, need=need or pilot.need)


def learn(outcomes: Iterable[Outcome]) -> Routes:
    """Routes from runs whose ways and sizes were drawn at random. Raises ValueError without any.

    A logistic regression for each way with a normal prior, by Newton's method: some dozens of runs a way
    are enough, and sizes between those tried are told from their neighbours.
    """
    runs: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        runs.setdefault(outcome.way, []).append(outcome)
    if not runs:
        raise ValueError("there is nothing to learn routes from: no run with a known outcome")
    ways = {
        name: Way(
            fitted([features(one.signs, one.size) for one in ones], [one.right for one in ones]),
            0.0 if name == STOP else sum(o.tokens for o in ones) / sum(o.size for o in ones),
            len(ones),
            max(one.size for one in ones),
        )
        for name, ones in sorted(runs.items())
    }
    return Routes(ways, tuple(one.signs for ones in runs.values() for one in ones))


def explore(ways: Ways, most: int, rng: Random) -> tuple[str, int]:
    """A way and a size to try, all alike: what runs to learn from should do after the pilot."""
    name = rng.choice([STOP, *ways])
    return name, 1 if name == STOP else rng.choice([size for size in SIZES if size <= most])


def features(signs: Signs, size: int) -> list[float]:
    """What a way's chance hangs on."""
    seen = [1.0, 2 * signs.share - 1, 2 * signs.score - 1]
    return [*seen, *(log2(size) * each for each in seen)]


def chance(weights: Sequence[float], signs: Signs, size: int) -> float:
    """To be right; never less with a greater size."""
    seen = features(signs, 1)[:3]
    start = sum(w * x for w, x in zip(weights[:3], seen, strict=True))
    slope = max(0.0, sum(w * x for w, x in zip(weights[3:], seen, strict=True)))
    return 1 / (1 + exp(-max(-30.0, min(30.0, start + slope * log2(size)))))


def fitted(rows: Sequence[Sequence[float]], right: Sequence[bool]) -> tuple[float, ...]:
    """The most likely weights under a normal prior of precision RIDGE; of the constant a hundredth of it."""
    import numpy as np

    x, y = np.array(rows, dtype=float), np.array(right, dtype=float)
    ridge = np.full(x.shape[1], RIDGE)
    ridge[0] /= 100
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        slope = x.T @ (y - p) - ridge * weights
        bend = (x.T * (p * (1 - p))) @ x + np.diag(ridge)
        change = np.linalg.solve(bend, slope)
        weights += change / max(1.0, float(np.abs(change).max()))
        if np.abs(change).max() < 1e-9:
            break
    return tuple(float(w) for w in weights)


def save(routes: Routes, path: Path) -> None:
    """As JSON. Raises OSError."""
    told = {"version": VERSION, **asdict(routes)}
    path.write_text(json.dumps(told, indent=1), "utf-8")


def load(path: Path) -> Routes:
    """Routes from a file. Raises OSError, ValueError in a sentence."""
    try:
        told = json.loads(path.read_text("utf-8"))
        if told["version"] != VERSION:
            raise ValueError(f"it has version {told['version']}, {VERSION} was expected")
        routes = Routes(
            {
                name: Way(
                    tuple(map(float, way["weights"])),
                    float(way["each"]),
                    int(way["runs"]),
                    int(way["most"]),
                )
                for name, way in told["ways"].items()
            },
            tuple(Signs(float(one["share"]), float(one["score"])) for one in told["seen"]),
        )
        numbers = [x for way in routes.ways.values() for x in (*way.weights, way.each)]
        if not routes.ways or not routes.seen or not all(map(isfinite, numbers)):
            raise ValueError("there is nothing in it")
        if any(len(w.weights) != 6 or w.each < 0 or w.most < 1 for w in routes.ways.values()):
            raise ValueError("its numbers are not those of routes")
        return routes
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} holds no routes ({error}); learn them anew") from error
