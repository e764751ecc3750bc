"""Going on with a run that was stopped, or with more: its trace becomes an engine. Pays for nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack, cast

from system2.core import Event, Meter, Policy, Resumed, Started, Usage
from system2.engine import Aside, Engine, Recall
from system2.options import Options, is_url, priced
from system2.policies.failures import public
from system2.records import find
from system2.solve import Result, compose, finish
from system2.store import Trace, read

READ: dict[str, Callable[[str], Any]] = {
    "effort": str, "samples": int, "tokens": int, "dollars": str, "seconds": float, "at_once": int,
    "per_call": int, "model": str, "model_name": str, "routes": str, "price": lambda text: priced(text, "price"),
}  # fmt: skip
"""How the settings of a trace are read back."""


def resume(run: str, **options: Unpack[Options]) -> Result:
    """Go on with a run, as `think` does: the same settings, but for the options given.

    Budgets are those of the whole run; only `seconds` begin anew. Raises ValueError, OSError.
    """
    return finish(reopen(run, **options))


def reopen(
    run: str,
    backend: Policy | None = None,
    parent: Meter | None = None,
    *,
    reserve: int = 0,
    sidecars: Sequence[Aside] = (),
    **options: Unpack[Options],
) -> Engine:
    """The engine of a run that was stopped: its name, the beginning of one, or `last`.

    What the run has paid for is found again; what was under way when it was killed counts as spent,
    as far as it may have cost something, and is asked for once more. Raises ValueError in a sentence
    where there is no such run, another process is at it, or objects are missing that it was given;
    side models are given anew, as `compose` takes them;
    OSError where its trace cannot be written.
    """
    path = find(run)
    try:
        trace = Trace(path.stem, path.parent, again=True)
    except BlockingIOError as error:
        raise ValueError(
            f"the run {path.stem} is still going on in another process; wait for its end, or stop it"
        ) from error
    try:
        engine = regrown(
            path.stem,
            list(read(path)),
            options,
            backend,
            parent,
            reserve=reserve,
            sidecars=sidecars,
        )
    except BaseException:
        trace.close()
        raise
    engine.watchers.append(trace)
    return engine


def account(run: str) -> tuple[str, Usage]:
    """The question of a run and what it has cost, broken calls at the most they may have cost.

    Raises ValueError where there is no such run.
    """
    events = list(read(find(run)))
    if not events or not isinstance(events[0], Started):
        raise ValueError(f"the trace of {run} holds no run: its first event was never finished")
    return events[0].problem.question, sum(Recall(events).spent.values(), Usage())


def regrown(
    run: str,
    events: list[Event],
    options: Options,
    policy: Policy | None = None,
    parent: Meter | None = None,
    *,
    reserve: int = 0,
    sidecars: Sequence[Aside] = (),
) -> Engine:
    """An engine that knows these events. Raises ValueError."""
    started = events[0] if events else None
    if not isinstance(started, Started):
        raise ValueError(f"the trace of {run} holds no run: its first event was never finished")
    settings = started.settings
    for event in events:
        if isinstance(event, Resumed):
            settings = event.settings
    missing = [
        name for name in settings.get("objects", "").split(", ") if name and name not in options
    ]
    if missing:
        raise ValueError(
            f"the run {run} was given objects of its own ({', '.join(missing)}); go on with it from "
            f"Python: system2.resume({run!r}, {', '.join(f'{name}=…' for name in missing)})"
        )
    for name in ("seed", "system", "examples", "reply"):
        if name in options:
            raise ValueError(
                f"{name}: a run goes on with the one that it has; ask anew for another"
            )
    if options.get("trace") is False:
        raise ValueError(
            "trace: a run that goes on keeps its trace; ask anew for a run without one"
        )
    try:
        recall = Recall(events)
        then: dict[str, Any] = {
            name: read_back(settings[name]) for name, read_back in READ.items() if name in settings
        }
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"the trace of {run} is damaged, it cannot go on ({error!r})") from error
    kept = {"seed": started.seed, "reply": started.reply}
    given = cast(Options, {**merged(then, options, run, recall), **kept})
    return compose(
        started.problem,
        given,
        run,
        recall,
        ordered=started.ordered,
        policy=policy,
        parent=parent,
        reserve=reserve,
        sidecars=sidecars,
    )


def merged(then: dict[str, Any], options: Options, run: str, recall: Recall) -> dict[str, Any]:
    """The options of the run and those given now, which win. Raises ValueError where that is unsafe."""
    before, server = then.get("price"), then.get("model")
    if "model" not in options and options.get("key") and server and is_url(server):
        raise ValueError(
            f"the trace of {run} asked {server}; name the server again (--model {server}), so that "
            "your key goes where you mean it to"
        )
    if {"strategy", "samples", "routes"} & options.keys():
        for name in ("samples", "routes"):
            then.pop(name, None)
    other = "model" in options and shown(options["model"]) != server
    if other and not is_url(options.get("model", "")):
        then.pop("model_name", None)
    if other or options.get("model_name", then.get("model_name")) != then.get("model_name"):
        then.pop("price", None)  # that of another model
    now: dict[str, Any] = {**then, **options}
    if before and any(recall.spent.values()) and now.get("price") != before:
        raise ValueError(
            f"the run {run} has spent at a price of {before}, and now {now.get('price', 'none')} is "
            "given; its dollars would not add up: give the same price, or ask anew"
        )
    return now


def shown(model: str) -> str:
    """A model as a trace names it."""
    return public(model) if is_url(model) else str(Path(model).absolute())
