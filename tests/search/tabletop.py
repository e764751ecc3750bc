"""Plays a plan by hand: no event loop, no model. Replies come in random order, one or more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from system2.core import Ask, Done, Expand, Node, Step, Strategy, Tree

Child = tuple[list[Step], float | None]
Writer = Callable[[Expand], list[Child] | None]
Watch = Callable[[Tree], None]


@dataclass(slots=True)
class Game:
    """How a search went."""

    tree: Tree
    why: str = ""
    calls: int = 0
    tokens: int = 0
    most: int = 0
    asked: list[Ask] = field(default_factory=list[Ask])


def play(
    strategy: Strategy,
    write: Writer,
    rng: Random,
    *,
    tokens: int = 10_000,
    calls: int = 10_000,
    watch: Watch | None = None,
    ordered: bool = False,
) -> Game:
    """Answer what the plan asks until it ends, the rule says stop, or the budget is gone.

    Follows the engine: whole chains wait for the stop rule and their wave, steps do not; a dead end
    is closed; what was paid for is planted before the end.
    """
    game = Game(Tree())
    tree = game.tree
    waiting: list[Ask] = []
    flying: list[Ask] = []
    plan = strategy.plan(tree)
    try:
        waiting += next(plan)
        game.asked += waiting
        while True:
            room = calls - game.calls if game.tokens < tokens else 0
            while waiting and room > len(flying) and _admitted(strategy, tree, waiting[0], flying):
                flying.append(waiting.pop(0))
            game.most = max(game.most, len(flying))
            if not flying:
                game.why = "budget" if waiting else "stuck"
                return game
            heap = 1 if ordered else rng.randint(1, len(flying))
            done: list[Done] = []
            for _ in range(heap):
                ask = flying.pop(0 if ordered else rng.randrange(len(flying)))
                done.append(_answer(game, strategy, write, ask))
            if watch:
                watch(tree)
            if strategy.need(tree) == 0:
                for ask in flying:
                    _answer(game, strategy, write, ask)
                game.why = "enough"
                return game
            new = plan.send(done)
            game.asked += new
            waiting += new
    except StopIteration:
        game.why = "complete"
        assert not flying and not waiting, "the plan left while replies were under way"
    return game


def _admitted(strategy: Strategy, tree: Tree, ask: Ask, flying: list[Ask]) -> bool:
    """Of whole chains at most `need` are in flight, and a wave is in before the next."""
    need = strategy.need(tree)
    if not isinstance(ask, Expand) or ask.until != "answer" or need is None:
        return True
    return sum(a.n for a in flying if isinstance(a, Expand)) + ask.n <= max(need, ask.n)


def _answer(game: Game, strategy: Strategy, write: Writer, ask: Ask) -> Done:
    assert isinstance(ask, Expand)
    assert ask.style.at is not None or not ask.node.final, "nobody continues a finished answer"
    assert ask.n >= 1
    game.calls += 1
    children = write(ask)
    if children is None:
        return Done(ask, [])
    ends: list[Node] = []
    new = False
    for chain, score in children:
        game.tokens += sum(step.tokens for step in chain)
        path = game.tree.plant(ask.place, chain, score if ask.verify else None, strategy.key)
        new = new or any(planted.new for planted in path)
        ends.append(path[-1].node)
    if not new and ask.place is ask.node:
        ask.node.closed = True
    return Done(ask, ends)


def writer(
    rng: Random,
    *,
    length: int = 4,
    base: int = 3,
    failing: float = 0.0,
    cutting: float = 0.0,
    unscored: float = 0.0,
    dumb: float = 0.0,
) -> Writer:
    """A world of digits, `length` steps to an answer, where each thing may go wrong at its rate."""

    def write(ask: Expand) -> list[Child] | None:
        if rng.random() < failing:
            return None
        return [_child(ask) for _ in range(ask.n)]

    def _child(ask: Expand) -> Child:
        whole = [step for step in ask.place.chain() if not step.cut]
        steps: list[Step] = []
        count = 1 if ask.until == "step" else length - len(whole)
        for _ in range(max(1, count)):
            text = str(rng.randrange(base))
            last = len(whole) + len(steps) + 1 >= length
            cut = rng.random() < cutting
            final = last and not cut and ask.until != "reply"
            answer = text if last and not cut and rng.random() >= dumb else None
            kind = "reply" if ask.until == "reply" else "thought"
            steps.append(Step(text, rng.randint(1, 3), kind, answer=answer, final=final, cut=cut))
            if cut:
                break
        return steps, None if rng.random() < unscored else rng.randrange(5) / 4

    return write
