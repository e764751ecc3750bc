"""Several operations with brackets, one step each in the order of evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from system2.tasks.task import Language, Task, ranges
from system2.tasks.wording import ask_arithmetic
from system2.tasks.written import bracketed, value, whole, work

Tokens = tuple[int | str, ...]

_POOLS = (("chain", "expression"), ("shared", "expression"))


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation that is due, and the expression once it is done."""

    a: int
    op: str
    b: int
    rest: Tokens


def draw(rng: Random) -> Tokens:
    """The tokens of an expression whose every intermediate value is inside the range."""
    low, high = ranges()["chain"]["intermediate"]
    while True:
        tokens = _expression(rng)
        if all(low <= value(step.a, step.op, step.b) <= high for step in _operations(tokens)):
            return tokens


def _expression(rng: Random) -> Tokens:
    """Random numbers and operators, with up to two pairs of brackets that do not nest."""
    table = ranges()["chain"]
    count = rng.randint(*table["operands"])
    starts: set[int] = set()
    ends: set[int] = set()
    at = 0
    for _ in range(rng.choices((0, 1, 2), (30, 55, 15))[0]):
        pairs = [(i, j) for i in range(at, count - 1) for j in (i + 1, i + 2)]
        spans = [(i, j) for i, j in pairs if j < count and j - i < count - 1]
        if spans:
            start, end = rng.choice(spans)
            starts.add(start)
            ends.add(end)
            at = end + 1
    tokens: list[int | str] = []
    for i in range(count):
        tokens += [rng.choice(table["operations"])] if i else []
        tokens += ["("] if i in starts else []
        tokens.append(rng.randint(*table["numbers"]))
        tokens += [")"] if i in ends else []
    return tuple(tokens)


def _operations(tokens: Tokens) -> list[Operation]:
    """All operations in their order: brackets, then *, then + and -, each from the left."""
    done: list[Operation] = []
    while len(tokens) > 1:
        brackets = "(" in tokens
        start, end = (tokens.index("(") + 1, tokens.index(")")) if brackets else (0, len(tokens))
        at = next((i for i in range(start, end) if tokens[i] == "*"), start + 1)
        a, op, b = int(tokens[at - 1]), str(tokens[at]), int(tokens[at + 1])
        wide = 2 if brackets and end - start == 3 else 1  # the brackets go with their last sum
        tokens = (*tokens[: at - wide], value(a, op, b), *tokens[at + wide + 1 :])
        done.append(Operation(a, op, b, tokens))
    return done


def _written(tokens: Tokens) -> str:
    """The expression as text; a negative number stands in brackets unless it comes first."""
    parts: list[str] = []
    for i, token in enumerate(tokens):
        opens = i == 0 or tokens[i - 1] == "("
        inner = isinstance(token, int) and not opens
        parts.append(bracketed(int(token)) if inner else str(token))
    return "".join(parts)


def ask(facts: Tokens, language: Language, rng: Random) -> str:
    """The question around the expression."""
    return ask_arithmetic(_POOLS, _written(facts), language, rng)


def think(facts: Tokens, effort: str, rng: Random) -> str:
    """The expression, then one operation a step with what remains."""
    done = _operations(facts)
    steps = [f"{work(step.a, step.op, step.b)}:{_written(step.rest)}" for step in done]
    return "<step>".join([_written(facts), *steps])


def answer(facts: Tokens) -> str:
    """The value."""
    return str(_operations(facts)[-1].rest[0])


def check(facts: Tokens, text: str) -> bool:
    """Is `text` exactly the value?"""
    return whole(text) == _operations(facts)[-1].rest[0]


chain = Task("chain", draw, ask, think, answer, check)
