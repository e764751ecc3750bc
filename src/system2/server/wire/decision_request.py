"""The body of POST /v1/decisions, checked: a text or conversation, and questions about it. Knows no model."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import Field, StrictBool, StrictStr, StringConstraints

from system2.server.errors import invalid
from system2.server.wire.chat_request import Body
from system2.verifiers.decision import Question

MOST = 200  # questions of one request
Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
Words = Annotated[str, StringConstraints(max_length=10_000)]
Name = Annotated[str, StringConstraints(max_length=512)]


class TextPart(Body):
    """A part of a question's instructions."""

    type: str
    text: str | None = None


class Predicate(Body):
    """How likely is it that the statement is true?"""

    type: Literal["predicate"]
    instructions: Text | list[TextPart]
    name: Name | None = None


class Option(Body):
    """One of several; a string and a boolean of the same text are two."""

    value: StrictStr | StrictBool
    description: Words | None = None


class Choice(Body):
    """Which of these?"""

    type: Literal["choice"]
    instructions: Text | list[TextPart]
    choices: Annotated[list[Option], Field(min_length=2, max_length=255)]
    name: Name | None = None


class Level(Body):
    """One level of a scale, the lowest first."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    description: Words | None = None


class Score(Body):
    """Which level of the scale?"""

    type: Literal["score"]
    instructions: Text | list[TextPart]
    levels: Annotated[list[Level], Field(min_length=2, max_length=10)]
    name: Name | None = None


Asked = Annotated[Predicate | Choice | Score, Field(discriminator="type")]


class DecisionRequest(Body):
    """Everything that is asked at once."""

    model: str
    input: str | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]
    questions: Annotated[list[Asked], Field(min_length=1, max_length=MOST)]


def conversation(given: str | list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The input as texts and who said them. Raises ApiError 400 for what is no text."""
    if isinstance(given, str):
        return [("text", given)]
    out: list[tuple[str, str]] = []
    for n, item in enumerate(given):
        place, kind = f"input[{n}]", str(item.get("type", "message"))
        if kind == "message":
            role = item.get("role")
            if role not in ("user", "assistant", "system", "developer"):
                raise invalid(f"Invalid value: {str(role)[:40]!r} is no role.", f"{place}.role")
            out.append((str(role), said(item.get("content"), f"{place}.content")))
        elif kind in ("function_call", "custom_tool_call"):
            arguments = item.get("arguments", item.get("input", ""))
            out.append(("call", f"{item.get('name', '')}({arguments})"))
        elif kind in ("function_call_output", "custom_tool_call_output"):
            out.append(("result", said(item.get("output"), f"{place}.output")))
        else:
            raise invalid(f"Unknown kind of item: {kind[:40]!r}.", f"{place}.type")
    return out


def said(content: object, place: str) -> str:
    """A content's text. Raises ApiError 400."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid(
            f"Invalid type for '{place}': expected a string or an array.", place, "invalid_type"
        )
    parts: list[str] = []
    for n, part in enumerate(cast(list[object], content)):
        table = cast(dict[str, Any], part) if isinstance(part, dict) else {}
        text = table.get("text", table.get("refusal"))
        if not isinstance(text, str):
            raise invalid(
                "Only parts that are text can be judged here.", f"{place}[{n}]", "unsupported_value"
            )
        parts.append(text)
    return "".join(parts)


def instructions(asked: Predicate | Choice | Score, place: str) -> str:
    """A question's own text. Raises ApiError 400."""
    if isinstance(asked.instructions, str):
        return asked.instructions
    return said([part.model_dump() for part in asked.instructions], f"{place}.instructions")


def question(asked: Predicate | Choice | Score, place: str) -> Question:
    """A question as a model is asked it. Raises ApiError 400."""
    text = instructions(asked, place)
    if isinstance(asked, Predicate):
        return Question(
            f"Is this statement true of the text?\n{text}", ("It is true.", "It is false.")
        )
    if isinstance(asked, Choice):
        values = [(type(one.value), one.value) for one in asked.choices]
        if len(set(values)) < len(values):
            raise invalid("Each choice must be unique.", f"{place}.choices")
        return Question(text, tuple(worded(str(o.value), o.description) for o in asked.choices))
    labels = [one.label for one in asked.levels]
    if len(set(labels)) < len(labels):
        raise invalid("Each level must have a label of its own.", f"{place}.levels")
    return Question(text, tuple(worded(one.label, one.description) for one in asked.levels))


def worded(name: str, description: str | None) -> str:
    """A possible answer, in one line."""
    told = f"{name}: {description}" if description else name
    return " ".join(told.split()) or "(empty)"


def answered(asked: Predicate | Choice | Score, chances: list[float] | None) -> dict[str, Any]:
    """The answer to one question; None: it was refused."""
    name = {"name": asked.name}
    if chances is None:
        return {"type": "refusal", **name}
    if isinstance(asked, Predicate):
        return {"type": "predicate", "probability": chances[0], **name}
    best = max(range(len(chances)), key=lambda n: (chances[n], -n))
    if isinstance(asked, Choice):
        told = [
            {"value": one.value, "probability": chance}
            for one, chance in zip(asked.choices, chances, strict=True)
        ]
        return {
            "type": "choice", "choice": asked.choices[best].value, "confidence": chances[best],
            "probabilities": told, **name,
        }  # fmt: skip
    levels = [
        {"label": one.label, "value": n, "probability": chance}
        for n, (one, chance) in enumerate(zip(asked.levels, chances, strict=True))
    ]
    score = sum(n * chance for n, chance in enumerate(chances))
    return {
        "type": "score", "score": score, "confidence": chances[best], "probabilities": levels, **name,
    }  # fmt: skip
