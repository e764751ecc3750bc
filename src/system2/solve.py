"""Composition root: a question, an effort and a budget become an engine; `think` and `stream` run it.

Knows no gold answers: the only verifier it builds sees nothing but the question.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TypedDict, Unpack

from system2.core import (
    FREE,
    Budget,
    Chain,
    Event,
    Finished,
    Meter,
    Policy,
    Price,
    Problem,
    Strategy,
    Tree,
    Usage,
    Verifier,
)
from system2.effort import DEFAULT, effort, strategy_of
from system2.engine import Engine
from system2.store import Trace, new_run
from system2.verifiers import Expressions

LONGEST = 100_000  # characters of a question


class Options(TypedDict, total=False):
    """How to think; every one has a default.

    effort      a row of the effort table; samples: lines of thought instead of the row's
    strategy, policy, verifier   objects of your own
    tokens, dollars, seconds, at_once   the budget; per_call: most tokens of one continuation
    model       URL of an OpenAI-compatible server, or a folder of weights; default: the embedded model
    model_name, key, price, system   for a server
    seed        the same seed gives the same tree
    trace       False: keep nothing on disk
    """

    effort: str
    samples: int
    strategy: Strategy
    policy: Policy
    verifier: Verifier | None
    tokens: int
    dollars: Decimal | float | str
    seconds: float
    at_once: int
    per_call: int
    model: str
    model_name: str
    key: str
    price: Price
    system: str
    seed: int
    trace: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What thinking brought.

    why     why it ended: complete, enough, budget, time, failed, stuck, stopped, trace, …
    chains  every finished line of thought, in the order they arrived; chosen: the one that answers
    usage   of the policy; cost in dollars, None where the price is unknown
    faults  what went wrong outside the search, in sentences
    """

    answer: str | None
    why: str
    samples: int
    usage: Usage
    cost: Decimal | None
    seconds: float
    run: str
    chains: list[Chain]
    chosen: Chain
    tree: Tree
    faults: list[str]


def prepare(question: str, **options: Unpack[Options]) -> Engine:
    """An engine for this question, not yet running. Raises ValueError in a sentence on bad input."""
    row = effort(options.get("effort", DEFAULT))
    check(question)
    policy = options.get("policy") or policy_of(options)
    remote = bool(options.get("model", "").startswith(("http://", "https://")))
    budget = budget_of(options, row.tokens, remote)
    local = "policy" not in options and not remote
    price = options.get("price") or (FREE if local else None)
    if (samples := options.get("samples")) is not None and samples < 1:
        raise ValueError(f"samples must be at least 1, {samples} was given")
    problem = Problem.of(
        question,
        system=options.get("system"),
        effort=row.token if local else options.get("effort", DEFAULT),
    )
    names = ("effort", "samples", "tokens", "seconds", "model", "model_name")
    engine = Engine(
        problem,
        options.get("strategy") or strategy_of(row, samples),
        policy,
        Meter(budget, price),
        verifier=options.get("verifier", Expressions()),
        seed=options.get("seed"),
        run=new_run(),
        settings={name: str(options[name]) for name in names if name in options},
    )
    if options.get("trace", True):
        engine.watchers.append(Trace(engine.name))
    return engine


def check(question: str) -> None:
    """Raises ValueError if this cannot be a question."""
    if not question.strip():
        raise ValueError("the question is empty; give some text, a --file, or - for standard input")
    if len(question) > LONGEST:
        raise ValueError(
            f"the question has {len(question):,} characters; at most {LONGEST:,} are read: shorten it"
        )
    if bad := sorted({c for c in question if ord(c) < 32 and c not in "\n\r\t"}):
        raise ValueError(
            f"the question contains control characters ({', '.join(map(ascii, bad[:5]))}); remove them"
        )


def budget_of(options: Options, tokens: int, remote: bool) -> Budget:
    """The budget: what was given, else what the effort sets. Raises ValueError."""
    given = options.get("tokens", tokens)
    dollars = options.get("dollars")
    budget = Budget(
        tokens=given,
        dollars=None if dollars is None else Decimal(str(dollars)),
        seconds=options.get("seconds"),
        calls=options.get("at_once", 64 if remote else None),
        per_call=options.get("per_call", 4096 if remote else 640),
    )
    return replace(budget, per_call=min(budget.per_call, given))


def policy_of(options: Options) -> Policy:
    """The embedded model, or the server that `model` names. Raises ValueError, WeightsError."""
    from system2.policies.local import HOME, LocalPolicy

    row = effort(options.get("effort", DEFAULT))
    model = options.get("model")
    many = (options.get("samples") or row.samples) > 1
    heat = row.temperature if row.temperature or not many else 0.7
    if model is None:
        return LocalPolicy(HOME, temperature=heat if many else 0.0)
    if not model.startswith(("http://", "https://")):
        return LocalPolicy(Path(model), temperature=heat if many else 0.0)
    if "model_name" not in options:
        raise ValueError(f"the server {model} needs --model-name, the name it knows the model by")
    from system2.policies.chat import ChatPolicy

    return ChatPolicy(
        model, options["model_name"], key=options.get("key"), temperature=heat if many else None
    )


def think(question: str, **options: Unpack[Options]) -> Result:
    """Think about a question and answer it. Synchronous everywhere, inside a running loop too."""
    engine = prepare(question, **options)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return result(engine, asyncio.run(engine.run()))
    ended: list[Finished] = []
    thread = threading.Thread(target=lambda: ended.append(asyncio.run(engine.run())))
    thread.start()
    thread.join()
    return result(engine, ended[0])


async def stream(question: str, **options: Unpack[Options]) -> AsyncGenerator[Event]:
    """Think, and see every event as it happens; the last is `Finished`. Closing it cancels."""
    engine = prepare(question, **options)
    queue: asyncio.Queue[Event] = asyncio.Queue()
    engine.watchers.append(queue.put_nowait)
    task = asyncio.create_task(engine.run())
    try:
        while not isinstance(event := await queue.get(), Finished):
            yield event
        yield event
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def result(engine: Engine, end: Finished) -> Result:
    """What a finished engine brought."""
    tree = engine.tree
    return Result(
        answer=end.answer,
        why=end.why,
        samples=end.samples,
        usage=end.usage,
        cost=end.cost,
        seconds=end.seconds,
        run=engine.name,
        chains=[node.chain() for node in tree.finals],
        chosen=tree.nodes[end.node].chain() if end.node is not None else [],
        tree=tree,
        faults=[str(fault) for fault in engine.faults],
    )
