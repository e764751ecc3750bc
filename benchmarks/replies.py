"""What the server of server.py writes, pretended or recorded, and how it behaves. Knows nothing about HTTP."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

FILE = "last_letters_gpt35_40x250.jsonl.gz"
TOLD = re.compile(r"answer is[:\s]*[\"']?([A-Za-z]+)")
WORDS = ("so", "then", "we", "take", "both", "sides", "and", "see", "that", "this", "holds")
CHINESE = ("所以", "那么", "我们", "把", "两边", "一起", "乘", "可知", "这样", "成立", "了")


@dataclass(frozen=True)
class Manners:
    """How the server behaves. Shares are of the requests, drawn from `seed` and the request's number.

    rate       tokens a second in every stream; 0: as fast as it can. per_chunk: tokens a chunk
    truncate   replies that end early, as at a limit. fail: HTTP 500. hang: silence after the headers
    reset      connections that break in mid-reply; reset_after: once all of it was sent
    throttle   HTTP 429 that asks to come again at once
    garbage    replies that turn into what is no JSON; short: that end cleanly before they are finished
    stall      replies that stand still for `stalled` seconds in the middle
    loris      replies whose bytes come a few at a time
    lies       what the usage says instead of the number of completion tokens; 0: the truth
    length     tokens of a pretend reply, a third more or less; right: share of the right answer, 7
    chinese    they are in Chinese
    """

    seed: int = 0
    rate: float = 0.0
    per_chunk: int = 1
    truncate: float = 0.0
    fail: float = 0.0
    hang: float = 0.0
    reset: float = 0.0
    reset_after: float = 0.0
    throttle: float = 0.0
    garbage: float = 0.0
    short: float = 0.0
    stall: float = 0.0
    stalled: float = 30.0
    loris: float = 0.0
    lies: int = 0
    length: int = 60
    right: float = 0.6
    chinese: bool = False


@dataclass
class Replies:
    """What the server writes. asked: how often each question was, in this count."""

    kept: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    asked: Counter[str] = field(default_factory=Counter[str])

    def of(self, question: str, manners: Manners, dice: Random) -> list[str]:
        """The tokens of the next reply to a question."""
        found = next((texts for name, texts in self.kept.items() if name in question), None)
        if found is None:
            return pretended(manners, dice)
        order = list(range(len(found)))
        Random(f"{manners.seed} {question}").shuffle(order)
        self.asked[question] += 1
        return cut(found[order[(self.asked[question] - 1) % len(order)]])


def pretended(manners: Manners, dice: Random) -> list[str]:
    """A pretend chain of thought and its answer."""
    answer = "7" if dice.random() < manners.right else str(dice.randrange(10, 14))
    count = max(8, round(manners.length * dice.uniform(2 / 3, 4 / 3)))
    words = CHINESE if manners.chinese else [f" {word}" for word in WORDS]
    thoughts = [dice.choice(words) if n % 12 else "\n\n" for n in range(1, count - 4)]
    told = ("答案", "：", answer) if manners.chinese else ("Answer", ":", f" {answer}")
    return [*thoughts, "\n\n", *told]


def cut(text: str) -> list[str]:
    """A text as tokens: words and signs, each with the blanks before it."""
    return re.findall(r"\s*(?:\w+|[^\w\s])|\s+$", text)


def recorded(folder: Path) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Recorded replies by question, each with a line that says what it answers; and what is right."""
    replies: dict[str, list[str]] = {}
    rights: dict[str, str] = {}
    with gzip.open(folder / FILE, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            told = [(text, TOLD.findall(text)) for text in row["generated_answer"]]
            replies[row["question"]] = [
                f"{text}\n\nAnswer: {found[-1].lower() if found else 'none'}"
                for text, found in told
            ]
            rights[row["question"]] = row["answer"].lower()
    return replies, rights
