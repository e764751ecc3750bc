"""Routes are learnt from runs, kept, and followed within a budget."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import Step, Tree, never
from system2.routing import (
    SIZES,
    STOP,
    Outcome,
    Routes,
    Signs,
    explore,
    learn,
    load,
    router,
    save,
    signs,
)
from system2.search import aggregate, beam, best_of

sys.path.insert(0, str(Path(__file__).parent / "search"))
from tabletop import play, writer

WAYS = {"lines": lambda n: best_of(n), "beam": lambda n: beam(n, 2)}  # pyright: ignore
EASY, HARD = Signs(1.0, 0.7), Signs(0.25, 0.4)


def ran(rng: Random, count: int = 400) -> list[Outcome]:
    """Easy questions are right as they are; hard ones gain from the beam, and nothing from lines."""
    found: list[Outcome] = []
    for _ in range(count):
        seen = rng.choice([EASY, HARD])
        way, size = explore(WAYS, 64, rng)
        gain = 0.1 * size.bit_length() if way == "beam" else 0.0
        right = rng.random() < (0.95 if seen is EASY else min(0.95, 0.2 + gain))
        found.append(Outcome(seen, way, size, 0 if way == STOP else 100 * size, right))
    return found


@pytest.fixture(scope="module")
def routes() -> Routes:
    return learn(ran(Random(3)))


def test_hard_questions_get_the_way_that_helps_them(routes: Routes) -> None:
    easy, hard = routes.at(EASY, 1e-4), routes.at(HARD, 1e-4)
    assert easy.way == STOP and easy.tokens == 0
    assert hard.way == "beam" and hard.size >= 8
    assert routes.at(HARD, 1.0).way == STOP, "too dear"


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 200_000))
def test_never_beyond_the_tokens_there_are(share: float, score: float, tokens: float) -> None:
    routes, seen = learn(ran(Random(3), 60)), Signs(share, score)
    route = routes.within(seen, tokens)
    assert route.tokens <= tokens and 0 < route.right < 1
    more = routes.within(seen, tokens + 1000)
    assert more.right >= route.right
    assert route.size in SIZES


def test_no_size_beyond_those_tried_however_many_tokens(routes: Routes) -> None:
    assert max(route.size for route in routes.offers(HARD)) == 64
    assert routes.within(HARD, 1e9).size <= 64
    assert routes.within(HARD, 1e9) == routes.within(HARD, 64 * 101)


def test_a_price_meets_the_mean(routes: Routes) -> None:
    last = 0.0
    for tokens in (50.0, 400.0, 3000.0):
        price = routes.price(tokens)
        mean = sum(routes.at(seen, price).tokens for seen in routes.seen) / len(routes.seen)
        assert last <= mean <= tokens
        last = mean


def test_a_pilot_shows_how_far_its_lines_agree() -> None:
    tree = Tree()
    assert signs(tree) == Signs(0.0, 0.5)
    for answer, score in (("a", 0.5), ("a", None), ("b", 0.1), (None, 0.9)):
        step = Step(f"{answer}{score}", 1, answer=answer, final=True)
        tree.plant(tree.root, [step], score, lambda node, step: None)
    assert signs(tree) == Signs(2 / 3, 0.3)


def test_the_route_is_taken_on_the_tree_of_the_pilot(routes: Routes) -> None:
    for seen, asked in ((EASY, 3), (HARD, 3 + 8)):
        decide = partial(routes.at, price=2e-4)
        strategy = router(
            routes, {**WAYS, "beam": lambda n: best_of(8)}, best_of(3),
            lambda _, s=seen, d=decide: d(s),
        )  # fmt: skip
        game = play(strategy, writer(Random(1)), Random(1))
        assert game.why == "complete" and len(game.asked) == asked
        assert strategy.need is never


def test_ways_must_be_given_and_share_the_key(routes: Routes) -> None:
    decide = partial(routes.within, tokens=100)
    with pytest.raises(ValueError, match="no strategy was given for beam"):
        router(routes, {"lines": WAYS["lines"]}, best_of(2), decide)
    with pytest.raises(ValueError, match="lines must have the key"):
        router(routes, {**WAYS, "lines": lambda n: aggregate(n)}, best_of(2), decide)
    with pytest.raises(ValueError, match="nothing to learn"):
        learn([])


def test_kept_on_disk(routes: Routes, tmp_path: Path) -> None:
    save(routes, tmp_path / "routes.json")
    assert load(tmp_path / "routes.json") == routes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"version": 2}',
        '{"version": 1, "ways": 3}',
        "\ud800",
        '{"version": 1, "ways": {}, "seen": []}',
        '{"version": 1, "ways": {"stop": {"weights": [1, 2, 3], "each": 0, "runs": 1, "most": 1}}, '
        '"seen": [{"share": 1, "score": 1}]}',
    ],
)
def test_a_file_that_holds_none(text: str, tmp_path: Path) -> None:
    path = tmp_path / "routes.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ValueError, match=r"holds no routes .* learn them anew"):
        load(path)
