"""Sequences: certain, their traces true."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from math import isqrt
from random import Random

from tasks.columns import equal

from system2.tasks.sequences import KINDS, sequences

SEEDS = range(300)


def test_sequences_are_certain_and_their_traces_true() -> None:
    kinds, tried = set(), 0
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
            assert len(re.findall(r"<[a-z]+>|.", trace)) < 420
            _follow_sequence(trace, facts.kind, facts.terms, facts.following)
            tried += trace.count(" no<back>")
            assert effort == "high" or "<back>" not in trace
    assert kinds == set(KINDS) and 20 < tried < 75


def _follow_sequence(trace: str, kind: str, terms: tuple[int, ...], following: int) -> None:
    """Restated, all differences, a kind named by the first of them, its evidence, the next term."""
    restated, shown, alone, *steps = re.split("<step>|<back>", trace)
    assert restated == ",".join(map(str, terms))
    differences = [b - a for a, b in pairwise(terms)]
    assert alone == ",".join(map(str, differences))
    for (a, b), written in zip(pairwise(terms), _operations(shown), strict=True):
        assert _asked(written) == f"{b}-{a}" and equal(written) and _result(written) == b - a
        if ":" not in written and max(abs(a), abs(b)) > 99:
            assert abs(b - a) < 100 <= min(abs(a), abs(b)) and a * b > 0
    if len(found := trace.split(" no<back>")) > 1:
        assert len(found) == 2
        wrong, evidence, *steps = steps
        assert wrong.split()[0] != kind and not _follows(wrong.split()[0], [*terms, following])
        fitting = _fitting(wrong, evidence.removesuffix(" no"), terms, differences)
        assert fitting == [True] * (len(fitting) - 1) + [False]
    named, *steps = steps
    assert named.split()[0] == kind
    if kind in ("times", "fib", "square"):
        evidence, *steps = steps
        assert evidence.endswith(" ok")
        fitting = _fitting(named, evidence.removesuffix(" ok"), terms, differences)
        assert all(fitting) and len(fitting) == len(terms) - ("square", "times", "fib").index(kind)
    else:
        _fitting(named, "", terms, differences)
    step = following - terms[-1]
    moved = f"{terms[-1]}-{-step}" if step < 0 else f"{terms[-1]}+{step}"
    asked = {
        "times": [f"{terms[-1]}*{named[6:]}"],
        "fib": [f"{terms[-2]}+{terms[-1]}"],
        "square": [f"{isqrt(abs(following))}*{isqrt(abs(following))}"],
        "grow": [f"{differences[-1]}+{named[5:]}", moved],
    }.get(kind, [moved])
    assert [_asked(written) for written in steps] == asked
    assert all(equal(written) for written in steps) and _result(steps[-1]) == following


def _fitting(
    named: str, evidence: str, terms: tuple[int, ...], differences: list[int]
) -> list[bool]:
    """Does each piece of true evidence go with the kind and its numbers, as the beginning has them?"""
    kind, *numbers = named.split()
    growth = [b - a for a, b in pairwise(differences)]
    parts = _operations(evidence) if evidence else []
    assert all(equal(part) for part in parts)
    results = [_result(part) for part in parts]
    if kind == "times":
        wanted = [int(numbers[0]), *terms[2:]]
        asked = [f"{terms[1]}/{terms[0]}", *(f"{term}*{numbers[0]}" for term in terms[1:])]
    elif kind == "fib":
        wanted = [*terms[2:]]
        asked = [f"{a}+{b}" for a, b in pairwise(terms)]
    elif kind == "square":
        wanted = [*terms]
        asked = [f"{isqrt(terms[0]) + n}*{isqrt(terms[0]) + n}" for n in range(len(terms))]
    elif kind == "grow":
        assert int(numbers[0]) == growth[0]
        wanted = [growth[0]] * len(growth)
        asked = [f"{b}-{a}" for a, b in pairwise(differences)]
    else:
        assert [int(n) for n in numbers] == differences[: 1 + (kind == "alt")]
        wanted = [differences[n % len(numbers)] for n in range(len(differences))]
        asked = [str(n) for n in differences]
    assert [_asked(part) for part in parts] == asked[: len(parts)]
    return [a == b for a, b in zip(results, wanted, strict=False)]


def _asked(written: str) -> str:
    """What an operation or a bare number begins with, without brackets around negative numbers."""
    return re.sub(r"\((-\d+)\)", r"\1", re.split("[=:]", written)[0])


def _result(written: str) -> int:
    return int(re.split(r"=| so ", written)[-1])


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
    steps = [b - a for a, b in pairwise(terms)]
    growth = [b - a for a, b in pairwise(steps)]
    if kind == "add":
        return len(set(steps)) == 1
    if kind == "times":
        if 0 in terms:
            return False
        return {Fraction(b, a) for a, b in pairwise(terms)} in (
            [{Fraction(ratio)} for ratio in range(2, 6)]
        )
    if kind == "fib":
        return all(a + b == c for a, b, c in zip(terms, terms[1:], terms[2:], strict=False))
    if kind == "square":
        return any(terms == [(n + k) ** 2 for k in range(len(terms))] for n in range(32))
    if kind == "grow":
        return len(set(growth)) == 1 and 1 <= growth[0] <= 10 and 1 <= steps[0] <= 10
    return steps[0] != steps[1] and all(s == steps[n % 2] for n, s in enumerate(steps))
