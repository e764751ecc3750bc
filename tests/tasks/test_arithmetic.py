"""The arithmetic tasks: right answers, true traces, numbers inside the ranges, strict checkers."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tasks.arithmetic_traces import (
    piece_holds,
    trace_holds,
    worth,
)

from system2.tasks.addition import addition
from system2.tasks.chain import chain
from system2.tasks.division import division
from system2.tasks.linear import linear
from system2.tasks.multiplication import multiplication
from system2.tasks.subtraction import subtraction
from system2.tasks.task import Task, ranges
from system2.tasks.wording import dress, expression, slip
from system2.tasks.written import compared, is_fact, whole, work

TASKS = (addition, subtraction, multiplication, division, chain, linear)
SEEDS = range(300)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_answers_and_traces(task: Task) -> None:
    for seed in SEEDS:
        facts = task.draw(Random(seed))
        gold = task.answer(facts)
        assert task.check(facts, gold)
        head, _, rest = gold.partition(" ")
        for change in (-1, 1):
            assert not task.check(facts, f"{int(head) + change} {rest}".strip())
            if rest:
                assert not task.check(facts, f"{head} r {int(rest[2:]) + change}")
        for effort in ("low", "high"):
            trace = task.think(facts, effort, Random(seed))
            assert trace == task.think(facts, effort, Random(seed + 1))
            trace_holds(task, facts, trace)
        assert task.think(facts, "high", Random(0)).startswith(task.think(facts, "low", Random(0)))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_questions(task: Task, language: Any) -> None:
    chinese = 0
    for seed in SEEDS:
        facts = task.draw(Random(seed))
        question = task.ask(facts, language, Random(seed))
        assert question == task.ask(task.draw(Random(seed)), language, Random(seed))
        assert question.strip() and not re.search(r"\{[eabx]\}", question)
        chinese += bool(re.search("[一-鿿]", question))
        asked = sorted(re.findall(r"\d+", question.replace(",", "")))
        if task.name == "chain":
            assert asked == sorted(str(token) for token in facts if isinstance(token, int))
        elif task.name != "linear":
            for n in facts:
                assert str(n) in "".join(question.split(",")), question
    assert chinese > 150 if language == "zh" else not chinese


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_bare_expressions_are_common(task: Task) -> None:
    questions = [task.ask(task.draw(Random(seed)), "en", Random(seed)) for seed in range(1000)]
    assert sum(not re.search("[A-Za-z]{2}", question) for question in questions) > 70


def test_facts_are_inside_the_ranges() -> None:
    table = ranges()
    for seed in range(1000):
        rng = Random(seed)
        for task in (addition, subtraction, multiplication):
            low, high = table[task.name]["digits"]
            assert all(low <= len(str(n)) <= high for n in task.draw(rng))
        a, b = division.draw(rng)
        low, high = table["division"]["dividend_digits"]
        assert low <= len(str(a)) <= high
        assert table["division"]["divisor"][0] <= b <= table["division"]["divisor"][1]
        tokens = chain.draw(rng)
        numbers = [token for token in tokens if isinstance(token, int)]
        assert table["chain"]["operands"][0] <= len(numbers) <= table["chain"]["operands"][1]
        assert all(1 <= n <= 50 for n in numbers)
        assert not re.search(r"\([^)]*\(", "".join(map(str, tokens)))
        results = re.findall(r":(-?\d+)", chain.think(tokens, "low", rng))
        assert results and all(-999 <= int(n) <= 999 for n in results)
        facts = linear.draw(rng)
        assert all(2 <= n <= 12 for n in (facts.a, *([facts.c] if facts.form[-1] == "d" else [])))
        assert all(-50 <= n <= 50 for n in (facts.b, facts.d)) and -20 <= facts.solution <= 50
        assert facts.form in table["linear"]["forms"]


ATTACKS = (
    "", " ", "1e3", "0x10", "２９", "29\n30", "29 or 30", "9**9**9", "9" * 10**6, " " * 10**6,
    "29.0", "--29", "+-29", "29 30", "2,9", "02,9", "1,0000", "٢٩", "29\n", "\t29", "０", "0b1",
    "1_0", "029", "- 29", "29;", "29=29", "inf", "nan", "None", "𝟐𝟗", "²", "y=29", "x==29",
    "x=", "22 r", "r 2", "22 r 2 r 2", "22 r 2\n", "22 r -2", "22 r ２", "22 or 22 r 2",
    "22 remainder", "22 r 02", "22 re 2", "22 rr 2", "22余", "__import__('os')", "\ud800",
    "\x00",
)  # fmt: skip


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("text", ATTACKS, ids=range(len(ATTACKS)))
def test_attacks_are_refused(task: Task, text: str) -> None:
    for seed in range(20):
        assert not task.check(task.draw(Random(seed)), text)


def test_accepted_spellings() -> None:
    assert all(addition.check((900, 334), text) for text in ("1234", " 1,234 ", "+1234"))
    assert all(subtraction.check((0, 29), text) for text in ("-29", "−29"))
    wrong = ("29\n", "29.", "2 9", "２９", "x=29", "29 r 0", "029", "29=29", "29 or 30", "29\n30")
    assert not any(addition.check((20, 9), text) for text in wrong)
    good = ("22 r 2", "22 remainder 2", "22余2", "22r2", " 22 r 2 ")
    assert all(division.check((1234, 56), text) for text in good)
    wrong = ("22", "22 r 0", "22 2", "22 r 58", "21 r 58", "22 r 02", "22 r ２", "22 r 2\n")
    assert not any(division.check((1234, 56), text) for text in wrong)
    assert all(division.check((1232, 56), text) for text in ("22", "22 r 0", "22余0"))
    facts = linear.draw(Random(1))
    gold, other = linear.answer(facts), "b" if facts.letter == "a" else "a"
    assert all(linear.check(facts, f"{facts.letter}{sign}{gold}") for sign in ("=", " = "))
    wrong = (f"{other}={gold}", f"{gold}={facts.letter}", f"={gold}", f"{facts.letter}{gold}")
    assert not any(linear.check(facts, text) for text in wrong)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=50), st.integers(0, 1000))
def test_checkers_never_raise(text: str, seed: int) -> None:
    for task in TASKS:
        facts = task.draw(Random(seed))
        if task.check(facts, text):
            assert re.search(r"\d", text)


@given(st.integers())
def test_whole_reads_what_python_writes(n: int) -> None:
    for text in (str(n), f"{n:,}"):
        assert whole(text) == (n if len(text) <= 40 else None)


@settings(max_examples=1000, deadline=None)
@given(st.integers(-1200, 1200), st.sampled_from("+-*"), st.integers(-110, 110))
def test_work_is_true(a: int, op: str, b: int) -> None:
    text = work(a, op, b)
    found = piece_holds(text)
    assert found == worth(f"({a}){op}({b})")
    assert re.search(rf"(so |=){found}$", text)
    assert is_fact(a, op, b) == (":" not in text)


@settings(max_examples=500, deadline=None)
@given(st.integers(-150, 150), st.integers(1, 16))
def test_exact_divisions_are_true(quotient: int, divisor: int) -> None:
    text = work(quotient * divisor, "/", divisor)
    assert piece_holds(text) == quotient and text.endswith(f"so {quotient}")


def test_the_forms_of_the_document() -> None:
    assert work(347, "+", 86) == "347+86:7+6+0=13,4+8+1=13,3+0+1=4 so 433"
    assert work(347, "-", 86) == "347-86:7-6-0=1,4-8-0+10=6,3-0-1=2 so 261"
    assert work(347, "*", 6) == "347*6:7*6+0=42,4*6+4=28,3*6+2=20 so 2082"
    assert work(145, "/", 5) == "145/5:14/5=2 r 4,45/5=9 r 0 so 29"
    assert work(-345, "+", 78).startswith("-345+78=78-345=-(345-78):5-8-0+10=7,")
    assert work(-345, "+", 78).endswith(" so 267 so -267")
    assert work(45, "*", 21).startswith("45*21:45*20=900,45*1=45 so 900+45:0+5+0=5,")
    assert work(45, "*", 7) == "45*7=315" and work(5, "-", 12) == "5-12=-(12-5)=-7"
    assert work(2, "*", -24) == "2*(-24)=-(2*24)=-48"
    assert work(-24, "*", 2) == "-24*2=-(24*2)=-48" and work(-3, "*", -4) == "-3*(-4)=3*4=12"
    assert work(36, "+", -12) == "36+(-12)=36-12=24" and work(5, "-", -12) == "5-(-12)=5+12=17"
    assert work(-33, "+", 17) == "-33+17=17-33=-(33-17)=-16"
    assert work(-33, "-", 17) == "-33-17=-(33+17)=-50"
    assert work(-33, "*", 0) == "-33*0=0" and work(-33, "+", 0) == "-33+0=-33"
    assert compared("9.11", "9.80") == "99=,18<" and compared("86", "86") == "88=,66="
    columns = "347-86:7-6-0=1,4-8-0+10=6,3-0-1=2 so 261"
    taken = subtraction.think((86, 347), "low", Random(0))
    assert taken == f"86-347<step>086|347:03< so -(347-86)<step>{columns} so -261"
    taken = subtraction.think((347, 86), "low", Random(0))
    assert taken == f"347-86<step>347|086:30> so 347-86<step>{columns}"
    assert subtraction.think((86, 86), "low", Random(0)) == "86-86<step>86|86:88=,66= so 0"
    rows = division.think((34 * 409 + 17, 34), "low", Random(0)).split("<step>")[2:]
    assert rows == [
        "139:4 136,5 170> left 139-136=3",
        "32:0,1 34> left 32",
        "323:9 306 left 323-306=17",
    ]


def test_false_traces_are_noticed() -> None:
    """The checker of this file must fail on a wrong digit or sign anywhere in a trace."""
    unnoticed = []
    for seed in range(60):
        for task in TASKS:
            facts = task.draw(Random(seed))
            trace = task.think(facts, "high", Random(seed))
            places = [m.start() for m in re.finditer(r"[\d-]|(?<=\d)[<>](?!/?[a-z])", trace)]
            at = Random(seed).choice(places)
            other = {"<": ">", ">": "<", "-": "+"}.get(trace[at]) or str((int(trace[at]) + 1) % 10)
            wrong = trace[:at] + other + trace[at + 1 :]
            try:
                trace_holds(task, facts, wrong)
            except (AssertionError, AttributeError, ValueError, SyntaxError, ZeroDivisionError):
                continue
            unnoticed.append((trace, wrong))
    assert not unnoticed


def test_slips_leave_slots_alone() -> None:
    template = "what is {a} times {b} when 'straw' is 1234"
    for seed in SEEDS:
        slipped = slip(template, Random(seed))
        assert all(part in slipped for part in ("{a}", "{b}", "'straw'", "1234")) and slipped != ""


def test_spelling_keeps_the_expression() -> None:
    for seed in SEEDS:
        for language in ("en", "zh"):
            typed = expression("(13-5)*4+1207", language, Random(seed))  # type: ignore[arg-type]
            table = str.maketrans("xX×·−–－＋（）", "****---+()", " ,")
            assert typed.translate(table) == "(13-5)*4+1207"
            assert "1207" in dress(f"what is {typed}", "en", Random(seed)).replace(",", "")
