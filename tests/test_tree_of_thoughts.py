"""Tree of thoughts end to end: a scripted model proposes, values and votes; strategies prune; budgets hold."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import permutations
from typing import Any

import pytest
from engine.fakes import Late, arrived, drive, faults, settled, shape
from engine.test_budget import PRICE, budgets, within
from hypothesis import given, settings
from hypothesis import strategies as st
from policies.scripted import Script

from system2.core import (
    Asked,
    Budget,
    Called,
    Event,
    Expand,
    Meter,
    Plan,
    Problem,
    Replied,
    Request,
    Strategy,
    Tree,
    apart,
)
from system2.engine import Engine, Recall, regrow
from system2.policies.proposals import Proposals
from system2.search import (
    all_of,
    beam,
    best,
    depth_first,
    dvts,
    halving,
    mcts,
    particles,
    rebase,
    solved,
)
from system2.verifiers import Expressions, election, ladder, outlook, self_judge
from system2.verifiers.outlook import WORTH

GAME = Problem.of("Use 4, 6, 8 and 2 to make 24")
Numbers = tuple[tuple[str, Fraction], ...]
START: Numbers = tuple((text, Fraction(text)) for text in ("4", "6", "8", "2"))
MARKS: list[Callable[[int], str]] = [
    lambda n: f"{n}. ",
    lambda n: f"({n}) ",
    lambda n: "- ",
    lambda n: f"第{n}步：",
]


@cache
def moves(numbers: Numbers) -> list[tuple[str, Numbers]]:
    """Every (line, numbers left) that one operation on two of the numbers leads to."""
    found: list[tuple[str, Numbers]] = []
    for (a, x), (b, y) in permutations(numbers, 2):
        rest = tuple(one for one in numbers if one[0] not in (a, b))
        for sign, value in (
            *(("+", x + y), ("*", x * y)),
            *(("-", x - y), ("/", x / y if y else None)),
        ):
            if value is not None and (sign in "-/" or a < b):
                after: Numbers = ((f"({a} {sign} {b})", value), *rest)
                if len(after) == 1:
                    line = f"Answer: {after[0][0]}"
                else:
                    line = f"left: {', '.join(text for text, _ in after)}"
                found.append((line, after))
    return found


@cache
def reachable(numbers: Numbers) -> bool:
    """Can 24 still be made?"""
    if len(numbers) == 1:
        return numbers[0][1] == 24
    return any(reachable(after) for _, after in moves(numbers))


def left(chain: Any) -> Numbers:
    """The numbers that a line of thought leaves."""
    numbers = START
    for step in chain:
        numbers = dict(moves(numbers)).get(step.text.strip(), numbers)  # a cut step is no move
    return numbers


def player(seed: int, *, erring: float = 0.0) -> Callable[[Request], str]:
    """Proposes random moves, knows which can still win – or errs – and votes for one of these."""

    def speak(request: Request) -> str:
        told = [[step.text for step in chain] for chain in (request.chain, *request.also)]
        dice = random.Random(f"{seed} {told} {request.seeds}")
        if request.until == "reply":
            options = [line for line, _ in moves(left(request.chain))]
            dice.shuffle(options)
            mark = dice.choice(MARKS)
            lines = [mark(n) + line for n, line in enumerate(options, 1)]
            lines.insert(2, lines[0])  # it repeats itself
            return dice.choice(["", "Next steps:\n\n"]) + "\n".join(lines)
        if not request.also:
            return dice.choice(moves(left(request.chain)))[0]
        hopeful = [
            n
            for n, chain in enumerate(request.also, 1)
            if reachable(left(chain)) is not (dice.random() < erring)
        ]
        if len(request.also) > 1:
            return f"Answer: {hopeful[0] if hopeful else 1}"
        return "Answer: " + ("sure" if hopeful else "impossible")

    return speak


def play(
    strategy: Strategy, budget: Budget | None = None, verifier: Any = None, **options: Any
) -> tuple[Engine, Any, list[Event], Script]:
    script = Script(player(options.pop("player", 1), erring=options.pop("erring", 0.0)))
    for name in ("size", "fail", "breaks", "bills", "told"):
        if name in options:
            setattr(script, name, options.pop(name))
    engine = Engine(
        GAME, strategy, Late(Proposals(script)), Meter(budget or Budget()),
        verifier=verifier or ladder(Expressions(refutes=True), outlook(1, tokens=20)), **options,
    )  # fmt: skip
    end, events = drive(engine)
    assert settled(engine.meter)
    return engine, end, events, script


SEARCHES = {"beam": lambda: beam(3, 36, need=solved()), "depth_first": lambda: depth_first(36, 0.3)}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("seed", [None, 4])
def test_24_is_reached(name: str, seed: int | None) -> None:
    engine, end, events, script = play(SEARCHES[name](), seed=seed)
    assert not faults(events)
    assert (end.why, engine.tree.nodes[end.node].score) == ("enough", 1.0)
    assert sorted(re.findall(r"\d", end.answer)) == [*"2468"]
    proposed = [r for r in script.requests if r.until == "reply"]
    assert {r.n for r in script.requests} == {1}
    assert len(proposed) == sum(isinstance(e, Called) and e.role == "policy" for e in events)
    told = sum(usage.completion for usage in end.roles.values())
    assert told + engine.meter.usage.unseen >= script.sent >= told
    assert told == script.sent or seed is None  # else calls under way are broken off
    assert sum(usage.calls for usage in end.roles.values()) == len(script.requests)
    assert arrived(engine.tree) == end.usage.completion or seed is None


def test_what_the_model_gave_up_is_never_expanded() -> None:
    engine, _, _, script = play(SEARCHES["depth_first"](), seed=1)
    pruned = [n for n in engine.tree.nodes if n.score == WORTH["impossible"]]
    assert pruned and not any(node.children for node in pruned)
    grown = [tuple(step.text for step in r.chain) for r in script.requests if r.until == "reply"]
    assert not {tuple(s.text for s in node.chain()) for node in pruned} & {*grown}
    assert len(grown) == len({*grown})


def test_a_beam_expands_none_but_the_best() -> None:
    engine, _, _, _ = play(SEARCHES["beam"](), erring=0.3, seed=1)
    for depth in (1, 2):
        level = [n for n in engine.tree.nodes if n.depth == depth and not n.final]
        grown = [n for n in level if n.children]
        others = [n.score or 0.0 for n in level if not n.children]
        assert 0 < len(grown) <= 3
        assert min(n.score or 0.0 for n in grown) >= max(others)


def test_states_can_be_elected() -> None:
    verifier = ladder(Expressions(), election(3, tokens=20))
    _, end, events, script = play(beam(2, 9, need=solved()), verifier=verifier, seed=4)
    assert end.answer and end.why == "enough" and not faults(events)
    assert max(len(r.also) for r in script.requests) > 2


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_the_budget_holds(data: st.DataObject) -> None:
    """Whatever the limits, the failures and the length of the lists."""
    chances = st.sampled_from([0.0, 0.0, 0.2, 0.5])
    script = Script(
        player(data.draw(st.integers(0, 99)), erring=0.2),
        size=data.draw(st.integers(3, 40)),
        fail=data.draw(chances),
        breaks=data.draw(chances),
        deaf=data.draw(st.booleans()),
        bills=data.draw(st.booleans()),
    )
    meter = Meter(data.draw(budgets), PRICE)
    strategy = data.draw(
        st.sampled_from([beam(2, 4), beam(1, 7, key=apart), depth_first(5, 0.3), depth_first(3, 0)])
    )
    verifier = data.draw(
        st.sampled_from([None, outlook(2, tokens=4), ladder(election(2, tokens=5), self_judge())])
    )
    engine = Engine(
        GAME, strategy, Late(Proposals(script)), meter, verifier=verifier,
        seed=data.draw(st.sampled_from([None, 3])),
    )  # fmt: skip
    end, events = drive(engine)
    assert settled(meter) and within(meter)
    told = sum(usage.completion for usage in end.roles.values())
    assert told + meter.usage.unseen >= script.sent >= told
    replies = [event for event in events if isinstance(event, Replied) and event.role == "policy"]
    planted = sum(s.tokens for reply in replies for _, steps in reply.chains for s in steps)
    assert planted <= end.usage.completion
    assert planted == end.usage.completion or end.usage.aborted


def sheaf(n: int) -> Strategy:
    """One ask for n next steps, and then the same again."""

    def plan(tree: Tree) -> Plan:
        yield from all_of([Expand(tree.root, n)])
        yield from all_of([Expand(tree.root, n)])

    return Strategy(plan, best)


@pytest.mark.parametrize(
    "strategy",
    [
        *(dvts(2, 4), rebase(6), particles(6), halving(12, 4, 2), sheaf(40)),
        *(mcts(3, 2, simulations=12, until="step"), beam(40, 40, 2)),
    ],
)
def test_fewer_steps_than_were_asked_for_end_every_search(strategy: Strategy) -> None:
    _, end, events, script = play(strategy, player=2)
    assert end.why in ("complete", "enough") and not faults(events)
    assert sum(not request.also for request in script.requests) < 100


@pytest.mark.parametrize("reply", ["", "   \n\n", "1.\n2.\n"])
def test_a_model_that_proposes_nothing_ends_the_search(reply: str) -> None:
    for strategy in (beam(2, 3), depth_first(3), rebase(4), dvts(2, 2)):
        script = Script(lambda request: reply if request.until == "reply" else "")
        engine = Engine(GAME, strategy, Proposals(script), Meter(Budget()))
        end, _ = drive(engine)
        assert end.why in ("complete", "stuck", "failed") and len(script.requests) < 60


def test_the_tree_grows_back_and_goes_on() -> None:
    first, end, events, _ = play(SEARCHES["beam"](), seed=5, told=True)
    assert shape(regrow(SEARCHES["beam"](), events)) == shape(first.tree)
    again, ended, told, script = play(SEARCHES["beam"](), seed=5, recall=Recall(events))
    assert not script.requests and ended.answer == end.answer
    assert shape(again.tree) == shape(first.tree)
    assert sum(isinstance(event, Asked) for event in told) > 1


def test_who_is_granted_one_step_writes_it_the_usual_way() -> None:
    budget = Budget(tokens=15, per_call=15)
    _, end, _, script = play(beam(1, 4), budget, size=40)
    assert {r.until for r in script.requests} == {"step"}
    assert end.usage.completion <= 15
