"""What a problem family is: pure functions over drawn facts. Knows nothing about models, search or training."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any, Literal
from zlib import crc32

Language = Literal["en", "zh"]
Phrasings = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Task:
    """One problem family. `facts` is whatever `draw` returns; only the task itself looks inside.

    draw(rng)                  facts of a new problem, inside the range table
    ask(facts, language, rng)  the question as a person would type it (a random phrasing)
    think(facts, effort, rng)  the trace of docs/traces.md without `<think>` and `</think>`: effort "low" or "high"
    answer(facts)              the gold answer, in the form the model writes it
    check(facts, text)         is `text` a right answer? Never raises, never evaluates text as code
    identity(facts)            what makes two problems the same, however they are asked
    """

    name: str
    draw: Callable[[Random], Any]
    ask: Callable[[Any, Language, Random], str]
    think: Callable[[Any, str, Random], str]
    answer: Callable[[Any], str]
    check: Callable[[Any, str], bool]
    identity: Callable[[Any], str] = repr

    def draw_taught(self, rng: Random) -> Any:
        """Facts that training may show."""
        while held_out(self, facts := self.draw(rng)):
            pass
        return facts

    def draw_held_out(self, rng: Random) -> Any:
        """Facts that training never shows."""
        while not held_out(self, facts := self.draw(rng)):
            pass
        return facts


def held_out(task: Task, facts: Any) -> bool:
    """Is this problem kept for evaluation? One in eight is, by what it is and not by any seed."""
    return crc32(task.identity(facts).encode()) % 8 == 0


@cache
def ranges() -> Mapping[str, Mapping[str, Any]]:
    """The range table (ranges.toml): section → key → value."""
    return tomllib.loads(files("system2.tasks").joinpath("ranges.toml").read_text("utf-8"))


@cache
def phrasings(language: Language) -> Phrasings:
    """The templates of one language: section → list name → templates with {slots}."""
    path = files("system2.tasks").joinpath("phrasings", f"{language}.toml")
    return tomllib.loads(path.read_text("utf-8"))


def phrase(language: Language, section: str, kind: str, rng: Random, **slots: str) -> str:
    """A random template of the list, its slots filled."""
    templates: Sequence[str] = phrasings(language)[section][kind]
    text = rng.choice(templates)
    for name, value in slots.items():
        text = text.replace("{" + name + "}", value)
    return text


def digits(rng: Random, low: int, high: int) -> int:
    """A whole number whose count of digits is uniform in low…high (no leading zero; one digit: 0–9)."""
    n = rng.randint(low, high)
    return rng.randrange(10) if n == 1 else rng.randrange(10 ** (n - 1), 10**n)
