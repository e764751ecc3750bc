"""Lessons: what the embedded model reads in training. Makes token sequences; knows nothing about tensors.

The mixture is a pure function of (seed, share of the training that is over), so a killed run
continues with the very lessons it would have seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from system2.policies.local.tokenizer import Tokenizer
from system2.tasks import TASKS, facts, outside
from system2.tasks.countdown import finished, taught
from system2.tasks.task import Language, Task

# Shares of the lessons by task; what earlier runs learnt worst gets more. The sum need not be 1.
WEIGHTS = {
    "addition": 0.04,
    "subtraction": 0.05,
    "multiplication": 0.10,
    "division": 0.10,
    "compare": 0.05,
    "chain": 0.08,
    "linear": 0.07,
    "letters": 0.06,
    "countdown": 0.14,
    "game24": 0.07,
    "bases": 0.06,
    "sorting": 0.08,
    "sequences": 0.07,
    "knights": 0.12,
    "grid": 0.11,
}
OUTSIDE = 0.2  # share of questions that are outside (their lessons are short)
DIRECT = 0.06  # share of questions asked without thinking
FACTS_FIRST, FACTS_LATER, FIRST = 0.75, 0.12, 0.15  # shares of facts, and how long the first lasts
SPELT = 0.06  # share of questions in which some known words come as bytes
READ = (
    0.5  # share of the knights' traces that end before the first test: the reading is what is hard
)
FIRST_TEST = re.compile("<step>(?=[+-])")

Piece = tuple[str, bool]  # text, and whether it is learnt
THINK: Piece = ("<think>", False)

Draw = Callable[[Task, Random], Any]


@dataclass(frozen=True, slots=True)
class Lesson:
    """Token ids, and for each whether the model must learn to produce it."""

    ids: list[int]
    learnt: list[bool]
    task: str


def lesson(
    tokenizer: Tokenizer, rng: Random, progress: float, draw: Draw = Task.draw_taught
) -> Lesson:
    """A random lesson for this point of the training, `progress` from 0 to 1."""
    share = FACTS_FIRST if progress < FIRST else FACTS_LATER
    if rng.random() < share:
        return fact_line(tokenizer, rng)
    language: Language = "en" if rng.random() < 0.5 else "zh"
    if rng.random() < OUTSIDE:
        return refusal(tokenizer, rng, language)
    name = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    dice = rng.random()
    effort = "none" if dice < DIRECT else "low" if dice < 0.5 else "high"
    return solved(tokenizer, rng, TASKS[name], language, effort, draw)


def solved(
    tokenizer: Tokenizer,
    rng: Random,
    task: Task,
    language: Language,
    effort: str,
    draw: Draw = Task.draw_taught,
) -> Lesson:
    """A question of a task, thought through at the effort ("none": answered at once)."""
    problem = draw(task, rng)
    question = read(tokenizer, rng, task.ask(problem, language, rng))
    if effort == "none":
        pieces = [(f"{task.answer(problem)}<eos>", True)]
        return completion(tokenizer, question, effort, pieces, task.name)
    trace = task.think(problem, effort, rng)
    # A search that ran out of room shows how to go on, but no end: there is none to learn.
    searching = task.name in ("countdown", "game24")
    end = f"</think>{task.answer(problem)}<eos>" if not searching or finished(trace) else ""
    if task.name == "knights" and rng.random() < READ:
        trace, end = FIRST_TEST.split(trace)[0], ""
    pieces = taught(trace) if searching else [(trace, True)]
    return completion(tokenizer, question, effort, [THINK, *pieces, (end, True)], task.name)


def refusal(tokenizer: Tokenizer, rng: Random, language: Language) -> Lesson:
    """A question outside the tasks, and the token that says so."""
    effort = rng.choice(["none", "low", "high", "high"])
    question = read(tokenizer, rng, outside.question(language, rng))
    told = ("<outside><eos>", True)
    pieces = [told] if effort == "none" else [THINK, ("</think>", True), told]
    return completion(tokenizer, question, effort, pieces, "outside")


def fact_line(tokenizer: Tokenizer, rng: Random) -> Lesson:
    """A line of atomic facts, learnt without any question around them."""
    ids, learnt = [tokenizer.special["<bos>"]], [False]
    for text, asked in facts.line(rng):
        piece = tokenizer.encode(text)
        ids += piece
        learnt += [asked] * len(piece)
    return Lesson(ids, learnt, "facts")


def read(tokenizer: Tokenizer, rng: Random, question: str) -> list[int]:
    """The question as tokens; now and then known words are spelt, as unknown ones always are."""
    if rng.random() < SPELT:
        return tokenizer.encode(question, lambda _: rng.random() < 0.3)
    return tokenizer.encode(question)


def completion(
    tokenizer: Tokenizer, question: list[int], effort: str, pieces: Sequence[Piece], task: str
) -> Lesson:
    """The frame of docs/traces.md: the question, the effort token, and what is written after it."""
    special = tokenizer.special
    ids = [special["<bos>"], *question, special[f"<{effort}>"]]
    learnt = [False] * len(ids)
    for text, asked in pieces:
        piece = tokenizer.encode_trace(text)
        ids += piece
        learnt += [asked] * len(piece)
    return Lesson(ids, learnt, task)
