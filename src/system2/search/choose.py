"""What to answer. Knows nothing about where to look, and is callable at any moment of a search.

Where no finished line of thought has an answer, every rule answers from the best-scored, else the
longest open one: None means that nothing was thought at all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import exp
from statistics import pstdev

from system2.core import Node, Tree
from system2.search.tally import Answer, Weight, champion, counted, one, tally, written


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


def relative(
    score: Callable[[Node], float], *, temperature: float = 0.5, answer: Answer = written
) -> Callable[[Tree], Node | None]:
    """The weighted vote where a score counts by how it stands among those of the same question.

    After CISC (Taubenfeld et al. 2025, arXiv 2502.06233, sec. 3.1), whose softmax within the question leaves
    the vote's order to the scale of the scores; here they are standardised first, so that one
    temperature suits any. Where all are alike it is the plain vote. Raises ValueError for a temperature that is
    not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"relative: temperature must be above 0, {temperature} was given")

    def choose(tree: Tree) -> Node | None:
        voters = [(node, name) for node in tree.finals if counted(name := answer(node))]
        scores = [score(node) for node, _ in voters]
        spread = pstdev(scores) if len(scores) > 1 else 0.0
        most = max(scores, default=0.0)
        support: dict[Hashable, float] = {}
        speaker: dict[Hashable, tuple[float, Node]] = {}
        for (node, name), given in zip(voters, scores, strict=True):
            weight = exp((given - most) / spread / temperature) if spread else 1.0
            support[name] = support.get(name, 0.0) + weight
            if name not in speaker or weight > speaker[name][0]:
                speaker[name] = weight, node
        leader = max(support, key=lambda name: support[name], default=None)
        return champion(tree) if leader is None else speaker[leader][1]

    return choose


def _voted(tree: Tree, answer: Answer, weight: Weight) -> Node | None:
    leader = tally(tree, answer, weight).first
    return leader.speaker if leader else champion(tree)
