"""POST /v1/decisions: how likely statements about a text are, which choice fits, which level: proved, or judged by a model."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from system2.core import CallFailed
from system2.server.app import body_of, replied
from system2.server.data.keys import Key
from system2.server.direct import Direct, direct, failed
from system2.server.server import Server
from system2.server.sse import unless_gone
from system2.server.wire.check import checked, parsed
from system2.server.wire.decision_request import (
    Choice,
    DecisionRequest,
    Predicate,
    Score,
    answered,
    conversation,
    instructions,
    question,
)
from system2.server.wire.usage import Spent, response_usage
from system2.verifiers import decision
from system2.verifiers.decision import Question

AT_ONCE = 32  # calls of one request; the model's own slots hold besides


async def create(request: Request) -> Response:
    """Answers, in the order of the questions."""
    server: Server = request.app.state.server
    key: Key = request.state.key
    body = checked(DecisionRequest, parsed(await body_of(request)))
    work = decided(server, key, body, request.state.request_id)
    return replied(await unless_gone(request, work))


async def decided(server: Server, key: Key, body: DecisionRequest, request: str) -> dict[str, Any]:
    """The reply. Raises ApiError; where some questions are answered, those whose calls failed are refused."""
    served, _ = server.models.find(body.model)
    turns = conversation(body.input)
    asked = [question(one, f"questions[{n}]") for n, one in enumerate(body.questions)]
    proofs = [proof(one, turns, f"questions[{n}]") for n, one in enumerate(body.questions)]
    chances = [None if one is None else [float(one), 1.0 - one] for one in proofs]
    open_ = [] if served.local else [n for n, one in enumerate(proofs) if one is None]
    text = "\n\n".join(words if who == "text" else f"{who}: {words}" for who, words in turns)
    tokens = sum(decision.tokens(asked[n]) for n in open_)
    size = len(text.encode(errors="replace"))
    async with direct(
        server,
        served,
        key,
        request,
        tokens=tokens,
        prompt=(size + 4_000) * len(open_),
        role="verifier",
    ) as calls:
        told = await judged(calls, text, [asked[n] for n in open_])
        for n, found in zip(open_, told, strict=True):
            chances[n] = found
        spent = Spent(
            calls.usage, {}, None if served.price is None else served.price.of(calls.usage)
        )
        return {
            "object": "decision",
            "model": body.model,
            "answers": [
                answered(one, found) for one, found in zip(body.questions, chances, strict=True)
            ],
            "usage": response_usage(spent),
            "system2": {
                "proved": [n for n, one in enumerate(proofs) if one is not None],
                "estimated": calls.estimated,
            },
        }


def proof(one: Predicate | Choice | Score, turns: list[tuple[str, str]], place: str) -> bool | None:
    """What arithmetic alone says to a question: the last answer against what the user asked before it."""
    if not isinstance(one, Predicate):
        return None
    said = [words for who, words in turns if who == "user"]
    answer = turns[-1][1] if turns[-1][0] == "assistant" else ""
    return decision.proved(said[-1] if said else "", answer, instructions(one, place))


async def judged(calls: Direct, text: str, questions: list[Question]) -> list[list[float] | None]:
    """What the model says to each; None: that cannot be read, or its call failed. Raises ApiError where all did."""
    turns = asyncio.Semaphore(AT_ONCE)
    faults: list[CallFailed] = []

    async def one(asked: Question) -> list[float] | None:
        async with turns:
            try:
                return decision.read(await calls.write(decision.asked(text, asked)), asked)
            except CallFailed as error:
                faults.append(error)
                return None

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(asked)) for asked in questions]
    if faults and len(faults) == len(questions):
        raise failed(faults[0])
    return [task.result() for task in tasks]
