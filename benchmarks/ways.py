"""What the router may choose in the simulator, and how it learns there: shared by search.py and routing.py."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from simulator import LENGTH, RIGHT, View, World, Writer, worlds

from system2.core import Budget, Meter, Node, Problem, Strategy, Tree
from system2.engine import Engine
from system2.routing import STOP, Outcome, Routes, Signs, explore, learn, signs
from system2.search import beam, best_of, particles, routed, weighted

MOST = 64
"""Lines' worth that a way is tried with while learning."""
SMALL = 4
"""Particles of the pilot."""
TRAIN = 800
"""Questions to learn from, of seeds that no table uses."""


def scored(node: Node) -> float:
    """The verifier's score."""
    return node.score or 0.0


VOTE = weighted(scored)

WAYS: dict[str, Callable[[int], Strategy]] = {
    "lines": lambda n: best_of(n, choose=VOTE),
    "beam": lambda n: beam(max(1, n // 4), min(n, 4), choose=VOTE),
    "particles": lambda n: particles(n, choose=VOTE),
}


def pilot() -> Strategy:
    """What is done first with every question."""
    return particles(SMALL, choose=VOTE)


def learned(
    auc: float, seed: int, count: int = TRAIN, length: int = LENGTH, most: int = MOST
) -> Routes:
    """Routes from questions of seeds of their own."""
    crowd = worlds(count, auc, 10_000 + seed, length)
    return learn([explored(world, n, most) for n, world in enumerate(crowd)])


def explored(world: World, seed: int, most: int = MOST) -> Outcome:
    """A run to learn from: the pilot, then a way drawn at random."""
    way, size = explore(WAYS, most, random.Random(f"{seed} {world.name} way"))
    writer, seen = Writer(world), list[tuple[Signs, int]]()

    def pick(tree: Tree) -> Strategy | None:
        seen.append((signs(tree), writer.sent))
        return None if way == STOP else WAYS[way](size)

    engine = Engine(
        Problem.of(world.name), routed(pilot(), pick, choose=VOTE), writer, Meter(Budget()),
        verifier=View(world), seed=seed,
    )  # fmt: skip
    right = asyncio.run(engine.run()).answer == RIGHT
    return Outcome(seen[0][0], way, size, writer.sent - seen[0][1], right)
