"""What had been said before by another line, counted by hand, by a slow rule, and on many lines."""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system2.core import Node, Step, Tree, apart, local
from system2.verifiers import redundancy
from system2.verifiers.meaning import ADVICE, installed

needed = pytest.mark.skipif(not installed(), reason=ADVICE)


def line(tree: Tree, *texts: str, at: Node | None = None, tokens: int = 10) -> Node:
    """One line of thought, merged with nothing."""
    steps = [Step(text, tokens) for text in texts]
    return tree.plant(at or tree.root, steps, None, apart)[-1].node


def slow(tree: Tree) -> tuple[int, int]:
    """The definition, word for word."""
    tokens = again = 0
    for node in tree.nodes[1:]:
        path, at = set[int](), node
        while at.parent is not None:
            path.add(at.id)
            at = at.parent
        said = any(
            e.step and node.step and e.step.text == node.step.text and e.id not in path
            for e in tree.nodes[1 : node.id]
        )
        own = node.step.tokens if node.step else 0
        tokens += own * node.count
        again += own * (node.count - (not said))
    return tokens, again


def test_an_empty_tree_says_nothing() -> None:
    none = redundancy(Tree(), "text")
    assert (none.tokens, none.again, none.share) == (0, 0, 0.0)


def test_a_line_that_repeats_itself_is_not_counted() -> None:
    tree = Tree()
    line(tree, "a", "b", "a", "a")
    assert redundancy(tree, "text").again == 0
    line(tree, "c", "b", "c", tokens=5)
    assert redundancy(tree, "text").again == 5
    line(tree, "c", at=tree.nodes[1])
    assert redundancy(tree, "text").again == 15


def test_merged_steps_count_each_time_and_replies_never() -> None:
    tree = Tree()
    for _ in range(3):
        tree.plant(tree.root, [Step("a", 10)], None, local)
    tree.plant(tree.root, [Step("told", 9, told=9), Step("out", 4, kind="reply")], None, local)
    found = redundancy(tree, "text")
    assert (found.tokens, found.again, found.by) == (30, 20, "text")


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=30))
def test_it_counts_as_defined(grown: list[tuple[int, str]]) -> None:
    tree = Tree()
    for at, text in grown:
        tree.plant(tree.nodes[at % len(tree.nodes)], [Step(text, len(tree.nodes))], None, local)
    found = redundancy(tree, "text")
    assert (found.tokens, found.again) == slow(tree)


@needed
def test_by_meaning() -> None:
    tree = Tree()
    line(tree, "The triangle has two equal sides.", "So two angles are equal as well.")
    line(tree, "Two sides of the triangle have the same length.", "The area of it is 12.", tokens=6)
    line(tree, "The triangle has two equal sides", "The area of it is 13.", tokens=4)
    assert redundancy(tree, "text").again == 0
    found = redundancy(tree)
    assert (found.tokens, found.again, found.by, found.longer) == (40, 10, "meaning", 0)


@needed
def test_a_thousand_lines_cost_about_a_second() -> None:
    rng, tree = Random(1), Tree()
    words = ["number", "side", "factor", "train", "equation", "answer", "total", "list", "sorted"]
    for _ in range(1024):
        line(tree, *(" ".join(rng.choices(words, k=12)) for _ in range(10)))
    line(tree, "\ud800", "")
    redundancy(Tree())
    began = time.process_time()
    found = redundancy(tree)
    took = time.process_time() - began
    print(f"1,024 lines of 10 steps, no text twice: {took:.2f} s of one core")
    assert found.longer > 9000 and took < 10  # a second or two on a machine with nothing else to do
