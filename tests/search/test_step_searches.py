"""Beam and tree search: widths, books, and that they find what is there."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tabletop import Child, play, writer

from system2 import search
from system2.core import Done, Expand, Node, Step, Tree
from system2.search.mcts import descend

small = st.integers(1, 4)
seeds = st.integers(0, 10**6)


def fixed(length: int, base: int = 4) -> Any:
    """Replies that hang on the node and the ordinal of the child there alone."""

    def write(ask: Expand) -> list[Child]:
        path = tuple(step.text for step in ask.node.chain())
        children: list[Child] = []
        for i in range(ask.n):
            rng = Random(repr((path, ask.node.tried + i)))
            text = str(rng.randrange(base))
            final = len(path) + 1 == length
            step = Step(text, 1, answer=text if final else None, final=final)
            children.append(([step], Random(repr((path, text))).random()))
        return children

    return write


@settings(max_examples=60, deadline=None)
@given(small, small, seeds, st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.3]))
def test_beam_keeps_its_width(
    width: int, fan: int, seed: int, failing: float, cutting: float
) -> None:
    rng = Random(seed)
    write = writer(rng, length=4, failing=failing, cutting=cutting)
    game = play(search.beam(width, fan), write, rng)
    assert game.why == "complete"
    grown = Counter(node.depth for node in game.tree.nodes if node.children)
    assert all(grown[depth] <= width for depth in grown)
    assert all(node.tried <= fan for node in game.tree.nodes)


@settings(max_examples=30, deadline=None)
@given(small, small, seeds)
def test_beam_does_not_hang_on_the_order_of_replies(width: int, fan: int, seed: int) -> None:
    def texts(tree: Tree) -> set[tuple[str, ...]]:
        return {tuple(step.text for step in node.chain()) for node in tree.nodes}

    strategy = search.beam(width, fan)
    ordered = play(strategy, fixed(4), Random(seed), ordered=True)
    shuffled = play(strategy, fixed(4), Random(seed))
    assert texts(ordered.tree) == texts(shuffled.tree)


def test_beam_leaves_cut_steps_unless_nothing_else_is_left() -> None:
    def write(ask: Expand) -> list[Child]:
        if ask.node.depth == 0:
            return [([Step("broken", 1, cut=True)], 1.0), ([Step("whole", 1)], 0.0)]
        return [([Step("end", 1, answer="a", final=True)], None)] * ask.n

    game = play(search.beam(1, 2), write, Random(0))
    assert [n.step.text for n in game.tree.nodes if n.step and n.children] == ["whole"]
    broken = play(search.beam(2, 2), writer(Random(0), cutting=1.0), Random(0))
    assert broken.why == "complete" and broken.calls == 3


def test_beam_lets_an_unscored_step_stand_by_the_one_before() -> None:
    scores = {"a": 0.9, "b": 0.5, "ax": None, "au": 0.1, "by": 0.6, "bv": 0.55}

    def write(ask: Expand) -> list[Child]:
        line = "".join(step.text for step in ask.node.chain())
        texts = {"": "ab", "a": "xu", "b": "yv"}.get(line, "z")
        return [([Step(t, 1, final=t == "z")], scores.get(line + t, 0.1)) for t in texts]

    game = play(search.beam(2, 2), write, Random(0))
    grown = {n.step.text for n in game.tree.nodes if n.step and n.children}
    assert grown == {"a", "b", "x", "y"}


def test_beam_asks_for_what_is_missing_where_steps_came_in_pairs() -> None:
    pair = [Step("a", 1), Step("b", 1)]
    replies: list[list[Child]] = [[(pair, 0.5), (pair[:1], 0.6)]]

    def write(ask: Expand) -> list[Child]:
        return replies.pop() if replies else [([Step("c", 1, final=True)], 0.1)] * ask.n

    game = play(search.beam(2, 2), write, Random(0), ordered=True)
    asked = [(a.node.depth, a.n) for a in game.asked if isinstance(a, Expand)]
    assert asked == [(0, 2), (1, 1), (2, 2)]


@settings(max_examples=80, deadline=None)
@given(
    small, st.integers(1, 8), seeds,
    st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.3]), st.sampled_from([0.0, 0.5, 1.0]),
)  # fmt: skip
def test_mcts_books_balance(
    fan: int, parallel: int, seed: int, failing: float, cutting: float, unscored: float
) -> None:
    rng = Random(seed)
    write = writer(rng, length=3, failing=failing, cutting=cutting, unscored=unscored)
    flying: list[int] = []
    strategy = search.mcts(fan, parallel, simulations=150, until="step")
    game = play(strategy, write, rng, watch=lambda tree: flying.append(tree.root.pending))
    assert game.why == "complete" and game.most <= parallel and max(flying) <= parallel
    for node in game.tree.nodes:
        assert node.pending == 0
        own = node.count if node.parent else 0
        assert node.visits == own + sum(child.visits for child in node.children)
        assert -1e-9 <= node.total <= node.visits + 1e-9
        assert node.tried <= fan
        if node.exhausted:
            assert node.final or all(child.exhausted for child in node.children)
    if game.calls < 150:
        assert game.tree.root.exhausted


def test_mcts_credits_a_node_met_again() -> None:
    """A duplicate is a further visit: two of three say "a": two visits, twice the score."""

    def write(ask: Expand) -> list[Child]:
        return [([Step("aab"[ask.node.tried], 1, answer="x", final=True)], 0.25)]

    strategy = search.mcts(3, 1, until="step")
    tree = Tree()
    plan = strategy.plan(tree)
    (ask,) = next(plan)
    try:
        while True:
            assert isinstance(ask, Expand)
            (child,) = write(ask)
            path = tree.plant(ask.node, child[0], child[1], strategy.key)
            (ask,) = plan.send([Done(ask, [path[-1].node])])
    except StopIteration:
        pass  # the plan has spoken its last
    a, b = tree.root.children
    assert (a.visits, a.total, b.visits, b.total) == (2, 0.5, 1, 0.25)
    assert (tree.root.visits, tree.root.total, tree.root.exhausted) == (3, 0.75, True)


def test_mcts_leaves_the_mean_as_it_was_where_a_score_is_missing() -> None:
    scores = iter([0.75, 0.0, None])

    def write(ask: Expand) -> list[Child]:
        return [([Step(str(ask.node.tried), 1, final=True)], next(scores))]

    root = play(search.mcts(3, 1, until="step"), write, Random(0)).tree.root
    assert (root.visits, root.total) == (3, 0.75 * 1.5)
    silent = play(search.mcts(2, 1, until="step"), writer(Random(0), unscored=1.0), Random(0)).tree
    assert all(n.total == 0.5 * n.visits for n in silent.nodes)


def test_mcts_walks_past_what_is_exhausted() -> None:
    tree = Tree()
    good, other = (tree.add(tree.root, Step(text, 1)) for text in "ab")
    good.visits, good.total, good.exhausted = 9, 9.0, True
    tree.root.tried = 2
    assert descend(tree.root, 2, 1.0, Counter()) is other


def test_mcts_steps_aside_for_a_node_that_always_fails() -> None:
    def write(ask: Expand) -> list[Child] | None:
        if ask.node.step is not None and ask.node.step.text == "0":
            return None
        text = str(ask.node.tried)
        return [([Step(text, 1, answer=text, final=ask.node.depth == 2)], float(text == "0"))]

    game = play(search.mcts(2, 1, until="step"), write, Random(0))
    assert game.why == "complete" and game.tree.finals and game.tree.root.pending == 0


def test_mcts_returns_to_what_is_good() -> None:
    """The line whose every step is 0 scores best: the visits gather there, and it is found."""

    def write(ask: Expand) -> list[Child]:
        line = [*(step.text for step in ask.node.chain()), str(ask.node.tried)]
        final = len(line) == 5
        score = sum(text == "0" for text in line) / len(line)
        return [([Step(line[-1], 1, answer="".join(line), final=final)], score)]

    strategy = search.mcts(3, 4, simulations=120, until="step")
    game = play(strategy, write, Random(0))
    chosen = strategy.choose(game.tree)
    assert chosen is not None and chosen.answer == "00000"
    visits = [child.visits for child in game.tree.root.children]
    assert visits[0] == max(visits)
    most: Node = max(game.tree.nodes[1:], key=lambda n: n.depth)
    assert most.depth == 5 and game.calls <= 120


def sum_of(node: Node) -> tuple[int, int]:
    return node.depth, sum(int(step.text) for step in node.chain())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), seeds, st.sampled_from(["step", "answer"]))
def test_mcts_searches_a_state_once(parallel: int, seed: int, until: Any) -> None:
    """States are sums of digits: of nodes alike the first alone is written on from, and all learn."""
    write = writer(Random(seed), length=4, base=3)
    strategy = search.mcts(3, parallel, simulations=150, until=until, state=sum_of)
    game = play(strategy, write, Random(seed))
    nodes = [node for node in game.tree.nodes[1:] if not node.final]
    asked = {ask.node for ask in game.asked if isinstance(ask, Expand)}
    asked.discard(game.tree.root)
    if parallel == 1:
        assert max(Counter(map(sum_of, asked)).values(), default=0) <= 1
    if game.calls < 150 and until == "step":
        tries = {sum_of(node): 0 for node in nodes}
        for node in nodes:
            tried = 3 if node.closed else node.tried
            tries[sum_of(node)] = max(tries[sum_of(node)], tried)
        assert min(tries.values(), default=3) >= 3, "none is given up unsearched"
    assert game.why == "complete"
    assert all(n.pending == 0 and -1e-9 <= n.total <= n.visits + 1e-9 for n in game.tree.nodes)


def test_mcts_credits_both_ways_to_a_state() -> None:
    """`ab` and `ba` are one state: what is found below the one counts above the other, once each."""

    def write(ask: Expand) -> list[Child]:
        line = "".join(step.text for step in ask.node.chain())
        text = {"": "ab", "a": "b", "b": "a"}.get(line, "z")[ask.node.tried % 2 if not line else 0]
        return [([Step(text, 1, answer=text, final=text == "z")], 1.0 if text == "z" else 0.5)]

    def letters(node: Node) -> str:
        return "".join(sorted(step.text for step in node.chain()))

    strategy = search.mcts(2, 1, 5.0, simulations=20, until="step", state=letters)
    tree = play(strategy, write, Random(0), ordered=True).tree
    a, b = tree.root.children
    finals = [node for node in tree.nodes if node.final]
    assert len(finals) == 1, "the state was searched by one way alone"
    assert a.total - 0.5 * a.visits > 0 and b.total - 0.5 * b.visits > 0, "both have heard of it"


def test_mcts_keeps_its_places_taken() -> None:
    flying: list[int] = []
    strategy = search.mcts(3, 8, simulations=400, until="step")
    write = fixed(12, base=10**6)
    play(strategy, write, Random(0), watch=lambda t: flying.append(t.root.pending), ordered=True)
    assert max(flying) == 8
    assert sum(flying) / len(flying) > 7


def test_lines_that_say_the_same_are_not_left() -> None:
    """A model sure of every step repeats the warm lines: all lines end, and all vote."""

    def write(ask: Expand) -> list[Child]:
        left = 3 - ask.node.depth if ask.until == "answer" else 1
        depths = range(ask.node.depth + 1, ask.node.depth + 1 + left)
        steps = [Step(str(d), 1, answer="a" if d == 3 else None, final=d == 3) for d in depths]
        return [(steps, 0.9)] * ask.n

    game = play(search.deepconf(12, 4), write, Random(0))
    assert game.why == "complete" and len(game.tree.finals) == 12 and game.tokens == 36
