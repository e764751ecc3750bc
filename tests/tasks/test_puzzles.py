"""Puzzles: gold answers, traces whose every line is true, and checkers that stand up to abuse."""

from __future__ import annotations

import re
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tasks.evaluator import ABUSE, drawn, true_line

from system2.policies.local.tokenizer import PIECES
from system2.tasks.bases import bases
from system2.tasks.compare import compare
from system2.tasks.countdown import countdown, finished, game24
from system2.tasks.letters import letters, words
from system2.tasks.sorting import sorting
from system2.tasks.task import Task

TASKS = (bases, compare, countdown, game24, letters, sorting)
SEEDS = range(300)
EQUATION = re.compile(r"\d+(?:[-+*/]\d+)+=\d+(?: r \d+(?: [0-9a-f](?![0-9a-f]))?)?")


@pytest.fixture(params=TASKS, ids=lambda task: task.name)
def task(request: pytest.FixtureRequest) -> Task:
    """Each task in turn."""
    found: Task = request.param
    return found


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
        restated, padded, *steps = sorting.think(facts, "high", rng).split("<step>")
        left = list(facts.numbers)
        assert restated == ",".join(map(str, left)) + (" up" if facts.up else " down")
        width = max(len(str(number)) for number in left)
        assert padded == ",".join(str(number).zfill(width) for number in left)
        for step, number in zip(steps, ordered, strict=True):
            shown, rest = step.split(":")
            assert {len(text) for text in shown.split(",")} == {width}
            best = [int(text) for text in shown.split(",")]
            assert len(best) == len(left) and best[-1] == number
            for place, so_far in enumerate(best, 1):
                assert so_far == sorted(left[:place], reverse=not facts.up)[0]
            left.remove(number)
            assert rest == ",".join(str(number).zfill(width) for number in left)
        texts = [str(number) for number in ordered]
        for separator in (", ", ",", " "):
            assert sorting.check(facts, separator.join(texts))
        if len(set(ordered)) > 1:
            assert not sorting.check(facts, ", ".join(reversed(texts)))
        assert not sorting.check(facts, ", ".join(texts[1:]))
        assert not sorting.check(facts, ", ".join([*texts, texts[-1]]))
        assert not sorting.check(facts, ",,".join(texts))
