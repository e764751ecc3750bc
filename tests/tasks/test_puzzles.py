"""Puzzles: gold answers, traces whose every line is true, and checkers that stand up to abuse."""

from __future__ import annotations

import ast
import re
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from system2.policies.local.tokenizer import PIECES
from system2.tasks.bases import bases
from system2.tasks.compare import compare
from system2.tasks.countdown import LONGEST, countdown, draw_four, finished, game24
from system2.tasks.letters import letters, words
from system2.tasks.moves import legal, random_path, solution, solvable
from system2.tasks.sorting import sorting
from system2.tasks.task import Task
from system2.verifiers import reaches

TASKS = (bases, compare, countdown, game24, letters, sorting)
SEEDS = range(300)
EQUATION = re.compile(r"\d+(?:[-+*/]\d+)+=\d+(?: r \d+(?: [0-9a-f](?![0-9a-f]))?)?")
ABUSE = (
    "",
    " ",
    "=",
    "nan",
    "1e3",
    "٣",
    "１３",
    "1_3",
    "()",
    "(" * 10**5,
    "(" * 10**5 + "1" + ")" * 10**5,
    "9" * 10**6,
    "__import__('os')",
    "\x00",
    "\n",
    "-",
    "0x",
    ",",
    ".",
    "𝟙",
)
SIGNS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@pytest.fixture(params=TASKS, ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    """Each task in turn."""
    found: Task = request.param
    return found


def drawn(task: Task) -> Iterator[tuple[Any, Random]]:
    """Facts of 300 seeds, each with a generator to go on with."""
    for seed in SEEDS:
        rng = Random(f"{task.name} {seed}")
        yield task.draw(rng), rng


def value(text: str) -> Fraction | None:
    """An independent evaluator of + - * / over whole numbers, for the test only."""
    try:
        return _of(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, ValueError):
        return None


def _of(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    names = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
    if isinstance(node, ast.BinOp) and type(node.op) in names:
        left, right = _of(node.left), _of(node.right)
        return Fraction(SIGNS[names[type(node.op)]](left, right))
    raise ValueError(ast.dump(node))


def true_line(line: str) -> bool:
    """Is an equation or division with remainder true?"""
    if match := re.fullmatch(r"(\d+)/(\d+)=(\d+) r (\d+)( [0-9a-f])?", line):
        a, b, quotient, rest = map(int, match.groups()[:4])
        digit = match[5]
        return divmod(a, b) == (quotient, rest) and (not digit or int(digit, 16) == rest)
    left, _, right = line.partition("=")
    return value(left) is not None and value(left) == value(right)


def test_gold_answers_and_traces(task: Task) -> None:
    for facts, rng in drawn(task):
        gold = task.answer(facts)
        assert task.check(facts, gold)
        assert task.check(facts, f" {gold} ")
        for effort in ("low", "high"):
            trace = task.think(facts, effort, rng)
            assert trace.isascii() and "<think>" not in trace
            if task in (countdown, game24) and not finished(trace):
                trace = trace.rpartition("<")[0]  # cut within a step
            for line in EQUATION.findall(trace):
                assert true_line(line), (line, trace)


def test_questions(task: Task) -> None:
    for language in ("en", "zh"):
        seen = set()
        for seed in SEEDS:
            rng, again = Random(seed), Random(seed)
            text = task.ask(task.draw(rng), language, rng)
            assert text == task.ask(task.draw(again), language, again)
            assert not re.search(r"\{\w*\}", text), text
            seen.add(text)
        assert len(seen) > 280


def test_questions_show_their_facts() -> None:
    for language in ("en", "zh"):
        for seed in SEEDS:
            rng = Random(seed)
            facts = compare.draw(rng)
            text = compare.ask(facts, language, rng)
            numbers = re.findall(r"\d+(?:\.\d+)?", text, re.ASCII)
            assert numbers[:2] == [facts.first, facts.second], text
            for task in (countdown, sorting):
                facts = task.draw(rng)
                numbers = [int(n) for n in re.findall(r"\d+", task.ask(facts, language, rng))]
                count = len(facts.numbers)
                parts = [tuple(numbers[i : i + count]) for i in range(len(numbers))]
                assert facts.numbers in parts
            facts = letters.draw(rng)
            assert facts.word in letters.ask(facts, language, rng).lower()


def test_never_raises(task: Task) -> None:
    for facts, _ in list(drawn(task))[:10]:
        for text in ABUSE:
            assert not task.check(facts, text), text[:40]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.integers(0, 10**6))
def test_never_raises_on_any_text(text: str, seed: int) -> None:
    for task in TASKS:
        assert task.check(task.draw(Random(seed)), text) in (True, False)


def test_compare() -> None:
    equal = shorter_larger = shorter_smaller = 0
    for facts, rng in drawn(compare):
        first, second = Decimal(facts.first), Decimal(facts.second)
        for number in (facts.first, facts.second):
            whole, _, tail = number.partition(".")
            assert 0 <= int(whole) <= 999 and len(tail) <= 4
        pick = max if facts.larger else min
        gold = compare.answer(facts)
        trace = compare.think(facts, "low", rng)
        assert trace.endswith(f" so {gold}")
        assert trace.split("<step>")[0].startswith(f"{facts.first} {facts.second} ")
        padded = trace.split("<step>")[1].split("|")
        assert len(padded[0]) == len(padded[1])
        assert [Decimal(p) for p in padded] == [first, second]
        shown = trace.split("<step>")[2].removesuffix(f" so {gold}").split(",")
        digits = list(zip(*(p.replace(".", "") for p in padded), strict=True))
        for (x, y), pair in zip(digits, shown, strict=False):
            assert pair == x + y + ("=" if x == y else "<" if x < y else ">")
        assert all(pair[-1] == "=" for pair in shown[:-1])
        assert shown[-1][-1] != "=" or (first == second and len(shown) == len(digits))
        if first == second:
            equal += 1
            assert gold == "equal"
            assert all(compare.check(facts, word) for word in ("Equal", "相等", "一样大"))
            assert not compare.check(facts, facts.first)
            continue
        assert Decimal(gold) == pick(first, second)
        wrong = facts.second if gold == facts.first else facts.first
        assert not compare.check(facts, wrong) and not compare.check(facts, "equal")
        assert compare.check(facts, gold + ("0" if "." in gold else ".0"))
        assert not compare.check(facts, gold + "0" * 12 if "." in gold else gold + "." + "0" * 12)
        if int(first) == int(second) and len(facts.first) != len(facts.second):
            short, long = sorted((facts.first, facts.second), key=len)
            shorter_larger += Decimal(short) > Decimal(long)
            shorter_smaller += Decimal(short) < Decimal(long)
    assert 2 <= equal <= 30
    assert shorter_larger > 45 and shorter_smaller > 45


def test_letters() -> None:
    counts, repeats = [], 0
    for facts, rng in drawn(letters):
        repeats += bool(re.search(r"(.)(\1|.*\1.*\1)", facts.word))
        assert re.fullmatch(r"[a-z]{3,14}", facts.word) and re.fullmatch("[a-z]", facts.letter)
        count = sum(letter == facts.letter for letter in facts.word)
        counts.append(count)
        assert letters.answer(facts) == str(count)
        assert not letters.check(facts, str(count + 1)) and not letters.check(facts, f"0{count}")
        steps = letters.think(facts, "high", rng).split("<step>")
        assert steps[0] == ".".join(facts.word) + f",{facts.letter}"
        # every letter is a token of its own, whatever the vocabulary
        assert "".join(re.findall(PIECES, steps[0])[::2]) == facts.word + facts.letter
        assert all(len(piece) == 1 for piece in re.findall(PIECES, "\n".join(steps)))
        lines = re.findall(r"([a-z])([+-])(\d+)", steps[1])
        assert "".join(f"{a}{b}{c}" for a, b, c in lines) == steps[1]
        so_far = 0
        for letter, sign, shown in lines:
            assert (sign == "+") == (letter == facts.letter)
            so_far += sign == "+"
            assert int(shown) == so_far
        assert "".join(line[0] for line in lines) == facts.word and so_far == count
    assert all(counts.count(n) > 20 for n in (0, 1, 2))
    assert counts.count(3) > 5 and max(counts) >= 4 and repeats > 150


def test_words() -> None:
    assert len(words()) == len(set(words())) > 1400
    assert all(re.fullmatch("[a-z]{3,14}", word) for word in words())
    assert {"strawberry", "mississippi", "banana"} <= set(words())


def test_bases() -> None:
    formats = {2: "b", 8: "o", 10: "d", 16: "x"}
    for facts, rng in drawn(bases):
        assert 1 <= facts.value <= 255 and facts.source != facts.target
        assert {facts.source, facts.target} <= set(formats)
        gold = bases.answer(facts)
        assert gold == format(facts.value, formats[facts.target])
        trace = bases.think(facts, "low", rng)
        typed = format(facts.value, formats[facts.source])
        assert trace.startswith(f"{typed} {facts.source} to {facts.target}<step>")
        assert trace.endswith(f" so {gold}")
        assert bases.check(facts, gold.upper())
        assert not bases.check(facts, format(facts.value + 1, formats[facts.target]))
        for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)):
            assert bases.check(facts, prefix + gold) == (base == facts.target)
            if facts.target == 10:
                assert not bases.check(facts, format(facts.value, "#x"))


def test_sorting() -> None:
    for facts, rng in drawn(sorting):
        assert 3 <= len(facts.numbers) <= 8 and all(0 <= n <= 999 for n in facts.numbers)
        ordered = sorted(facts.numbers, reverse=not facts.up)
        restated, *steps = sorting.think(facts, "high", rng).split("<step>")
        left = list(facts.numbers)
        assert restated == ",".join(map(str, left)) + (" up" if facts.up else " down")
        for step, number in zip(steps, ordered, strict=True):
            shown, rest = step.split(":")
            best = [int(text) for text in shown.split(",")]
            assert len(best) == len(left) and best[-1] == number
            for place, so_far in enumerate(best, 1):
                assert so_far == sorted(left[:place], reverse=not facts.up)[0]
            left.remove(number)
            assert rest == ",".join(map(str, left))
        texts = [str(number) for number in ordered]
        for separator in (", ", ",", " "):
            assert sorting.check(facts, separator.join(texts))
        if len(set(ordered)) > 1:
            assert not sorting.check(facts, ", ".join(reversed(texts)))
        assert not sorting.check(facts, ", ".join(texts[1:]))
        assert not sorting.check(facts, ", ".join([*texts, texts[-1]]))
        assert not sorting.check(facts, ",,".join(texts))


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
