"""Sequences, knights, grid, facts and questions outside the table: true, in range, repeatable."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product
from random import Random

import pytest

from system2.tasks import facts as fact_lines
from system2.tasks import outside
from system2.tasks.grid import grid
from system2.tasks.knights import knights
from system2.tasks.sequences import KINDS, sequences
from system2.tasks.task import Task

SEEDS = range(300)
TASKS = (sequences, knights, grid)
ODD = (
    "", " ", "\n", "0", "-", "--1", "1e9", "9" * 5000, "٣", "²", "1\x00", "nan", "inf", "None",
    "__import__('os')", "knight", "a knight,", ", ,", "[" * 500, "=", "1,2,3", "{n}", "\ue000", "🙂",
)  # fmt: skip


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_gold_is_right_and_little_else(task: Task) -> None:
    for seed in SEEDS:
        facts, other = task.draw(Random(seed)), task.draw(Random(seed + 1000))
        gold = task.answer(facts)
        assert task.check(facts, gold) and task.check(facts, f" {gold} ")
        assert task.check(facts, task.answer(other)) == (task.answer(other) == gold)
        for odd in (*ODD, gold + "1", "1" + gold, gold + ", x knight", gold[:-1], gold * 2):
            assert not task.check(facts, odd) or odd.strip() == gold


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_repeatable_in_both_languages(task: Task) -> None:
    chinese = 0
    for seed in SEEDS:
        facts = task.draw(Random(seed))
        assert task.draw(Random(seed)) == facts
        for effort in ("low", "high"):
            trace = task.think(facts, effort, Random(seed))
            assert trace == task.think(facts, effort, Random(seed)) and trace == trace.lower()
        english = task.ask(facts, "en", Random(seed))
        assert english == task.ask(facts, "en", Random(seed))
        question = task.ask(facts, "zh", Random(seed))
        chinese += bool(re.search("[一-龥]", question))
        assert not re.search(r"\{[a-z]+\}|[\ue000-\ue002]", english + question)
    assert chinese >= 0.95 * len(SEEDS)


def equal(text: str) -> bool:
    """Is a chain of written arithmetic true? Every part with an equals sign is computed again."""
    pieces = re.split(r",|:| so ", text)
    for piece in pieces:
        values = {_value(form) for form in piece.split("=")}
        if len(values) > 1:
            return False
    head = _value(pieces[0].split("=")[0])
    return head == _value(pieces[-1].split("=")[-1])


def _value(form: str) -> Fraction:
    form = form.strip()
    negated = re.fullmatch(r"-\((.+)\)", form)
    if negated and re.search(r"\d[-+*/]", negated[1]):
        return -_value(negated[1])
    numbers = [Fraction(n.strip("()")) for n in re.findall(r"\(-\d+\)|(?<![\d)])-\d+|\d+", form)]
    signs = re.findall(r"(?<=[\d)])[-+*/]", form)
    total, rest = numbers[0], list(zip(signs, numbers[1:], strict=True))
    terms = [total]
    for sign, number in rest:
        if sign == "*":
            terms[-1] *= number
        elif sign == "/":
            terms[-1] /= number
        else:
            terms.append(number if sign == "+" else -number)
    return sum(terms, Fraction(0))


def _column(piece: str) -> bool:
    left, _, right = piece.partition("=")
    return _value(left) == int(right)


def test_sequences_are_certain_and_their_traces_true() -> None:
    kinds = set()
    for seed in SEEDS:
        facts = sequences.draw(Random(seed))
        kinds.add(facts.kind)
        assert 4 <= len(facts.terms) <= 7
        assert all(-999 <= term <= 999 for term in (*facts.terms, facts.following))
        assert _follows(facts.kind, [*facts.terms, facts.following])
        for other in KINDS:
            for guess in range(facts.following - 40, facts.following + 41):
                if guess != facts.following:
                    assert not _follows(other, [*facts.terms, guess])
        for effort in ("low", "high"):
            trace = sequences.think(facts, effort, Random(seed))
            first, *steps = re.split("<step>|<back>", trace)
            assert first == ",".join(map(str, facts.terms))
            for step in steps:
                body = re.sub(r"^(add|times|fib|square|grow|alt) | by \d+ ok$| ok$| no$", "", step)
                written = [w for w in _operations(body) if "=" in w]
                assert all(equal(w) for w in written), step
                if step.endswith(" no"):
                    assert not _follows(step.split()[0], [*facts.terms, facts.following])
                    assert effort == "high"
            assert steps[-1].endswith((f"={facts.following}", f" so {facts.following}"))
    assert kinds == set(KINDS)


def _operations(body: str) -> list[str]:
    """Evidence cut into whole operations: a written form goes from its colon to its last ` so `."""
    found: list[str] = []
    for piece in body.split(","):
        open_form = found and ":" in found[-1] and not re.search(r" so -?\d+$", found[-1])
        if open_form:
            found[-1] += "," + piece
        else:
            found.append(piece)
    return found


def _follows(kind: str, terms: list[int]) -> bool:
    steps = [b - a for a, b in zip(terms, terms[1:], strict=False)]
    growth = [b - a for a, b in zip(steps, steps[1:], strict=False)]
    if kind == "add":
        return len(set(steps)) == 1
    if kind == "times":
        if 0 in terms:
            return False
        return {Fraction(b, a) for a, b in zip(terms, terms[1:], strict=False)} in (
            [{Fraction(ratio)} for ratio in range(2, 6)]
        )
    if kind == "fib":
        return all(a + b == c for a, b, c in zip(terms, terms[1:], terms[2:], strict=False))
    if kind == "square":
        return any(terms == [(n + k) ** 2 for k in range(len(terms))] for n in range(32))
    if kind == "grow":
        return len(set(growth)) == 1 and 1 <= growth[0] <= 10 and 1 <= steps[0] <= 10
    return steps[0] != steps[1] and all(s == steps[n % 2] for n, s in enumerate(steps))


def _true(claim: str, kinds: str) -> bool:
    """`2-`, `1~3` or `1/2` under the kinds of all."""
    if claim[-1] in "+-":
        return kinds[int(claim[0]) - 1] == claim[-1]
    return (kinds[int(claim[0]) - 1] == kinds[int(claim[2]) - 1]) == (claim[1] == "~")


def test_knights_have_one_solution_and_true_verdicts() -> None:
    people = []
    for seed in SEEDS:
        facts = knights.draw(Random(seed))
        count = len(facts.names)
        people.append(count)
        assert len({name.lower() for name in facts.names}) == count
        assert count - 1 <= len(facts.statements) <= count
        for effort in ("low", "high"):
            trace, *checks = knights.think(facts, effort, Random(seed)).split("<check>")
            names, said, *tested = trace.split("<step>")
            assert names == ",".join(f"{n} {name.lower()}" for n, name in enumerate(facts.names, 1))
            claims = [part.split(">") for part in said.split(",")]
            orders = ["".join(kinds) for kinds in product("+-", repeat=count)]

            def fits(speaker: str, claim: str, kinds: str) -> bool:
                return _true(claim, kinds) == (kinds[int(speaker) - 1] == "+")

            right = [k for k in orders if all(fits(*claim, k) for claim in claims)]
            assert len(right) == 1
            assert [line.split(":")[0] for line in tested] == orders[: orders.index(right[0]) + 1]
            for line in tested:
                kinds, verdicts = line.split(":")
                expected = []
                for speaker, claim in claims:
                    expected.append(f"{speaker} {'ok' if fits(speaker, claim, kinds) else 'no'}")
                    if expected[-1].endswith("no"):
                        break
                assert verdicts.split(",") == expected
            kind = {"+": "knight", "-": "knave"}
            gold = ", ".join(
                f"{name.lower()} {kind[k]}" for name, k in zip(facts.names, right[0], strict=True)
            )
            assert knights.answer(facts) == gold
            assert len(checks) == (effort == "high")
            for check in checks:
                for piece, (speaker, claim) in zip(check[:-3].split(","), claims, strict=True):
                    own, rest = piece[:2], piece[3:]
                    assert own == speaker + right[0][int(speaker) - 1]
                    shown, about, truth = re.split("[: ]", rest)
                    mentioned = "".join(right[0][int(d) - 1] for d in re.findall(r"\d", claim))
                    assert (shown, about) == (claim, mentioned)
                    assert truth == str(_true(claim, right[0])).lower()
    assert 0.3 < people.count(2) / len(people) < 0.5


def test_knights_are_numbered_as_they_appear() -> None:
    for seed in SEEDS:
        facts = knights.draw(Random(seed))
        if min(map(len, facts.names)) < 3 or not all(name.isascii() for name in facts.names):
            continue
        for language in ("en", "zh"):
            question = knights.ask(facts, language, Random(seed)).lower()
            # whole words: there is a ruth in the truth
            found = [
                re.search(rf"(?<![a-z]){name.lower()}(?![a-z])", question) for name in facts.names
            ]
            places = [match.start() for match in found if match]
            assert len(places) == len(found) and places == sorted(places)


def test_knights_answers_in_other_words() -> None:
    facts = next(f for s in SEEDS if len((f := knights.draw(Random(s))).names) == 2)
    parts = knights.answer(facts).split(", ")
    assert knights.check(facts, " and ".join(reversed(parts)))
    assert knights.check(facts, knights.answer(facts).upper())
    assert knights.check(facts, ", ".join(part.replace(" kn", " is a kn") for part in parts))
    assert not knights.check(facts, parts[0])
    assert not knights.check(facts, ", ".join([parts[0], *parts]))


def _apply(rule: str, row: str) -> str:
    name, *numbers = rule.split()
    if name in ("right", "left"):
        n = int(numbers[0])
        return "0" * n + row[:-n] if name == "right" else row[n:] + "0" * n
    if name == "mirror":
        return row[::-1]
    if name == "paint":
        return row.replace(*numbers)
    if name == "swap":
        a, b = numbers
        return row.replace(a, "x").replace(b, a).replace("x", b)
    if name == "fill":
        found = re.fullmatch(r"(0*)([1-9])(0*)(\2)(0*)", row)
        return found[1] + found[2] * (len(found[3]) + 2) + found[5] if found else row
    if name == "gather":
        cells = row.replace("0", "")
        return cells.ljust(len(row), "0") if numbers == ["left"] else cells.rjust(len(row), "0")
    runs = list(re.finditer(r"([1-9])\1*", row))
    best = max(runs, key=lambda run: len(run[0]))
    return "0" * best.start() + best[0] + "0" * (len(row) - best.end())


def test_grids_are_visible_certain_and_their_traces_true() -> None:
    rules = ["mirror", "fill", "gather left", "gather right", "longest"]
    rules += [f"{side} {n}" for side in ("right", "left") for n in (1, 2, 3)]
    rules += [f"{a} {b} {c}" for a in ("paint", "swap") for b, c in product("123456789", repeat=2)]
    names = set()
    for seed in SEEDS:
        facts = grid.draw(Random(seed))
        names.add(facts.rule.name)
        examples = [("".join(map(str, a)), "".join(map(str, b))) for a, b in facts.examples]
        row, rule = "".join(map(str, facts.row)), str(facts.rule)
        assert 2 <= len(examples) <= 3
        assert all(6 <= len(text) <= 12 for text in (row, *sum(examples, ())))
        assert all(a != b == _apply(rule, a) for a, b in examples)
        gold = grid.answer(facts)
        assert gold == _apply(rule, row) != row
        for other in rules:
            if all(_apply(other, a) == b for a, b in examples):
                assert _apply(other, row) == gold
        if rule.startswith(("left", "right")):
            # nothing is pushed out
            pairs = [*examples, (row, gold)]
            assert all(a.replace("0", "") == b.replace("0", "") for a, b in pairs)
        low = grid.think(facts, "low", Random(seed))
        assert low == f"{rule}<step>{gold}"
        high = grid.think(facts, "high", Random(seed))
        assert high.endswith(f"<step>{gold}")
        for tried in high.removesuffix(f"<step>{gold}").split("<back>"):
            name, *checks = tried.split("<check>")
            for (before, after), check in zip(examples, checks, strict=False):
                result, verdict = check.split()
                assert result == _apply(name, before)
                assert verdict == ("ok" if result == after else "no")
            assert [c[-2:] for c in checks] == ["ok"] * (len(checks) - 1) + [checks[-1][-2:]]
            assert len(checks) == len(examples) or checks[-1].endswith("no")
        assert grid.check(facts, " ".join(gold)) and grid.check(facts, f"[{', '.join(gold)}]")
    assert len(names) == 9


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
        return learnt.split(" ") == list(given[6:-1])
    if given[:3] in ("up ", "dow"):
        numbers = list(map(int, re.findall(r"\d+", given)))
        first, _, left = learnt.partition(":")
        wanted = min(numbers) if given.startswith("up") else max(numbers)
        numbers.remove(wanted)
        return int(first) == wanted and left == ",".join(map(str, numbers))
    if "|" in given:
        return learnt[0] + learnt[2] == given[0] + given[2] and (learnt[1] == "<") == (
            given[0] < given[2]
        )
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
    return _value(given[:-1]) == int(learnt)


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
