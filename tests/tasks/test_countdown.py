"""Countdown and 24: traces whose every move is legal and true, and a checker that stands up to abuse."""

from __future__ import annotations

import re
import sys
import time
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from tasks.evaluator import ABUSE, drawn, value

from system2.tasks.countdown import LONGEST, countdown, draw_four, finished, game24
from system2.tasks.moves import legal, random_path, solution, solvable
from system2.tasks.task import Task
from system2.verifiers import reaches

SEEDS = range(300)


@pytest.mark.parametrize("task", [countdown, game24], ids=lambda task: task.name)
@pytest.mark.parametrize("effort", ["low", "high"])
def test_countdown_traces(task: Task, effort: str) -> None:
    cut = 0
    for facts, rng in drawn(task):
        assert all(1 <= n <= 13 for n in facts.numbers)
        assert facts.target == 24 if task is game24 else 10 <= facts.target <= 60
        assert len(facts.numbers) in ((4,) if task is game24 else (3, 4))
        assert facts.path and reaches(task.answer(facts), facts.numbers, facts.target)
        assert not task.check(facts, f"{task.answer(facts)}+1")
        trace = task.think(facts, effort, rng)
        assert len(re.findall(r"<[a-z]+>|.", trace)) <= LONGEST
        follow(trace, facts)
        if finished(trace):
            assert trace.endswith("<step>" + task.answer(facts))
            assert trace.count(" no") <= (2 if effort == "low" else 24)
        else:
            cut += 1
    assert cut == 0 if effort == "low" else 5 < cut < 45


def follow(trace: str, facts: Any) -> None:
    """Every move legal in the state the trace is in, every list of results complete."""
    root = ",".join(map(str, facts.numbers))
    steps = re.split("(<step>|<back>)", trace)
    assert steps[0] == f"{root}:{facts.target}"
    if not finished(trace):
        steps = steps[:-2]  # cut within a step
    state, tried, seconds = root, set(), 0
    lines = list(zip(steps[1::2], steps[2::2], strict=True))
    for place, (mark, line) in enumerate(lines):
        if mark == "<back>":
            assert len(facts.numbers) == 4 and line == root and 2 <= seconds <= 6
            state, seconds = root, 0
            continue
        numbers = tuple(map(int, state.split(",")))
        head, shown = line.split(":")
        equation, *other = head.split(",")
        rest = shown if len(numbers) == 4 else f"{equation.partition('=')[2]},{other[0]}"
        move = next(
            m
            for m in legal(numbers)
            if f"{m.left}{m.sign}{m.right}={m.result}" == equation
            and ",".join(map(str, m.rest)) == rest
        )
        assert (state, rest) not in tried
        tried.add((state, rest))
        if len(numbers) == 4:
            assert not other
            state = rest
            continue
        seconds += 1
        assert len(numbers) == 3 and len(other) == 1
        made = [m.result for m in legal(move.rest)]
        hit = facts.target in made
        verdict = " yes" if hit else " no"
        assert shown == ",".join(map(str, made)) + f"|{facts.target}{verdict}"
        if hit:
            values = [value(text) for _, text in lines[place + 1 :]]
            assert len(values) == len(facts.numbers) - 1
            assert set(values) == {Fraction(facts.target)}
            assert len(facts.numbers) == 3 or seconds <= 6
            return
    assert not finished(trace)


def test_right_first_move_with_wrong_second() -> None:
    rng, found = Random(1), 0
    for _ in range(100):
        facts = draw_four(rng)
        trace = countdown.think(facts, "high", rng)
        first = f"{facts.path[0].left}{facts.path[0].sign}{facts.path[0].right}="
        after = trace.rpartition(f"<step>{first}")[2].partition(" yes")[0]
        found += finished(trace) and " no<step>" in after
    assert found > 30


def test_legal_moves() -> None:
    made = {(m.left, m.sign, m.right, m.result) for m in legal((3, 12))}
    assert made == {(3, "+", 12, 15), (12, "-", 3, 9), (3, "*", 12, 36), (12, "/", 3, 4)}
    assert {m.sign for m in legal((0, 7))} == {"+", "-", "*"}
    assert {m.sign for m in legal((50, 60))} == {"-"}
    assert [m.rest for m in legal((1, 2, 3)) if m.sign == "+"] == [(3, 3), (4, 2), (5, 1)]
    assert solvable((13, 8, 5), 57) and not solvable((1, 1, 1, 1), 60)


def test_solutions_vary() -> None:
    paths = {solution((13, 8, 5, 1), 57, Random(seed)) for seed in range(100)}
    assert len(paths) > 1
    assert all(path[-1].result == 57 for path in paths)


def test_control() -> None:
    rng = Random(0)
    problems = [draw_four(rng) for _ in range(1500)]
    solved = sum(random_path(f.numbers, f.target, rng) for f in problems for _ in range(10))
    # enumerating all walks of 1,500 problems gives 1.8 %
    assert 0.013 < solved / 15000 < 0.024


@pytest.mark.parametrize(
    "text",
    [
        "13*5-8",
        " 13 * 5 - 8 ",
        "(13*5)-8",
        "((13)*(5))-8",
        "13×5−8",
        "5*13-8=57",
        "5*13-8 = 57",
    ],
)
def test_reaches(text: str) -> None:
    assert reaches(text, (13, 8, 5), 57)


@pytest.mark.parametrize(
    "text",
    [
        *ABUSE,
        "57",
        "57=57",
        "13*5-8 or 57",
        "13*5-8=58",
        "13*5-8=",
        "=57",
        "13*5-8==57",
        "13*5-8=57=57",
        "57=13*5-8",
        "13*5",
        "13*5-8+0",
        "13*5-8+8-8",
        "13*5-8+13-13",
        "13*5--8",
        "13*5+-8",
        "-8+13*5",
        "+13*5-8",
        "-(8-13*5)",
        "13**5-8",
        "13* *5-8",
        "13//5-8",
        "1_3*5-8",
        "1 3*5-8",
        "013*5-8",
        "13.0*5-8",
        "１３*5-8",
        "13*٥-8",
        "13*5-8)",
        "(13*5-8",
        "13)*(5-8",
        "13*5)-(8",
        ")13*5-8(",
        "13(5)-8",
        "(13)(5)-8",
        "()13*5-8",
        "13*5-8\n",
        "13\t*5-8",
        "13*5-8#",
        "a=13*5-8",
        "13/(8-8)*5",
        "13/(5-5)",
        "13*5-8" + " " * 200,
        "(" * 10**5 + "13*5-8" + ")" * 10**5,
        "13*5-8" * 10**5 * 2,
        "13*x-8",
        "13*5-8;",
        "13*5,8",
        "13*(5-8",
        "13×5⁻8",
        "9" * 199,
    ],
    ids=lambda text: text[:20].encode("ascii", "backslashreplace").decode(),
)
def test_does_not_reach(text: str) -> None:
    assert not reaches(text, (13, 8, 5), 57)


def test_reaches_exactly() -> None:
    assert reaches("8/(3-8/3)", (8, 3, 8, 3), 24)
    assert not reaches("8/(8-8)", (8, 8, 8), 0)
    assert reaches("8*(8-8)", (8, 8, 8), 0)
    deep = "(" * 97 + "8" + ")" * 97
    limit = sys.getrecursionlimit()
    assert reaches(f"{deep}+1", (8, 1), 9) and sys.getrecursionlimit() == limit


def test_reaches_agrees_with_another_evaluator() -> None:
    rng, right = Random(7), 0
    start = time.process_time()
    for _ in range(20_000):
        numbers = [rng.randint(1, 13) for _ in range(rng.randint(2, 4))]
        text = scrambled(numbers, rng)
        found = value(text) if not re.search(r"[(+*/-] *[-+]|^ *[-+]|\*\*|//", text) else None
        target = int(found) if found is not None and rng.random() < 0.8 else rng.randint(0, 60)
        used = sorted(map(int, re.findall(r"\d+", text)))
        expected = used == sorted(numbers) and found is not None and found == target
        assert reaches(text, numbers, target) == expected, (text, numbers, target)
        right += expected
    assert right > 4000
    assert time.process_time() - start < 20


def scrambled(numbers: list[int], rng: Random) -> str:
    """A random expression of the numbers, at times damaged by a few random edits."""
    parts = [str(number) for number in rng.sample(numbers, len(numbers))]
    while len(parts) > 1:
        left, right = parts.pop(0), parts.pop(rng.randrange(len(parts)))
        joined = f"{left}{rng.choice(['', ' '])}{rng.choice('+-*/')}{right}"
        parts.append(f"({joined})" if rng.random() < 0.5 else joined)
    text = parts[0]
    for _ in range(rng.choice([0, 0, 1, 2])):
        at = rng.randrange(len(text) + 1)
        put = rng.choice(["", "+", "-", "*", "(", ")", " ", "1"])
        text = text[:at] + put + text[at + rng.randrange(2) :]
    return text
