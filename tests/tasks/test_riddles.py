"""Knights, grid and sequences: one right answer, in range, repeatable."""

from __future__ import annotations

import re
from itertools import product
from random import Random

import pytest

from system2.tasks.grid import grid
from system2.tasks.knights import knights
from system2.tasks.sequences import sequences
from system2.tasks.task import Task, phrasings

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
            names, *steps = knights.think(facts, effort, Random(seed)).split("<step>")
            said, tested = steps[: len(facts.statements)], steps[len(facts.statements) :]
            assert names == ",".join(f"{n} {name.lower()}" for n, name in enumerate(facts.names, 1))
            claims = [step.split(":")[1].split(">") for step in said]
            for step, (speaker, claim), statement in zip(
                said, claims, facts.statements, strict=True
            ):
                about = re.findall(r"\d", claim)
                named = [facts.names[int(digit) - 1].lower() for digit in (speaker, *about)]
                word = {"+": "knight", "-": "knave", "~": "same", "/": "different"}[statement.claim]
                assert step.startswith(f"{named[0]} on {' '.join(named[1:])} {word}:")
                assert (int(speaker) - 1, [int(d) - 1 for d in about]) == (
                    statement.speaker,
                    list(statement.about),
                )
                assert re.sub(r"\d", "", claim) == statement.claim
            orders = ["".join(kinds) for kinds in product("+-", repeat=count)]

            def fits(speaker: str, claim: str, kinds: str) -> bool:
                return _true(claim, kinds) == (kinds[int(speaker) - 1] == "+")

            right = [k for k in orders if all(fits(*claim, k) for claim in claims)]
            assert len(right) == 1
            assert [line.split(":")[0] for line in tested] == orders[: orders.index(right[0]) + 1]
            for line in tested:
                kinds, _, verdicts = line.partition(":")
                expected = []
                for speaker, claim in claims:
                    about = "".join(kinds[int(d) - 1] for d in re.findall(r"\d", claim))
                    truth = str(_true(claim, kinds)).lower()
                    fit = "ok" if fits(speaker, claim, kinds) else "no"
                    own = kinds[int(speaker) - 1]
                    expected.append(f"{speaker}{own}>{claim}:{about} {truth} {fit}")
                    if fit == "no":
                        break
                assert verdicts.split(",") == expected
            kind = {"+": "knight", "-": "knave"}
            gold = ", ".join(
                f"{name.lower()} {kind[k]}" for name, k in zip(facts.names, right[0], strict=True)
            )
            assert knights.answer(facts) == gold
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


@pytest.mark.parametrize("language", ["en", "zh"])
def test_knights_say_who_speaks(language: str) -> None:
    """No pronoun that could be anybody's; speaker and people spoken about are named or "i"."""
    for name, templates in phrasings(language)["knights"].items():
        if name in ("intro", "ask"):
            continue
        slots = "abc" if name in ("same", "different") else "ab"
        for text in templates:
            assert set(re.findall(r"\{(\w)\}", text)) == set(slots), text
            assert not re.search(r"\b(he|she|they|him|her|them)\b", text), text
            if name.startswith("self_"):
                assert "他" not in text, text
                own = re.search(r"\b(i|me|us|we)\b|我|自己|claims to be", text)
                assert own or text.count("{a}") == 2, text


def test_a_comma_parts_statements_only_without_another() -> None:
    for seed in SEEDS:
        facts = knights.draw(Random(seed))
        question = knights.ask(facts, "en", Random(seed)).lower()
        # "ann says ben lies, according to cal …" leaves open what cal said
        assert not re.search(", (according to|if you ask)", question), question


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
        restated = "".join(f"{a}>{b};" for a, b in examples) + f"{row}><step>"
        coloured = [(a.replace("0", ""), b.replace("0", "")) for a, b in examples]
        restated += ";".join(f"{a}>{b}" for a, b in coloured) + "<step>"
        end = f"<step>{gold}"
        if rule.startswith("gather"):
            end = f"<step>{row.replace('0', '')}|{'0' * row.count('0')}{end}"
        if rule == "longest":
            runs = [run[0] for run in re.finditer(r"([1-9])\1*", row)]
            end = f"<step>{','.join(runs)} so {sorted(runs, key=len)[-1]}{end}"
        assert len({len(text) for text in (row, *sum(examples, ()))}) == 1
        low = grid.think(facts, "low", Random(seed))
        assert low == f"{restated}{rule}{end}"
        high = grid.think(facts, "high", Random(seed))
        assert high.startswith(restated) and high.endswith(end)
        for tried in high.removeprefix(restated).removesuffix(end).split("<back>"):
            name, *checks = tried.split("<check>")
            for (before, after), check in zip(examples, checks, strict=False):
                result, verdict = check.split()
                assert result == _apply(name, before)
                assert verdict == ("ok" if result == after else "no")
            assert [c[-2:] for c in checks] == ["ok"] * (len(checks) - 1) + [checks[-1][-2:]]
            assert len(checks) == len(examples) or checks[-1].endswith("no")
        assert grid.check(facts, " ".join(gold)) and grid.check(facts, f"[{', '.join(gold)}]")
    assert len(names) == 9
