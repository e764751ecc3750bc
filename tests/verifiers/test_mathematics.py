"""The same mathematics in many spellings, and answers that mean to break the reader."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verifiers.chains import ending, scored

from system2.core import Node, Tree
from system2.search import majority, weighted
from system2.verifiers import canonical, mathematical, same, value
from system2.verifiers.mathematics import alike as compared
from system2.verifiers.mathematics import read
from system2.verifiers.number import LONGEST, plain
from system2.verifiers.worker import worker

PATIENT = 120.0  # seconds: the machine may be busy


def alike(a: str, b: str, seconds: float = PATIENT) -> bool | None:
    return asyncio.run(same(a, b, seconds=seconds))


# ------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *((text, Fraction(1, 2)) for text in ("1/2", "0.5", ".5", "0.50", "50%", "50 \\%", "½")),
        *((text, Fraction(1, 2)) for text in ("$\\frac12$", "\\dfrac{1}{2}", "\\(\\tfrac 1 2\\)")),
        *((text, Fraction(1, 2)) for text in ("\\boxed{\\frac{1}{2}}", "$$\\fbox{2/4}$$.", "−1/-2")),
        *((text, Fraction(7, 2)) for text in ("3 1/2", "3½", "3\\frac{1}{2}", "x = 3.5", "+3.5.")),
        *((text, Fraction(1234)) for text in ("1,234", "1{,}234", "1\\,234", "$1,234", "\\$1234.00")),
        *((text, Fraction(1500)) for text in ("1.5e3", "1.5 \\times 10^{3}", "1.5·10^3", "１５００", "١٥٠٠")),
        ("-0", Fraction(0)),
        ("**-7**", Fraction(-7)),
        ("-2\\frac{1}{4}", Fraction(-9, 4)),
        ("\\text{12}", Fraction(12)),
        ("1e999", Fraction(10) ** 999),
    ],
)  # fmt: skip
def test_numbers_are_read(text: str, number: Fraction) -> None:
    assert canonical(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "$", "$$", "1/0", "1.2.3", "1,2", "12,34", "1 100/2", "--1", "1e9999", "x", "1 2", "2²", "\x00", "５m", "\ud800", "0x10", "1_000", "nan", "inf", "9" * (LONGEST + 1), "{" * 99],
)  # fmt: skip
def test_what_is_no_plain_number_is_its_text(text: str) -> None:
    assert plain(text) is None
    assert canonical(text) == " ".join(text.split())


@given(st.text(max_size=60))
def test_any_text_has_a_canonical_form(text: str) -> None:
    found = canonical(text)
    assert hash(found) == hash(canonical(text))
    if isinstance(found, str):
        assert canonical(found) == found


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_a_fraction_is_the_same_in_every_dress(top: int, bottom: int) -> None:
    number = Fraction(top, bottom)
    for text in (f"{top}/{bottom}", f"\\frac{{{top}}}{{{bottom}}}", f"$\\boxed{{{top}/{bottom}}}$"):
        assert canonical(text) == number
    for text in (f"{top:,}", f"{top}.0", f"{top * 100}%", f"{top}e0", f" x = {top} "):
        assert canonical(text) == top


def test_votes_count_numbers_not_spellings() -> None:
    tree = Tree()
    for answer in ("3", "1/2", "3", "0.5", "$\\frac12$", None):
        tree.plant(tree.root, ending(answer), None, lambda node, step: None)
    assert [value(node) for node in tree.finals] == [3, Fraction(1, 2), 3, *[Fraction(1, 2)] * 2]
    assert value(Node(0, None, None)) is None
    plainly, merged = majority(tree), weighted(lambda node: 1.0, answer=value)(tree)
    assert plainly and merged
    assert (plainly.answer, merged.answer) == ("3", "1/2")


# ------------------------------------------------------------------ beyond numbers


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ("\\frac{\\sqrt2}{2}", "1/sqrt(2)", True),
        ("(x+1)^2", "x**2 + 2*x + 1", True),
        ("(x+1)^2", "x^2+1", False),
        ("2√2", "$\\sqrt{8}$", True),
        ("\\{3, 1, 2\\}", "1, 2, 3", True),
        ("(1, 2)", "(2, 1)", False),
        ("2*pi", "2\\pi", True),
        ("x ≥ 3", "x \\geq 3", True),
        ("5 meters", "5", True),
        ("x=5", "5", True),
        ("2", "\\sqrt{4}", True),
        ("1/0", "2/0", False),
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix} 1 & 2 \\\\ 3 & 4 \\end{bmatrix}", True),
        ("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}", False),
        ("\\operatorname{lcm}(2,3)", "6", True),
        ("abc/2", "\\frac{abc}{2}", True),
        ("xyz+1", "1+xyz", True),
        ("２x+１", "2x+1", True),
        ("sqrt((x+1)/2)", "\\sqrt{\\frac{x+1}{2}}", True),
        ("abs(x)", "|x|", True),
        ("asin(x)", "\\arcsin(x)", True),
        ("\\pi", "3.141593", False),
        ("\\pi", "3.141592653589793", False),
        ("\\{0.5x, 1\\}", "\\{1, \\frac{x}{2}\\}", True),
        ("\\frac{1}{3}x", "0.333333x", False),
        ("x^2", "X^2", False),
        ("R-r", "0", False),
        ("2t", "2", False),
        ("y=2x+1", "2x+1=y", True),
        ("x=\\pm 2", "\\{-2,2\\}", True),
        ("(0,1)", "0<x<1", True),
        ("25\\pi \\text{ cm}^2", "25\\pi", True),
        ("\\[" + "+".join(f"{n}x^{{{n}}}" for n in range(30)) + "\\]", "+".join(f"{n}x^{{{n}}}" for n in range(30)), True),
    ],
)  # fmt: skip
def test_expressions_are_compared(a: str, b: str, verdict: bool) -> None:
    assert alike(a, b) is verdict
    assert alike(b, a) is verdict


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ("no", "on", False),
        ("5 pots", "5 stop", False),
        ("A", "B", False),
        ("Paris", " Paris. ", True),
        ("五", "六", False),
        ("1/3", "0.3333", False),
        ("50%", "0.5", True),
        ("50%", "50", True),
        ("50", "0.5", False),
        ("50%", "5", False),
        ("", "", True),
        ("yes", "Yes", True),
        ("(A)", "A", True),
        ("a", "A", False),
        ("The answer is \\boxed{5}", "5", True),
        ("110_2", "110", False),
        ("x=5", "y=5", False),
        ("x＝５", "5", True),
        ("33\\frac13\\%", "1/3", True),
        ("1/2%", "0.005", True),
        ("0.1\\overline{6}", "1/6", True),
        ("1.5 x 10^3", "1500", True),
        ("10⁻³", "0.001", True),
    ],
)
def test_words_and_numbers_need_no_worker(a: str, b: str, verdict: bool) -> None:
    before = worker("algebra.py").starts
    assert alike(a, b, 1e-6) is verdict
    assert alike(b, a, 1e-6) is verdict
    assert worker("algebra.py").starts == before


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        *(("5 kg", "5 g", False), ("5 m", "5 s", False), ("\\$5", "5 cm", False), ("€5", "$5", False)),
        *(("50\\text{ m}", "50\\%", False), ("5 meters", "5.0 meter", True), ("1/2 hour", "0.5", True)),
        *(("12 dollars", "$12", True), ("5 people", "5", True), ("5 cm^2", "5", True), ("5元", "5", True)),
        *(("100 km/h", "100", True), ("90°", "90", True), ("90^\\circ", "90 degrees", True)),
        *(("5 m/s", "5 meters per second", True), ("5 m^2", "5 square meters", True)),
        *(("5 million", "5", False), ("3 fifths", "3", False), ("3万", "3", False), ("5 x", "5", False)),
        *(("2xy", "2", False), ("5 mW", "5 MW", False), ("5 or more", "5", False)),
    ],
)  # fmt: skip
def test_units_differ_or_are_left_out(a: str, b: str, verdict: bool) -> None:
    assert alike(a, b) is verdict
    assert alike(b, a) is verdict


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        *(("(2,1)", "\\{1,2\\}", False), ("(1,2)", "\\{1,2\\}", False), ("(2,1)", "1,2", False)),
        *(("(1,2)", "1,2", True), ("1,1", "1", False), ("1,1,2", "1,2,2", False), ("[0,1)", "[0,1]", False)),
        *(("x=6,y=5", "(5,6)", False), ("x=5,y=6", "(5,6)", True), ("x=5,y=6", "6,5", False)),
        *(("x=5,y=6", "y=6, x=5", True), ("x=5,y=6", "x=6,y=5", False), ("x_1=2, x_2=1", "1,2", True)),
        *(("(1/3,1)", "(0.333333,1)", False), ("\\{0.0000001\\}", "\\{0.0000002\\}", False)),
        *(("（1，2）", "(1,2)", True), ("(-infinity,3)", "(-\\infty,3)", True), ("(-oo,3)", "(-∞,3)", True)),
        *(("x=1 or x=2", "2, 1", True), ("(1,2),(3,4)", "(3,4),(1,2)", True), ("5 cm, 6 cm", "5 m, 6 m", False)),
    ],
)  # fmt: skip
def test_lists_have_an_order_or_none(a: str, b: str, verdict: bool) -> None:
    before = worker("algebra.py").starts
    assert alike(a, b, 1e-6) is verdict
    assert alike(b, a, 1e-6) is verdict
    assert worker("algebra.py").starts == before


@given(st.text(max_size=40), st.text("(){}[],=x1 ./^_\\%", max_size=40))
def test_any_two_texts_are_read(a: str, b: str) -> None:
    for text in (a, b):
        assert compared(read(text), read(text), lambda one, other: None) is True


def test_what_is_read_is_read_fast() -> None:
    began = time.process_time()
    for text in (
        "(" * 9999,
        "[" * 4999 + "]" * 4999,
        "1," * 4999,
        "\\text{" * 1600,
        "a" * 9999,
        "1 abc " * 30,
        "sqrt(" * 1900,
        "sqrt(" * 900 + ")" * 900,
        "\\boxed{" * 1200 + "}" * 1200,
        "x=" * 4999,
        "^(" * 4999,
        "$" * 9999,
    ):
        compared(read(text), read("x+1"), lambda one, other: None)
    assert time.process_time() - began < 5.0


def test_it_scores_against_a_gold() -> None:
    verifier = mathematical("\\frac{1}{2}", seconds=PATIENT)
    answers = ["0.5", "$\\cos(\\pi/3)$", "1/3", "half of it", None, "0.5"]
    assert scored(verifier, *answers) == [1.0, 1.0, 0.0, 0.0, None, 1.0]


# ------------------------------------------------------------------ hostile


@pytest.mark.parametrize(
    "hostile",
    ["9^{9^{9^9}}", "(" * 3000 + "1" + ")" * 3000],
)
def test_hostile_expressions_cost_their_deadline_and_no_more(hostile: str) -> None:
    assert alike("x+1", "1+x") is True  # the child is up
    began = time.monotonic()
    assert not alike(hostile, "x^2+1", 0.5)
    assert time.monotonic() - began < 0.5 + 5.0  # a busy machine takes its time to kill
    child = worker("algebra.py").child
    assert child is None or child.poll() is None


def test_the_loop_runs_on_while_an_expression_is_hostile() -> None:
    async def main() -> int:
        turns = 0
        task = asyncio.create_task(same("9^{9^{9^9}}", "x+2", seconds=1.0))
        while not task.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert not task.result()
        return turns

    assert alike("x+1", "1+x") is True
    assert asyncio.run(main()) >= 10


@pytest.mark.parametrize(
    "odd", ["5" * 5_000_000, "a\x00b + 1", "\ud800 + 1", "\u202e1+1", "x" + "\u0301" * 5000 + "=1", "$" * 9999, "\\boxed{" * 30, "__import__('os').system('true')+1"]
)  # fmt: skip
def test_odd_answers_are_not_the_gold(odd: str) -> None:
    assert scored(mathematical("x+1", seconds=2.0), odd, "x + 1")[0] in (0.0, None)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf")])
def test_a_useless_deadline_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be above 0"):
        mathematical("1", seconds=seconds)


def test_without_the_extra_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("system2.verifiers.verdicts.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'system2\[math\]'"):
        mathematical("1")
    assert importlib.util.find_spec("math_verify")
