"""Held-out problems by suite: drawn from seeds of their own, or read from the written sets. Knows no models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cache, partial
from importlib.resources import files
from random import Random
from typing import Any

from system2.policies.local import OUTSIDE
from system2.tasks import TASKS, Task
from system2.tasks.countdown import countdown, draw_four
from system2.tasks.multiplication import multiplication
from system2.tasks.task import Language
from system2.tasks.written import whole
from system2.verifiers import reaches

LANGUAGES: tuple[Language, Language] = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Item:
    """A question, and what is right. The model is given `question` alone.

    name     of its own, for seeds; task: its family
    facts    what a control may look at; None for the written sets
    outside  right is to refuse
    """

    name: str
    task: str
    language: str
    question: str
    right: Callable[[str], bool]
    facts: Any = None
    outside: bool = False


def _three_by_two(rng: Random) -> tuple[int, int]:
    return rng.randrange(100, 1000), rng.randrange(10, 100)


DRAWN: dict[str, Task] = TASKS | {
    "countdown4": replace(countdown, name="countdown4", draw=draw_four),
    "multiplication3x2": replace(multiplication, name="multiplication3x2", draw=_three_by_two),
}


def suites() -> list[str]:
    """The names that `suite` knows."""
    return [*DRAWN, "all", "free", "outside"]


def suite(name: str, limit: int, seed: int = 0) -> list[Item]:
    """At most `limit` problems of a suite, always the same for a seed; raises ValueError.

    "all" goes round all tasks; "free" and "outside" are written by people and have an end.
    """
    if limit < 1:
        raise ValueError(f"at least 1 problem is needed, {limit} was given")
    if name == "all":
        tasks = list(TASKS.values())
        return [drawn(tasks[n % len(tasks)], n // len(tasks), seed) for n in range(limit)]
    if name in ("free", "outside"):
        return written(name, limit, seed)
    if name not in DRAWN:
        raise ValueError(f"there is no task {name!r}; choose one of {', '.join(suites())}")
    return [drawn(DRAWN[name], n, seed) for n in range(limit)]


def drawn(task: Task, n: int, seed: int) -> Item:
    """Problem number `n` of a task; English and Chinese take turns."""
    name = f"eval {seed} {task.name} {n}"
    rng, language = Random(name), LANGUAGES[n % 2]
    facts = task.draw_held_out(rng)
    question = task.ask(facts, language, rng)
    return Item(name, task.name, language, question, partial(task.check, facts), facts)


def written(name: str, limit: int, seed: int) -> list[Item]:
    """A written set, whole and in its order, or `limit` of it at random."""
    lines = files("system2.tasks").joinpath("sets", f"{name}.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    places = sorted(Random(f"eval {seed} {name}").sample(range(len(rows)), min(limit, len(rows))))
    outside = name == "outside"
    return [
        Item(
            f"eval {seed} {name} {n}",
            name if outside else rows[n]["task"],
            rows[n]["language"],
            rows[n]["question"],
            refused if outside else partial(same, rows[n]["task"], rows[n]["answer"]),
            outside=outside,
        )
        for n in places
    ]


def refused(text: str) -> bool:
    """Does the embedded model say that the question is outside its range?"""
    return text == OUTSIDE


def same(task: str, gold: str, text: str) -> bool:
    """Does `text` say what the written gold answer says? As tolerant as the task's own check."""
    if len(text) > 200:
        return False
    if task in ("countdown", "game24"):
        return reaches(text, *_made(gold))
    if task == "sorting":
        listed = re.fullmatch(r"[0-9, ]+", text)
        return listed is not None and re.findall("[0-9]+", text) == re.findall("[0-9]+", gold)
    if task == "grid":
        return re.sub(r"[\s,\[\]]", "", text) == gold
    if task == "knights":
        return _parts(text) == _parts(gold)
    given = text.strip().lower()
    if task == "bases":
        return re.sub("^0[xbo]", "", given) == gold
    if task == "compare" and gold != "equal":
        return (value := _decimal(given)) is not None and value == _decimal(gold)
    number = whole(gold)
    return given == gold.lower() if number is None else whole(given) == number


@cache
def _made(gold: str) -> tuple[list[int], int]:
    """The numbers of an expression, and its value."""
    numbers = [int(number) for number in re.findall("[0-9]+", gold)]
    return numbers, next(n for n in range(100) if reaches(gold, numbers, n))


def _parts(text: str) -> list[str]:
    return sorted(" ".join(part.split()) for part in text.lower().split(","))


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else None
    except InvalidOperation:
        return None
