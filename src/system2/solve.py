"""Composition root: a question, an effort and a budget become an engine; `think` and `stream` run it.

Knows no gold answers: the only verifier it builds sees nothing but the question.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Unpack

from system2.core import (
    FREE,
    PLAIN,
    Budget,
    Chain,
    Event,
    Finished,
    Meter,
    Policy,
    Problem,
    Strategy,
    Tree,
    Usage,
)
from system2.demonstrations import conversation
from system2.effort import DEFAULT, Effort, effort, routed_of, strategy_of
from system2.engine import Aside, Engine, Recall
from system2.options import LIMIT, MOST, Options, amount, check, embedded, is_url, told
from system2.policies.failures import public
from system2.replies import form_of, unfit
from system2.routing import load
from system2.store import Trace, new_run
from system2.verifiers import Expressions


@dataclass(frozen=True, slots=True)
class Result:
    """What thinking brought.

    answer  None: no line of thought came to one, or the verifier refuted all (score 0)
    why     why it ended: complete, enough, budget (tokens), cost (dollars), time, failed, stuck, interrupted, …
    chains  every finished line of thought, in the order they arrived; chosen: the one that answers
    usage   of the policy; cost in dollars, None where the price is unknown
    faults  what went wrong outside the search, in sentences: a trace that could not be written
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
    check(question)
    problem = Problem.of(question, system=options.get("system"))
    shown = conversation(options.get("examples", ()))
    problem = replace(problem, messages=(*problem.messages[:-1], *shown, problem.messages[-1]))
    engine = compose(problem, options, new_run())
    if options.get("trace", True):
        engine.watchers.append(trace(engine.name))
    return engine


def compose(
    problem: Problem,
    options: Options,
    run: str,
    recall: Recall | None = None,
    *,
    ordered: bool | None = None,
    policy: Policy | None = None,
    parent: Meter | None = None,
    reserve: int = 0,
    sidecars: Sequence[Aside] = (),
) -> Engine:
    """The engine that these options ask for. Raises ValueError, WeightsError.

    policy  what `policy_of` made of the same options, where many searches share it
    parent  the meter that they share
    reserve   completion tokens set aside for the visible reply
    """
    row = effort(options.get("effort", DEFAULT))
    samples = options.get("samples")
    if samples is not None and not 1 <= samples <= MOST:
        raise ValueError(f"samples must be from 1 to {MOST:,}, {samples} was given")
    deciding = [name for name in ("samples", "strategy", "routes") if name in options]
    if len(deciding) > 1:
        raise ValueError(
            f"{' and '.join(deciding)} were given; give one of them, and a strategy its own number of samples"
        )
    remote = is_url(options.get("model", ""))
    local = embedded(options)
    unread = [name for name in ("model_name", "system", "examples") if name in options]
    if local and unread and "policy" not in options:
        raise ValueError(
            f"{' and '.join(unread)}: only a server's model reads this; give its address as model, "
            "such as http://localhost:8000/v1"
        )
    meter = Meter(
        replace(budget_of(options, row.tokens, remote), reserve=reserve),
        options.get("price", FREE if local else None),
        parent,
    )
    reply = options.get("reply")
    if local and (why := unfit(problem, reply)):
        raise ValueError(why)
    policy = options.get("policy") or policy or policy_of(options)
    dial = row.token if local else options.get("effort", DEFAULT)
    return Engine(
        replace(problem, effort=dial),
        chosen(options, row, meter.budget.tokens),
        policy,
        meter,
        verifier=options.get("verifier", Expressions(refutes=local)),
        seed=options.get("seed"),
        reply=reply,
        form=form_of(reply, fills=local),
        run=run,
        settings=told(options),
        recall=recall,
        ordered=ordered,
        sidecars=sidecars,
    )


def chosen(options: Options, row: Effort, tokens: int | None) -> Strategy:
    """The strategy that was given, that routes decide on, or the effort's. Raises ValueError, OSError."""
    if "strategy" in options:
        return options["strategy"]
    if "routes" in options:
        path = Path(options["routes"])
        changed = path.stat().st_mtime_ns
        return routed(path, changed, tokens or row.tokens, embedded(options))
    return strategy_of(row, options.get("samples"), options.get("reply") or PLAIN)


@lru_cache(maxsize=16)
def routed(path: Path, changed: int, tokens: int, local: bool) -> Strategy:
    """What the file's routes decide; `changed` is when it was written. Raises ValueError, OSError."""
    return routed_of(load(path), tokens, embedded=local)


def budget_of(options: Options, tokens: int, remote: bool) -> Budget:
    """The budget: what was given, else what the effort sets. Raises ValueError."""
    limit = options.get("tokens", tokens)
    for name, given, least in (
        ("tokens", limit, 1),
        ("seconds", options.get("seconds", 0), 0),
        ("at_once", options.get("at_once", 1), 1),
        ("per_call", options.get("per_call", 1), 1),
    ):
        if not given >= least:
            raise ValueError(f"{name} must be at least {least}, {given} was given")
        if given > LIMIT:
            raise ValueError(f"{name} must be at most {LIMIT:,}, more was given")
    budget = Budget(
        tokens=limit,
        dollars=None if "dollars" not in options else amount(options["dollars"], "dollars"),
        seconds=options.get("seconds"),
        calls=options.get("at_once", 64 if remote else None),
        per_call=options.get("per_call", 4096 if remote else 640),
    )
    return replace(budget, per_call=min(budget.per_call, limit))


def policy_of(options: Options) -> Policy:
    """The embedded model, or the server that `model` names. Raises ValueError, WeightsError."""
    row = effort(options.get("effort", DEFAULT))
    model = options.get("model")
    many = (
        "strategy" in options or "routes" in options or (options.get("samples") or row.samples) > 1
    )
    heat = (row.temperature or 0.7) if many else 0.0
    if model is not None and is_url(model):
        if "model_name" not in options:
            raise ValueError(
                f"the server {public(model)} needs model_name (--model-name), the name it knows the model by"
            )
        from system2.policies.chat import Chat

        return Chat(
            options["model_name"],
            base_url=model,
            key=options.get("key"),
            temperature=heat if many else None,
        )
    from system2.policies.local import HOME, LocalPolicy

    if model is not None and not (model and Path(model).is_dir()):
        raise ValueError(
            f"model {model!r} is neither a server's address, such as http://localhost:8000/v1, "
            "nor a folder of weights"
        )
    return LocalPolicy(HOME if model is None else Path(model), temperature=heat if many else 0.0)


def trace(run: str) -> Trace:
    """The trace of a run, on disk. Raises OSError in a sentence: nothing has been spent yet."""
    try:
        return Trace(run)
    except OSError as error:
        raise OSError(
            f"the trace cannot be written ({error.strerror}: {error.filename}); make room or give "
            "another folder as $XDG_DATA_HOME, or keep none: --no-trace"
        ) from error


def think(question: str, **options: Unpack[Options]) -> Result:
    """Think about a question and answer it. Synchronous everywhere, inside a running loop too."""
    return finish(prepare(question, **options))


def finish(engine: Engine) -> Result:
    """Run an engine to its end."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return result(engine, asyncio.run(engine.run()))
    loop = asyncio.new_event_loop()

    def run() -> Finished:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(engine.run())

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run)
        try:
            return result(engine, running.result())
        except KeyboardInterrupt:  # a notebook's stop button: spend no more
            loop.call_soon_threadsafe(engine.stop, "interrupted")
            raise


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
    lost = [w.fault for w in engine.heard if isinstance(w, Trace) and w.fault]
    faults = [
        f"the trace could not be begun, so nothing was asked ({fault})"
        if fault in lost
        else f"a watcher failed ({fault})"
        for fault in engine.faults
    ]
    faults += [
        f"the trace could not be written ({fault}); to go on with this run would pay again for what "
        "it lacks"
        for fault in lost
        if fault not in engine.faults
    ]
    chosen = tree.nodes[end.node] if end.node is not None else tree.root
    return Result(
        answer=None if end.refuted else end.answer,  # refuted: known to be wrong
        why=end.why,
        samples=end.samples,
        usage=end.usage,
        cost=end.cost,
        seconds=end.seconds,
        run=engine.name,
        chains=[node.chain() for node in tree.finals],
        chosen=chosen.chain(),
        tree=tree,
        faults=faults,
    )
