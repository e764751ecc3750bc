"""Votes and stop rules equal a naive recount, and read every arrival once."""

from __future__ import annotations

import gc
from collections import Counter, defaultdict
from math import comb, exp, log
from random import Random
from weakref import ref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabletop import play, writer

from system2 import search
from system2.core import Node, Step, Tree, local
from system2.search.stop import ahead, drawn, gain, paying, settling

ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from("pqrs"),  # the line
        st.sampled_from([None, "1", "2", "3"]),  # its answer
        st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]),  # its score
        st.booleans(),  # is it finished?
    ),
    max_size=30,
)


def arrive(tree: Tree, text: str, answer: str | None, score: float | None, final: bool) -> Node:
    """A line of two steps; the same line with the same answer is merged."""
    last = Step(f"so {answer} {final}", 1, answer=answer if final else None, final=final)
    return tree.plant(tree.root, [Step(text, 1), last], score, local)[-1].node


def naive_best(tree: Tree) -> Node | None:
    def height(node: Node) -> tuple[bool, float]:
        return node.score is not None, node.score or 0.0

    if answered := [n for n in tree.finals if n.answer is not None]:
        return max(answered, key=height)
    if tree.finals:
        return max(tree.finals, key=height)
    return max(tree.nodes[1:], key=lambda n: (*height(n), n.depth), default=None)


def naive_vote(tree: Tree, votes: dict[str, float], weigh: bool) -> Node | None:
    voters = [n for n in tree.finals if n.answer is not None]
    if not voters:
        return naive_best(tree)
    leader = max(voters, key=lambda n: votes[n.answer or ""]).answer
    mine = [n for n in voters if n.answer == leader]
    return max(mine, key=lambda n: n.score or 0.0) if weigh else mine[0]


def score_of(node: Node) -> float:
    return node.score or 0.0


@settings(max_examples=200, deadline=None)
@given(ARRIVALS)
def test_equal_to_a_recount_on_every_prefix(
    arrivals: list[tuple[str, str | None, float | None, bool]],
) -> None:
    tree = Tree()
    by_score = search.weighted(score_of)
    two, good, five = search.agreed(2), search.solved(0.5), search.enough(5)
    for arrival in arrivals:
        arrive(tree, *arrival)
        counts = Counter(n.answer for n in tree.finals if n.answer is not None)
        sums: dict[str, float] = defaultdict(float)
        for node in tree.finals:
            sums[node.answer or ""] += score_of(node)
        assert search.best(tree) is naive_best(tree)
        assert search.majority(tree) is naive_vote(tree, dict(counts), weigh=False)
        assert by_score(tree) is naive_vote(tree, sums, weigh=True)
        lead = [*counts.values(), 0, 0]
        lead.sort(reverse=True)
        assert two(tree) == max(0, 2 - lead[0] + lead[1])
        voters = [n for n in tree.finals if n.answer is not None] or tree.finals
        assert good(tree) == (0 if any(score_of(n) >= 0.5 for n in voters) else 1)
        assert five(tree) == max(0, 5 - len(tree.finals))


@settings(max_examples=50, deadline=None)
@given(ARRIVALS)
def test_votes_may_fall(arrivals: list[tuple[str, str | None, float | None, bool]]) -> None:
    def against(node: Node) -> float:
        return score_of(node) - 0.5

    tree = Tree()
    vote = search.weighted(against)
    for arrival in arrivals:
        arrive(tree, *arrival)
        sums: dict[str, float] = defaultdict(float)
        for node in tree.finals:
            if node.answer is not None:
                sums[node.answer] += against(node)
        chosen = vote(tree)
        if sums:
            assert chosen is not None and sums[chosen.answer or ""] == max(sums.values())


@settings(max_examples=100, deadline=None)
@given(ARRIVALS, st.lists(st.sampled_from([None, -0.5, 0.25, 1.0]), min_size=30, max_size=30))
def test_a_score_that_comes_late_counts(
    arrivals: list[tuple[str, str | None, float | None, bool]], late: list[float | None]
) -> None:
    tree = Tree()
    by_score = search.weighted(score_of)
    for arrival in arrivals:
        arrive(tree, *arrival)
    assert (search.best(tree) is None) == (by_score(tree) is None)
    for node, score in zip([n for n in tree.nodes[1:] if n.score is None], late, strict=False):
        node.score = score
    sums: dict[str, float] = defaultdict(float)
    for node in tree.finals:
        sums[node.answer or ""] += score_of(node)
    assert search.best(tree) is naive_best(tree)
    assert by_score(tree) is naive_vote(tree, sums, weigh=True)


def test_a_merged_duplicate_votes_once_per_arrival() -> None:
    tree = Tree()
    for _ in range(3):
        arrive(tree, "p", "1", 0.5, True)
    for text in "qr":
        arrive(tree, text, "2", 0.5, True)
    assert [n.count for n in dict.fromkeys(tree.finals)] == [3, 1, 1]
    chosen = search.majority(tree)
    assert chosen is not None and chosen.answer == "1"
    assert search.agreed(2)(tree) == 1
    heavy = search.weighted(score_of)(tree)
    assert heavy is not None and heavy.answer == "1"


def test_twenty_thousand_votes_are_read_once_each() -> None:
    asked: Counter[str] = Counter()

    def answer(node: Node) -> str | None:
        asked["answer"] += 1
        return node.answer

    def weight(node: Node) -> float:
        asked["weight"] += 1
        return score_of(node)

    rng = Random(0)
    tree = Tree()
    vote, need = search.weighted(weight, answer=answer), search.agreed(10**6, answer=answer)
    for _ in range(20_000):
        arrive(tree, rng.choice("pqrs"), rng.choice("1234"), 0.5, True)
        assert vote(tree) is not None
        assert search.best(tree) is not None and search.majority(tree) is not None
        assert need(tree)
    assert asked == {"answer": 40_000, "weight": 20_000}


def test_what_is_kept_goes_with_the_tree() -> None:
    tree = Tree()
    arrive(tree, "p", "1", None, True)
    assert search.best(tree) is search.majority(tree)
    gone = ref(tree)
    del tree
    gc.collect()
    assert gone() is None


def test_confidence_is_the_mean_probability_of_a_token() -> None:
    tree = Tree()
    first = Step("a", 2, logprobs=(log(0.5), log(0.25)))
    last = Step("b", 1, answer="1", final=True, logprobs=(log(0.5),))
    node = tree.plant(tree.root, [first, last], None, local)[-1].node
    assert search.confidence(node) == pytest.approx(exp((2 * log(0.5) + log(0.25)) / 3))
    bare = tree.plant(tree.root, [Step("c", 1, final=True)], None, local)[-1].node
    assert search.confidence(bare) == 1.0


def test_agreement_buys_no_more_than_it_needs() -> None:
    """Waves of `need` chains: with one answer only, k chains and not one more."""
    strategy = search.best_of(40, choose=search.majority, need=search.agreed(3))
    game = play(strategy, writer(Random(0), base=1), Random(0))
    assert game.why == "enough" and game.calls == 3


@pytest.mark.parametrize("second", range(6))
def test_consensus_settles_as_soon_as_the_posterior_does(second: int) -> None:
    """Beside the sum over a fair coin's tosses, and that fewer votes would not do."""
    for first in range(second, 12):
        n = first + second + 1
        tail = sum(comb(n, j) for j in range(second + 1)) / 2**n
        assert abs(ahead(first, second) - (1 - tail)) < 1e-12
        more = settling(first, second, 0.95)
        assert ahead(first + more, second) >= 0.95
        assert more == 0 or ahead(first + more - 1, second) < 0.95


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 8))
def test_what_further_votes_are_expected_to_add(first: int, second: int, more: int) -> None:
    """Against a walk vote by vote; never less than nothing, and nothing where none can change the leader."""

    def after(a: int, b: int, left: int) -> float:
        if not left:
            return max(ahead(a, b), 1 - ahead(a, b))
        share = (a + 1) / (a + b + 2)
        return share * after(a + 1, b, left - 1) + (1 - share) * after(a, b + 1, left - 1)

    found = gain(first, second, more)
    assert abs(found - (after(first, second, more) - after(first, second, 0))) < 1e-9
    assert found > -1e-9
    assert more >= abs(first - second) or found < 1e-9
    assert abs(sum(drawn(first, second, more, k) for k in range(more + 1)) - 1) < 1e-9


def test_more_is_asked_for_while_it_pays() -> None:
    assert paying(0, 0, 1, 16) == 0, "a right answer that is worth one line deserves one guess"
    assert paying(0, 0, 100, 16) > 0
    assert paying(9, 0, 100, 16) == 0 < paying(9, 0, 10**9, 16)
    assert paying(5, 5, 100, 16) > 0
    for worth in (10, 100, 1000):
        ends = [n for n in range(100) if paying(n, 0, worth, 16) == 0]
        assert ends == list(range(ends[0], 100)), "once enough, more of the same is enough"


def test_a_relative_vote_counts_by_standing() -> None:
    """Two lines a little surer than three others win; scaled and shifted scores change nothing."""

    def vote(scores: list[float]) -> str | None:
        tree = Tree()
        for name, score in zip("aabbb", scores, strict=True):
            step = Step(f"{name}{score}", 1, answer=name, final=True)
            tree.plant(tree.root, [step], score, lambda node, step: None)
        node = search.relative(lambda node: node.score or 0.0)(tree)
        return node and node.answer

    sure = [0.91, 0.90, 0.88, 0.88, 0.87]
    assert vote(sure) == "a" and vote([0.1 * s for s in sure]) == "a"
    assert vote([0.5] * 5) == "b"
    assert search.relative(search.confidence)(Tree()) is None


def test_a_relative_vote_stands_any_temperature() -> None:
    tree = Tree()
    for n in range(200):
        step = Step(str(n), 1, answer="ab"[n == 0], final=True)
        tree.plant(tree.root, [step], float(n == 0), lambda node, step: None)
    vote = search.relative(lambda node: node.score or 0.0, temperature=0.001)(tree)
    assert vote is not None and vote.answer == "b"
