"""What to answer. Knows nothing about where to look, and is callable at any moment of a search.

Where no finished line of thought has an answer, every rule answers from the best-scored, else the
longest open one: None means that nothing was thought at all.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp

from system2.core import Node, Tree
from system2.search.tally import Answer, Weight, champion, one, tally, written


def best(tree: Tree) -> Node | None:
    """The finished line with the highest score, unscored ones last; ties to the earliest."""
    return champion(tree)


def majority(tree: Tree) -> Node | None:
    """The answer most lines arrived at: self-consistency (Wang et al. 2022, arXiv 2203.11171).

    Ties go to the answer that was there first; it is given by the line that first wrote it.
    """
    return _voted(tree, written, one)


def weighted(
    score: Callable[[Node], float], *, answer: Answer = written
) -> Callable[[Tree], Node | None]:
    """The answer whose supporters' scores add up highest (Li et al. 2022, arXiv 2206.02336).

    `score` is asked for every arrival at a finished line once, and again if the node's own score
    came late; `answer` names what is voted on, None does not vote. The answer is given by its
    highest supporter. Ties to the earliest.
    """

    def choose(tree: Tree) -> Node | None:
        return _voted(tree, answer, score)

    return choose


def confidence(node: Node) -> float:
    """exp of the mean log-probability of all tokens of the chain (Wang et al. 2022, eq. 1).

    Between 0 and 1, whatever the length. 1 where the backend gives no log-probabilities, which
    makes a weighted vote a plain one.
    """
    logprobs = [logprob for step in node.chain() for logprob in step.logprobs]
    return exp(sum(logprobs) / len(logprobs)) if logprobs else 1.0


def _voted(tree: Tree, answer: Answer, weight: Weight) -> Node | None:
    leader = tally(tree, answer, weight).first
    return leader.speaker if leader else champion(tree)
