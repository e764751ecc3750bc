"""Seeded searches whose every event is kept in a file beside this one. `make golden` writes them anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from system2.core import (
    Billed,
    Budget,
    Called,
    Chain,
    Event,
    Failed,
    Finished,
    Meter,
    Node,
    Piece,
    Problem,
    Replied,
    Strategy,
)
from system2.core.policy import Write
from system2.engine import Engine
from system2.policies.fake import Digits
from system2.search import (
    adaptive,
    aggregate,
    agreed,
    beam,
    best_of,
    cascade,
    depth_first,
    direct,
    dvts,
    enough,
    force,
    halving,
    majority,
    mcts,
    particles,
    rebase,
    select,
    single,
    weighted,
)
from system2.store import encode

HERE = Path(__file__).parent
CALLS = (Called, Failed, Billed, Replied)


class Ones:
    """Scores a chain by its share of ones: a verifier that never changes its mind."""

    async def score(
        self, problem: Problem, chains: Sequence[Chain], write: Write
    ) -> list[float | None]:
        texts = ["".join(step.text for step in chain) for chain in chains]
        return [text.count("1") / len(text) if text else None for text in texts]


def scored(node: Node) -> float:
    """What the verifier thinks of a line."""
    return node.score or 0.0


@dataclass(frozen=True)
class Case:
    """One run: a strategy, what the pretend policy does to it, and the budget."""

    strategy: Callable[[], Strategy]
    policy: Callable[[], Digits] = Digits
    budget: Budget = field(default_factory=Budget)


def wild() -> Digits:
    """Fails, breaks off, is cut, and repeats itself."""
    return Digits(base=3, fail=0.3, breaks=0.2, cut=0.2, repeat=0.5, after=0.0)


CASES = {
    "direct": Case(direct),
    "single": Case(single),
    "best_of": Case(lambda: best_of(6)),
    "majority": Case(
        lambda: best_of(9, choose=majority, need=agreed(2)), lambda: Digits(length=1, base=2)
    ),
    "weighted": Case(
        lambda: best_of(8, choose=weighted(scored)), lambda: Digits(length=2, base=2, repeat=0.3)
    ),
    "beam": Case(lambda: beam(2, 3), lambda: Digits(base=3)),
    "mcts": Case(lambda: mcts(8, 3, until="step"), lambda: Digits(length=3, base=3, repeat=0.3)),
    "wild_best_of": Case(lambda: best_of(6), wild),
    "wild_beam": Case(lambda: beam(2, 3), wild),
    "wild_mcts": Case(lambda: mcts(6, 3, until="step"), wild),
    "play_outs": Case(lambda: mcts(3, 3, simulations=20), lambda: Digits(base=3, repeat=0.3)),
    "halving": Case(lambda: halving(24, 4, 2), lambda: Digits(base=3, repeat=0.3)),
    "adaptive": Case(lambda: adaptive(16, 3), lambda: Digits(base=3, repeat=0.3)),
    "dvts": Case(lambda: dvts(3, 2), lambda: Digits(base=3)),
    "rebase": Case(lambda: rebase(6), lambda: Digits(base=3)),
    "particles": Case(lambda: particles(6), lambda: Digits(base=3)),
    "wild_particles": Case(lambda: particles(6), wild),
    "depth_first": Case(lambda: depth_first(2, 0.1, need=enough(6)), lambda: Digits(base=3)),
    "force": Case(lambda: force(3)),
    "aggregate": Case(lambda: aggregate(4, 2, 2)),
    "select": Case(lambda: select(4)),
    "cascade": Case(
        lambda: cascade(best_of(2), beam(2, 2), need=agreed(2)), lambda: Digits(length=2, base=2)
    ),
    "short_of_tokens": Case(lambda: best_of(6), budget=Budget(tokens=10, per_call=4)),
}


def lines(name: str) -> list[str]:
    """Every event of a case's run but pieces of text, without what the clock says.

    Calls of different asks overlap: what is told of them stands at the end, ask by ask.
    """
    case = CASES[name]
    events: list[Event] = []
    meter = Meter(case.budget)
    engine = Engine(
        Problem.of(name), case.strategy(), case.policy(), meter, verifier=Ones(), seed=1
    )
    engine.watchers.append(events.append)
    asyncio.run(engine.run())
    calls = sorted((e for e in events if isinstance(e, CALLS)), key=lambda event: event.ask)
    return [
        encode(replace(event, seconds=0.0) if isinstance(event, Finished) else event)
        for event in [*(e for e in events if not isinstance(e, (Piece, *CALLS))), *calls]
    ]


def rewrite() -> None:
    """Write the files anew: read the difference before you commit it."""
    for path in HERE.glob("*.jsonl"):
        path.unlink()
    for name in CASES:
        (HERE / f"{name}.jsonl").write_text("\n".join(lines(name)) + "\n", "utf-8")


if __name__ == "__main__":
    rewrite()
