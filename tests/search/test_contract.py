"""What every strategy keeps, whatever the replies, their order, failures, cuts and duplicates."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabletop import Game, play, writer

from system2 import search
from system2.core import Done, Expand, Node, Step, Strategy, Tree

CHOOSE = st.sampled_from(
    [
        search.best,
        search.majority,
        search.weighted(search.confidence),
        search.weighted(lambda node: node.score or 0.0),
        search.relative(search.confidence),
    ]
)
NEED = st.sampled_from(
    [
        lambda tree: None,
        search.agreed(2),
        search.consensus(0.8),
        search.solved(),
        search.enough(3),
        search.worthwhile(20),
    ]  # pyright: ignore
)
RULES: dict[str, Any] = {"choose": CHOOSE, "need": NEED}


def small(most: int) -> st.SearchStrategy[int]:
    return st.integers(1, most)


# name → the arguments to draw, and how many asks may be in flight with them
STRATEGIES: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], int]]] = {
    "beam": (
        {"width": small(4), "fan": small(4), "depth": small(9), **RULES},
        lambda given: given["width"],
    ),
    "best_of": ({"n": small(12), **RULES}, lambda given: given["n"]),
    "direct": ({}, lambda given: 1),
    "mcts": (
        {
            "fan": small(4),
            "parallel": small(8),
            "c": st.floats(0, 4),
            "simulations": st.none() | small(60),
            **RULES,
        },
        lambda given: given["parallel"],
    ),
    "single": ({}, lambda given: 1),
    "adaptive": (
        {"simulations": small(60), "parallel": small(8), "seed": small(9), **RULES},
        lambda given: given["parallel"],
    ),
    "aggregate": (
        {"n": small(6), "k": small(4), "rounds": small(3), "seed": small(9), **RULES},
        lambda given: given["n"],
    ),
    "deepconf": (
        {
            "n": small(8),
            "warm": small(4),
            "keep": st.floats(0, 1),
            "depth": small(9),
            **RULES,
        },
        lambda given: given["n"],
    ),
    "depth_first": (
        {"fan": small(4), "floor": st.floats(0, 1), "depth": small(9), **RULES},
        lambda given: 1,
    ),
    "dvts": (
        {"trees": small(4), "fan": small(4), "depth": small(9), **RULES},
        lambda given: given["trees"],
    ),
    "force": ({"waits": small(4), **RULES}, lambda given: 1),
    "forking": (
        {"n": small(8), "first": small(4), "sure": st.floats(0, 1), **RULES},
        lambda given: given["first"],
    ),
    "halving": (
        {
            "simulations": small(60),
            "wide": small(8),
            "fan": small(4),
            "parallel": small(8),
            "c": st.floats(0, 4),
            **RULES,
        },
        lambda given: max(given["parallel"], given["wide"]),
    ),
    "particles": (
        {"n": small(6), "depth": small(9), "seed": small(9), **RULES},
        lambda given: given["n"],
    ),
    "rebase": (
        {"n": small(6), "depth": small(9), "temperature": st.floats(0.01, 2), **RULES},
        lambda given: given["n"],
    ),
    "revise": ({"n": small(4), **RULES}, lambda given: 1),
    "select": ({"n": small(6), "need": NEED}, lambda given: given["n"]),
    "token_beam": (
        {"width": small(4), "fan": small(4), "depth": small(9), **RULES},
        lambda given: given["width"],
    ),
}
WORLDS = st.fixed_dictionaries(
    {
        "length": small(5),
        "base": small(4),
        "failing": st.sampled_from([0.0, 0.0, 0.2, 1.0]),
        "cutting": st.sampled_from([0.0, 0.0, 0.2, 1.0]),
        "unscored": st.sampled_from([0.0, 0.3, 1.0]),
        "dumb": st.sampled_from([0.0, 0.3, 1.0]),
    }
)
RUNS = settings(max_examples=40, deadline=None)


def run(name: str, given: dict[str, Any], world: dict[str, Any], seed: int, **more: Any) -> Game:
    strategy = getattr(search, name)(**given)
    rng = Random(seed)
    return play(strategy, writer(rng, **world), rng, tokens=150, calls=200, **more)


def shape(tree: Tree) -> list[Any]:
    return [
        (n.parent and n.parent.id, n.step, n.score, n.count, n.tried, n.visits, n.total, n.pending)
        for n in tree.nodes
    ]


def copy(tree: Tree) -> Tree:
    """The same nodes, unknown to whoever keeps a tally."""
    other = Tree()
    other.root, other.nodes, other.finals = tree.root, tree.nodes, tree.finals
    return other


def test_every_strategy_is_here() -> None:
    made = [
        name
        for name in search.__all__
        if inspect.signature(getattr(search, name)).return_annotation in ("Strategy", Strategy)
    ]
    assert made == sorted([*STRATEGIES, "cascade", "routed"])
    assert search.__all__ == sorted(search.__all__)


@pytest.mark.parametrize("name", STRATEGIES)
@RUNS
@given(data=st.data(), world=WORLDS, seed=st.integers(0, 10**6))
def test_any_replies_in_any_order(name: str, data: Any, world: dict[str, Any], seed: int) -> None:
    arguments, bound = STRATEGIES[name]
    given = {key: data.draw(value, key) for key, value in arguments.items()}
    chosen: list[Node | None] = []

    def watch(tree: Tree) -> None:
        choose = given.get("choose", search.best)
        chosen.append(choose(tree))
        assert (chosen[-1] is None) == (len(tree.nodes) == 1)
        assert choose(copy(tree)) is chosen[-1], "the answer hangs on the tree alone"

    game = run(name, given, world, seed, watch=watch)
    tree = game.tree
    assert game.why in ("budget", "enough", "complete")
    assert game.why != "budget" or game.tokens >= 150 or game.calls >= 200
    assert game.most <= bound(given)
    for node in tree.nodes[1:]:
        assert node.parent is not None and node in node.parent.children
        assert not (node.final and node.children)
        assert node.depth == node.parent.depth + 1
    assert all(n.tried == sum(child.count for child in n.children) for n in tree.nodes)
    again = run(name, given, world, seed)
    assert shape(again.tree) == shape(tree) and again.why == game.why


SMALL: dict[str, dict[str, int]] = {
    "adaptive": {"simulations": 5},
    "aggregate": {"n": 3},
    "beam": {"width": 2, "fan": 2},
    "best_of": {"n": 5},
    "deepconf": {"n": 5, "warm": 3},
    "depth_first": {"fan": 2},
    "dvts": {"trees": 3, "fan": 2},
    "force": {"waits": 2},
    "forking": {"n": 5},
    "halving": {"simulations": 5},
    "particles": {"n": 3},
    "rebase": {"n": 3},
    "revise": {"n": 3},
    "select": {"n": 3},
    "token_beam": {"width": 2, "fan": 2},
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_ends_on_its_own_where_all_goes_wrong(name: str) -> None:
    given = SMALL.get(name, {})
    strategy: Strategy = getattr(search, name)(**given)
    failing = play(strategy, writer(Random(1), failing=1.0), Random(1))
    assert failing.why == "complete" and failing.calls <= 5
    assert strategy.choose(failing.tree) is None
    closed = play(strategy, lambda ask: [], Random(1))
    assert closed.why == "complete" and closed.calls <= 5


def test_shapes_of_asks() -> None:
    whole = play(search.best_of(3), writer(Random(2)), Random(2))
    assert [(a.until, a.n, a.verify) for a in whole.asked if isinstance(a, Expand)] == [
        ("answer", 1, True)
    ] * 3
    said = play(search.direct(), writer(Random(2), length=1), Random(2))
    assert [a.until for a in said.asked if isinstance(a, Expand)] == ["reply"]
    node = search.best(said.tree)
    assert node is not None and node.step is not None and node.step.kind == "reply"


def test_all_of_waits_and_answers_in_the_order_asked() -> None:
    tree = Tree()
    nodes = [tree.add(tree.root, Step(str(i), 1)) for i in range(3)]
    asks = [Expand(node) for node in nodes]
    plan = search.all_of(asks)
    assert next(plan) == asks
    handed = [Done(asks[2], [nodes[2]])]
    assert plan.send(handed) == []
    with pytest.raises(StopIteration) as end:
        plan.send([Done(asks[0], [nodes[0]]), Done(asks[1], [])])
    assert end.value.value == [nodes[0], nodes[2]]
    assert len(handed) == 1, "what was handed over stays as it was"
    with pytest.raises(StopIteration) as end:
        next(search.all_of([]))
    assert end.value.value == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: search.best_of(0),
        lambda: search.beam(0, 1),
        lambda: search.beam(1, 1, 0),
        lambda: search.mcts(0),
        lambda: search.mcts(parallel=0),
        lambda: search.mcts(simulations=0),
        lambda: search.mcts(c=-1),
        lambda: search.agreed(0),
        lambda: search.consensus(0.5),
        lambda: search.consensus(1.0),
        lambda: search.adaptive(0),
        lambda: search.aggregate(0),
        lambda: search.cascade(),
        lambda: search.cascade(search.best_of(2), search.force(1)),
        lambda: search.deepconf(0),
        lambda: search.deepconf(8, keep=1.5),
        lambda: search.depth_first(0),
        lambda: search.dvts(1, 0),
        lambda: search.force(-1),
        lambda: search.forking(0),
        lambda: search.forking(4, sure=2),
        lambda: search.halving(8, 0),
        lambda: search.particles(0),
        lambda: search.rebase(1, temperature=0.0),
        lambda: search.revise(0),
        lambda: search.select(0),
        lambda: search.token_beam(1, 1, 0),
        lambda: search.enough(0),
        lambda: search.worthwhile(0.5),
    ],
)
def test_refuses_in_a_sentence(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="at least"):
        make()
