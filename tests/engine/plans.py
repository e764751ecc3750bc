"""Strategies to drive engines with: the real ones, and some that no sane person would write."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from system2.core import Expand, Node, Plan, Strategy, Tree, Weigh, apart
from system2.search import agreed, all_of, beam, best, best_of, enough, majority, mcts


def sheaf(n: int, until: str = "answer", **rules: object) -> Strategy:
    """One ask for `n` continuations."""

    def plan(tree: Tree) -> Plan:
        yield from all_of([Expand(tree.root, n=n, until=until, verify=True)])  # type: ignore

    return Strategy(plan, best, **rules)  # type: ignore


def wanderer(seed: int, turns: int = 12) -> Strategy:
    """Asks for anything: steps, answers, sheaves, nothing, weighings; waits for some of it."""

    def plan(tree: Tree) -> Plan:
        dice = Random(seed)
        flying = 0
        for _ in range(turns):
            open_ones = [node for node in tree.nodes if not node.final]
            asks: list[Expand | Weigh] = []
            for _ in range(dice.randint(0 if flying else 1, 3)):
                node = dice.choice(open_ones)
                if dice.random() < 0.2:
                    asks.append(Weigh(tuple(some(tree, dice))))
                else:
                    until = dice.choice(("step", "answer"))
                    also = tuple(some(tree, dice)) if dice.random() < 0.2 else ()
                    verify = dice.random() < 0.5
                    asks.append(Expand(node, dice.randint(0, 4), until, verify, also))  # type: ignore
            flying += len(asks)
            flying -= len((yield asks))

    return Strategy(plan, best, need=enough(8) if seed % 2 else lambda tree: None)


def some(tree: Tree, dice: Random) -> list[Node]:
    """A few nodes."""
    nodes = tree.nodes[1:]
    return dice.sample(nodes, min(2, len(nodes)))


strategies = st.one_of(
    st.builds(best_of, st.integers(1, 9)),
    st.builds(
        lambda n, k: best_of(n, choose=majority, need=agreed(k)),
        st.integers(1, 9),
        st.integers(1, 3),
    ),
    st.builds(sheaf, st.integers(1, 6)),
    st.builds(lambda n, k: sheaf(n, need=enough(k)), st.integers(1, 6), st.integers(1, 4)),
    st.builds(lambda n: sheaf(n, "step", key=apart), st.integers(1, 6)),
    st.builds(beam, st.integers(1, 3), st.integers(1, 3), st.just(5)),
    st.builds(lambda f, p: mcts(f, p, simulations=12), st.integers(1, 3), st.integers(1, 4)),
    st.builds(wanderer, st.integers(0, 10**6)),
)
