"""Composition root: a question, an effort and a budget become an engine; `think` and `stream` run it.

Knows no gold answers: the only verifier it builds sees nothing but the question.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import TypedDict, Unpack

from system2.core import (
    FREE,
    PLAIN,
    Budget,
    Chain,
    Event,
    Finished,
    Meter,
    Policy,
    Price,
    Problem,
    Strategy,
    Style,
    Tree,
    Usage,
    Verifier,
)
from system2.demonstrations import Demonstration, conversation
from system2.effort import DEFAULT, Effort, effort, routed_of, strategy_of
from system2.engine import Aside, Engine, Recall
from system2.policies.failures import public
from system2.replies import form_of, unfit
from system2.routing import load
from system2.store import Trace, new_run
from system2.verifiers import Expressions

LONGEST = 100_000  # characters of a question
MOST = 100_000  # lines of thought
LIMIT = 10**12  # of tokens, dollars, seconds: beyond any use, and numbers stay exact
TOLD = ("effort", "samples", "tokens", "dollars", "seconds", "at_once", "per_call", "model", "model_name", "price", "routes")  # fmt: skip
"""Options that a trace names; a key is a secret."""
OBJECTS = ("strategy", "policy", "verifier")
"""Options of which it can only say that they were given."""


class Options(TypedDict, total=False):
    """How to think; every one has a default.

    effort      a row of the effort table; samples: lines of thought instead of the row's
    routes      file of what `system2 routes` learnt: the strategy and its size are chosen by it
    strategy, policy, verifier   objects of your own; a strategy samples, at 0.7 where the row is greedy
    tokens, dollars, seconds, at_once   the budget; per_call: most tokens of one continuation
    model       URL of an OpenAI-compatible server, or a folder of weights; default: the embedded model
    model_name, key, price, system   for a server
    examples    worked ones that a server's model reads before the question
    seed        the same seed gives the same tree
    reply       how the answer is written for who asked, once the search is over; None: it is what was found
    trace       False: keep nothing on disk
    """

    effort: str
    samples: int
    routes: str
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
    examples: Sequence[Demonstration]
    seed: int
    reply: Style | None
    trace: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What thinking brought.

    answer  None: no line of thought came to one, or the verifier refuted all (score 0)
    why     why it ended: complete, enough, budget, time, failed, stuck, interrupted, …
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


def told(options: Options) -> dict[str, str]:
    """The options as a trace names them, so that the run can go on."""
    given: dict[str, object] = {"effort": DEFAULT} | dict(options)
    if is_url(options.get("model", "")):
        given["model"] = public(options.get("model", ""))
    elif "model" in options:
        given["model"] = Path(options["model"]).absolute()
    if "routes" in options:
        given["routes"] = Path(options["routes"]).absolute()
    if objects := [name for name in OBJECTS if name in options]:
        given["objects"] = ", ".join(objects)
    return {name: str(given[name]) for name in (*TOLD, "objects") if name in given}


def embedded(options: Options) -> bool:
    """Does a model of our own decoder answer? It costs nothing and has a dial of its own."""
    if "policy" not in options:
        return not is_url(options.get("model", ""))
    from system2.policies.local import LocalPolicy

    return isinstance(options["policy"], LocalPolicy)


def check(question: str) -> None:
    """Raises ValueError if this cannot be a question."""
    if not question.strip():
        raise ValueError("the question is empty; give some text, a --file, or - for standard input")
    if len(question) > LONGEST:
        raise ValueError(
            f"the question has {len(question):,} characters; at most {LONGEST:,} are read: shorten it"
        )
    odd = {c for c in question if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\r\t"}
    if any("\ud800" <= c <= "\udfff" for c in odd):
        raise ValueError("the question is not UTF-8 text; convert it, for example with iconv")
    if odd:
        raise ValueError(
            f"the question contains control characters ({', '.join(map(ascii, sorted(odd)[:5]))}); "
            "remove them"
        )


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


def amount(given: Decimal | float | str, name: str) -> Decimal:
    """A finite number of dollars that is not negative. Raises ValueError."""
    try:
        value = Decimal(str(given))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 <= value <= LIMIT:
        raise ValueError(
            f"{name}: expected an amount of at least 0 (and at most {LIMIT:,}), "
            f"{str(given)[:40]!r} was given"
        )
    return value


def priced(text: str, name: str) -> Price:
    """IN/OUT or IN/OUT/CACHED, in dollars per million tokens. Raises ValueError."""
    parts = text.split("/")
    if len(parts) not in (2, 3):
        raise ValueError(f"{name} {text}: expected IN/OUT, for example 0.15/0.60")
    return Price(*(amount(part, name) for part in parts))


def is_url(model: str) -> bool:
    """Does this name a server?"""
    return model.lower().startswith(("http://", "https://"))


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
        answer=None if chosen.score == 0.0 else end.answer,  # refuted: known to be wrong
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
