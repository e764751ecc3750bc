"""How chains are planted, and the plain data around them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from system2.core import Message, Node, Problem, Step, Tree, apart, local, never


def words(node: Node, step: Step) -> str:
    """A key that looks at nothing but the words."""
    return step.text


def chain(text: str, *, final: bool = True) -> list[Step]:
    """A step a letter."""
    steps = [Step(letter, 1) for letter in text]
    if final:
        steps[-1] = Step(text[-1], 1, answer=text, final=True)
    return steps


def test_new_chains_grow() -> None:
    tree = Tree()
    path = tree.plant(tree.root, chain("abc"), 0.5, local)
    assert [planted.new for planted in path] == [True] * 3
    end = path[-1].node
    assert (end.id, end.depth, end.score, end.final, end.answer) == (3, 3, 0.5, True, "abc")
    assert [step.text for step in end.chain()] == ["a", "b", "c"]
    assert tree.finals == [end]
    assert (tree.root.final, tree.root.answer, tree.root.chain()) == (False, None, [])
    assert path[0].node.score is None


def test_a_duplicate_is_merged_and_counted() -> None:
    tree = Tree()
    first = tree.plant(tree.root, chain("ab"), None, local)[-1].node
    again = tree.plant(tree.root, chain("ab"), 0.25, local)
    assert [planted.new for planted in again] == [False, False]
    assert again[-1].node is first
    assert (first.count, first.score, tree.finals) == (2, 0.25, [first, first])
    tree.plant(tree.root, chain("ab"), 0.75, local)
    assert first.score == 0.25, "a score stays"
    other = tree.plant(tree.root, chain("ac"), None, local)
    assert [planted.new for planted in other] == [False, True]
    assert (tree.root.tried, first.parent and first.parent.tried) == (4, 4)
    assert len(tree.nodes) == 4


def test_what_is_never_the_same() -> None:
    tree = Tree()
    cut = [Step("a", 1, cut=True)]
    for _ in range(2):
        assert tree.plant(tree.root, cut, None, local)[0].new
    assert tree.plant(tree.root, [Step("a", 1)], None, local)[0].new, "cut ones are no model"
    assert tree.plant(tree.root, chain("a"), None, local)[0].new, "finished is not under way"
    assert not tree.plant(tree.root, chain("a"), None, local)[0].new
    assert tree.plant(tree.root, chain("a"), None, apart)[0].new
    assert tree.plant(tree.root, [Step("b", 1)], None, words)[0].new
    assert tree.plant(tree.root, chain("b"), None, words)[0].new, "whatever the key says"
    assert len(tree.finals) == 4
    below = tree.plant(tree.nodes[3], chain("a"), None, local)[0]
    assert below.new, "the same words elsewhere"


def test_an_empty_chain_changes_nothing() -> None:
    tree = Tree()
    assert tree.plant(tree.root, [], 1.0, local) == []
    assert tree.root.score is None


@given(st.lists(st.text("ab", min_size=1, max_size=4), max_size=12))
def test_counts_and_links_agree(words: list[str]) -> None:
    tree = Tree()
    for word in words:
        tree.plant(tree.root, chain(word), None, local)
    assert sorted(node.answer or "" for node in tree.finals) == sorted(words)
    assert tree.root.tried == len(words)
    for node in tree.nodes:
        assert tree.nodes[node.id] is node
        assert node.tried == sum(child.count for child in node.children)
        assert all(
            child.parent is node and child.depth == node.depth + 1 for child in node.children
        )
        assert not (node.final and node.children)


def test_a_problem() -> None:
    problem = Problem.of("1+1", system="be brief", effort="low")
    assert [message.role for message in problem.messages] == ["system", "user"]
    assert (problem.question, problem.effort) == ("1+1", "low")
    assert Problem((Message("assistant", "hello"),)).question == ""
    assert never(Tree()) is None
