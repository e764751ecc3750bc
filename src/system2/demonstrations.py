"""Worked examples that a model reads before the question: earlier turns of the conversation. Asks nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from system2.core import Message

MOST = 1 << 20  # bytes of a file: every call pays for all of it
NAMED = 20  # broken lines an error names


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A question, the thoughts that lead to its answer, and the answer: one line of text.

    Raises ValueError where one is blank, not text, or the answer has more lines.
    """

    question: str
    thoughts: str
    answer: str

    def __post_init__(self) -> None:
        for name in ("question", "thoughts", "answer"):
            text: object = getattr(self, name)
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f'expected the text "{name}"')
            if any("\ud800" <= c <= "\udfff" for c in text):
                raise ValueError(f'"{name}" holds half a character')
        if len(self.answer.strip().splitlines()) > 1:
            raise ValueError('"answer" must be one line; what leads to it belongs in "thoughts"')

    def turns(self) -> tuple[Message, Message]:
        """The user's question, and the reply with its last line as the segmenter reads answers."""
        told = f"{self.thoughts.strip()}\n\nAnswer: {self.answer.strip()}"
        return Message("user", self.question), Message("assistant", told)

    def line(self) -> str:
        """A line of a file that `read` reads, without its end."""
        return json.dumps(asdict(self), ensure_ascii=False)


def read(path: Path) -> list[Demonstration]:
    """The examples of a JSON Lines file: objects of "question", "thoughts" and "answer".

    Raises OSError, and ValueError that names every broken line: an example less would go unseen.
    """
    with path.open("rb") as file:
        data = file.read(MOST + 1)
    if len(data) > MOST:
        raise ValueError(f"{path} has more than {MOST:,} bytes; every call would pay for them")
    found: list[Demonstration] = []
    faults: list[str] = []
    for number, line in enumerate(data.splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(parsed(line.decode("utf-8-sig")))
        except ValueError as error:
            faults.append(f"line {number}: {error}")
    if faults:
        more = f"; and {len(faults) - NAMED:,} more" if len(faults) > NAMED else ""
        raise ValueError(f"{path}: {'; '.join(faults[:NAMED])}{more}")
    if not found:
        raise ValueError(
            f"{path} holds no examples; every line is an object such as "
            '{"question": "What is 2 + 3 * 4?", "thoughts": "First 3 * 4 = 12.", "answer": "14"}'
        )
    return found


def parsed(line: str) -> Demonstration:
    """The example of a line. Raises ValueError."""
    try:
        given: Any = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"no JSON ({error})") from error
    if not isinstance(given, dict):
        raise ValueError('expected an object of "question", "thoughts" and "answer"')
    fields = cast(dict[str, Any], given)
    return Demonstration(*(fields.get(name, "") for name in ("question", "thoughts", "answer")))


def conversation(examples: Sequence[Demonstration]) -> tuple[Message, ...]:
    """All their turns, in their order: the last stands next to the question."""
    return tuple(turn for one in examples for turn in one.turns())
