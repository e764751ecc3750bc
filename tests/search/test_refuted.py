"""An answer that was refuted takes the votes of those that say the same and were never judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from system2 import search
from system2.core import Node, Step, Tree, local
from system2.effort import checked_or_voted, unrefuted
from system2.search.tally import tally
from system2.verifiers import value

ARRIVALS = st.lists(
    st.tuples(
        st.sampled_from("pqr"),  # the line
        st.sampled_from(["1/2", "0.5", "3", "7"]),  # its answer: the first two are one
        st.sampled_from([None, 0.0, 0.5]),  # its score
        st.sampled_from([None, None, 0.0, 1.0]),  # a score that comes later
    ),
    max_size=20,
)


def arrive(tree: Tree, text: str, answer: str, score: float | None) -> Node:
    last = Step(f"so {answer}", 1, answer=answer, final=True)
    return tree.plant(tree.root, [Step(text, 1), last], score, local)[-1].node


def recounted(tree: Tree) -> Counter[Hashable]:
    """The votes, one for one."""
    wrong = {value(node) for node in tree.finals if node.score == 0.0}
    votes: Counter[Hashable] = Counter()
    for node in tree.finals:
        if node.score != 0.0 and not (node.score is None and value(node) in wrong):
            votes[value(node)] += 1
    return votes


@given(ARRIVALS)
def test_votes_are_what_a_recount_says_after_every_arrival(
    arrivals: list[tuple[str, str, float | None, float | None]],
):
    tree, waiting = Tree(), list[tuple[Node, float]]()
    for text, answer, score, late in arrivals:
        node = arrive(tree, text, answer, score)
        if late is not None:
            waiting.append((node, late))
        assert {
            name: side.votes for name, side in tally(tree, unrefuted).sides.items()
        } == recounted(tree)
    for node, late in waiting:  # what a plan had weighed
        node.score = late if node.score is None else node.score
        votes = tally(tree, unrefuted)
        assert {name: side.votes for name, side in votes.sides.items()} == recounted(tree)
        leaders = [side.votes for side in (votes.first, votes.second) if side]
        assert leaders == sorted(recounted(tree).values(), reverse=True)[:2]


def test_a_refuted_answer_is_not_chosen_by_those_nobody_judged():
    tree = Tree()
    for n in range(3):
        arrive(tree, f"line {n}", "0.5", None)
    arrive(tree, "another", "3", None)
    assert checked_or_voted(tree) is tree.finals[0]
    arrive(tree, "one more", "1/2", 0.0)
    chosen = checked_or_voted(tree)
    assert chosen is not None and chosen.answer == "3"
    late = arrive(tree, "again", "0.5", None)
    assert checked_or_voted(tree) is chosen
    late.score = 1.0  # this line was looked at, and holds
    assert checked_or_voted(tree) is late


def test_where_all_are_refuted_no_answer_is_left_to_give():
    tree = Tree()
    arrive(tree, "a", "3", None)
    arrive(tree, "b", "3.0", 0.0)
    chosen = checked_or_voted(tree)
    assert chosen is not None and chosen.score == 0.0


def test_a_stop_rule_does_not_wait_for_votes_that_fell():
    tree = Tree()
    for n in range(4):
        arrive(tree, f"line {n}", "3", None)
    assert search.agreed(3, answer=unrefuted)(tree) == 0
    arrive(tree, "judged", "3", 0.0)
    assert search.agreed(3, answer=unrefuted)(tree) == 3
