"""Lines of facts are true; questions outside the tasks are many and miss them."""

from __future__ import annotations

import re
from random import Random

import pytest
from tasks.columns import value

from system2.tasks import facts as fact_lines
from system2.tasks import outside

SEEDS = range(300)


def test_facts_are_true() -> None:
    given_forms = set()
    for seed in range(1500):
        pieces = fact_lines.line(Random(seed))
        assert pieces == fact_lines.line(Random(seed))
        assert [learnt for _, learnt in pieces] == [False, True] * (len(pieces) // 2)
        assert len("".join(text for text, _ in pieces)) <= 320
        for (given, _), (learnt, _) in zip(pieces[::2], pieces[1::2], strict=True):
            assert learnt[-1] == (";" if re.search("[,:]", learnt[:-1]) else ",")
            assert _fact(given, learnt[:-1]), (given, learnt)
            given_forms.add(re.sub(r"\d+|(?<=spell )\w+", "n", given))
    assert len(given_forms) >= 12


def _fact(given: str, learnt: str) -> bool:
    if given.startswith("spell "):
        return learnt.split(".") == list(given[6:-1])
    if given[:3] in ("up ", "dow"):
        numbers = list(map(int, re.findall(r"\d+", given)))
        best, _, left = learnt.partition(":")
        pick = min if given.startswith("up") else max
        wanted = [pick(numbers[: n + 1]) for n in range(len(numbers))]
        numbers.remove(wanted[-1])
        return best.split(",") == list(map(str, wanted)) and left == ",".join(map(str, numbers))
    if re.fullmatch(r"\d\d", given):
        return learnt == ("=" if given[0] == given[1] else "<" if given[0] < given[1] else ">")
    if ";" in given:
        table, head = given[:-1].split(";")
        divisor = int(table.partition(":")[0])
        digit = int(head) // divisor
        pick = f"{digit} {digit * divisor}" if digit else "0"
        pick += f",{digit + 1} {(digit + 1) * divisor}>" if digit < 9 else ""
        multiples = table.partition(":")[2]
        return _fact(f"{divisor}:", multiples) and learnt == pick and digit < 10
    if "|" in given:
        shown, target = given.split("|")
        return learnt == (" yes" if target in shown.split(",") else " no")
    if "," in given:
        a, b = map(int, given[:-1].split(","))
        high, low = max(a, b), min(a, b)
        wanted = [high + low, high - low] + [high * low] * (high * low <= 99)
        wanted += [high // low] * (high % low == 0)
        return learnt == ",".join(map(str, wanted)) and high + low <= 99
    if given.endswith(":"):
        return learnt == ",".join(f"{n} {n * int(given[:-1])}" for n in range(1, 10))
    if " r " in learnt:
        a, b = map(int, given[:-1].split("/"))
        quotient, rest = map(int, learnt.split(" r "))
        return quotient * b + rest == a and rest < b and a <= 255 and 2 <= b <= 16
    if re.fullmatch(r"[0-9a-f]+=", given) and not re.search(r"[-+*/]", given):
        return int(given[:-1], 10 if given[:-1].isdigit() else 16) == int(
            learnt, 16 if given[:-1].isdigit() else 10
        )
    if "=" in learnt or "(" in given or given.startswith("-"):
        *forms, result = learnt.split("=")
        assert forms and all(value(form) == int(result) for form in (given[:-1], *forms))
        sign, a, op, b = re.fullmatch(r"(-?)\(?(\d+)([-+*])(\d+)\)?", forms[-1]).groups()
        inside = value(f"{a}{op}{b}")
        return inside >= 0 and (sign == "-" or inside == int(result))
    return value(given[:-1]) == int(learnt) >= 0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_outside_is_diverse_and_filled(language: str) -> None:
    questions = [outside.question(language, Random(seed)) for seed in range(2000)]
    assert questions[:50] == [outside.question(language, Random(seed)) for seed in range(50)]
    assert len(set(questions)) >= 1800
    assert all(question.strip() for question in questions)
    assert not any(re.search(r"\{[a-z]+\}", question) for question in questions)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_near_misses_miss(language: str) -> None:
    for seed in range(500):
        for make in (*outside._MISSES, *outside._NOISES):
            text = make(language, Random(seed))
            assert text
            # a bare sum, difference or product inside the table would be a contradiction
            bare = re.fullmatch(r"\s*(\d+)\s*([-+*/×÷x−–])\s*(\d+)\s*[=?＝？]*", text)
            if bare:
                assert max(len(bare[1]), len(bare[3])) >= (7 if bare[2] in "+-−–" else 3)
