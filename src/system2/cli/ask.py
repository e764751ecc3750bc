"""`system2 ask` and `system2 resume`: one question, one answer. Progress goes to standard error, the answer to standard output.

What the words of the command line mean is said in options.py.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import signal
import sys
import time
from typing import Any, cast

from system2.cli.options import question, settings
from system2.cli.terminal import quoted, shown
from system2.cli.thoughts import pretty
from system2.core import Billed, Event, Failed, Finished, Usage
from system2.engine import Engine
from system2.estimate import estimate
from system2.records import summaries
from system2.resuming import reopen
from system2.solve import Result, prepare, result


def ask(options: argparse.Namespace) -> int:
    """Answer the question; exit status 0 with an answer, 1 without or with a fault, 130 when interrupted."""
    engine = prepare(question(options), **settings(options))
    if options.tokens or options.dollars or options.seconds:
        sys.stderr.write(f"system2: {shown(foreseen(engine))}\n")
    return answer(engine, options)


def foreseen(engine: Engine) -> str:
    """What the run may cost, and what runs like it did: said before anything is spent."""
    budget, price = engine.meter.budget, engine.meter.price
    caps = [f"{budget.tokens:,} tokens" if budget.tokens is not None else ""]
    if budget.dollars is not None:
        caps.append(f"${budget.dollars}")
    elif budget.tokens is not None and price is not None and price.completion:
        caps.append(f"${price.most(0, budget.tokens):.4f} of completions")
    caps.append(f"{budget.seconds:g} s" if budget.seconds is not None else "")
    told = f"at most {', '.join(filter(None, caps))}"
    before = estimate(summaries(), engine.settings)
    return f"{told}; {before}" if before else f"{told}; too few runs like this to tell more"


def resume(options: argparse.Namespace) -> int:
    """Go on with a run; what comes of it is told as `ask` tells it."""
    engine = reopen(options.run, **settings(options))
    sys.stderr.write(f"system2: {shown(kept(engine))}\n")
    return answer(engine, options)


def kept(engine: Engine) -> str:
    """What a run that goes on has already, and what it lost."""
    recall = engine.caller.recall
    spent = sum(recall.spent.values(), Usage())
    lost = sum(recall.lost.values(), Usage())
    told = f"going on with {engine.name}: {len(recall.kept):,} continuations kept, "
    told += f"{spent.completion:,} tokens paid for"
    if lost.calls:
        told += (
            f"; {lost.calls:,} calls were under way when it stopped and are made again (what they may "
            f"have cost, at most {lost.unseen:,} tokens, counts as spent)"
        )
    return told


def answer(engine: Engine, options: argparse.Namespace) -> int:
    """Run the engine and tell what it found; the exit status."""
    out = cast(io.TextIOWrapper, sys.stdout)
    out.reconfigure(errors="backslashreplace")  # a terminal that lacks a letter shows its code
    screen = Screen(engine)
    engine.watchers.append(screen)
    done = result(engine, asyncio.run(run(engine)))
    screen.clear()
    if options.json:
        utf8 = out.encoding.lower().replace("-", "") == "utf8"
        told = json.dumps(report(done, options.show_thoughts), ensure_ascii=not utf8)
        print(quoted(told))  # noqa: T201
    else:
        show(done, options.show_thoughts)
    out.flush()  # whatever becomes of standard error, the answer is out
    for fault in done.faults:
        stands = "; the answer stands" if done.answer is not None else ""
        sys.stderr.write(f"system2: {shown(fault)}{stands}\n")
    if done.answer is None and done.why != "watcher":
        sys.stderr.write(f"system2: {shown(excuse(done, screen.failure))}\n")
    if done.why == "interrupted":
        return 130
    return 0 if done.answer is not None and not done.faults else 1


async def run(engine: Engine) -> Finished:
    """Run; the first Ctrl-C ends the search with the best so far, a second one at once."""
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        engine.stop("interrupted")
        loop.remove_signal_handler(signal.SIGINT)

    loop.add_signal_handler(signal.SIGINT, interrupted)
    return await engine.run()


class Screen:
    """A line of progress on a terminal: samples, tokens, seconds. Silent elsewhere."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.shown, self.began = engine, 0.0, time.monotonic()
        self.tokens = 0
        self.failure = ""
        self.on = sys.stderr.isatty()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Billed):
            self.tokens += event.usage.completion
        elif isinstance(event, Failed) and event.role != "sidecar":  # which ends no run
            self.failure = event.error
        if self.on and (now := time.monotonic()) - self.shown > 0.1:
            self.shown = now
            lines = len(self.engine.tree.finals)
            sys.stderr.write(
                f"\r\x1b[2Kthinking … {lines} lines of thought, {self.tokens:,} tokens, "
                f"{now - self.began:.1f} s"
            )
            sys.stderr.flush()

    def clear(self) -> None:
        """Leave no trace on the terminal."""
        if self.on and self.shown:
            sys.stderr.write("\r\x1b[2K")


def show(done: Result, thoughts: bool) -> None:
    """The answer on standard output, what it cost on standard error."""
    if thoughts:
        print(shown(pretty(done.chosen)) + "\n")  # noqa: T201
    if done.answer is not None:
        print(shown(done.answer))  # noqa: T201
    elif done.chosen:
        print("no answer yet; the best line of thought so far:\n" + shown(pretty(done.chosen)))  # noqa: T201
    sys.stdout.flush()
    cost = "price unknown" if done.cost is None else f"${done.cost:.6f}" if done.cost else "free"
    lines = "1 line" if done.samples == 1 else f"{done.samples} lines"
    sys.stderr.write(
        f"({lines} of thought, {done.usage.completion:,} tokens, {cost}, {done.seconds:.1f} s, "
        f"ended: {done.why})\n"
    )


def report(done: Result, thoughts: bool) -> dict[str, Any]:
    """The object that --json prints."""
    usage = done.usage
    cost = None if done.cost is None else float(done.cost)
    found: dict[str, Any] = {
        "answer": done.answer,
        "why": done.why,
        "samples": done.samples,
        "usage": {
            "prompt_tokens": usage.prompt,
            "cached_tokens": usage.cached,
            "reasoning_tokens": usage.reasoning,
            "answer_tokens": usage.answer,
            "completion_tokens": usage.completion,
            "calls": usage.calls,
        },
        "cost_dollars": cost,
        "seconds": round(done.seconds, 3),
        "run": done.run,
    }
    if thoughts:
        found["chains"] = [
            {"thoughts": pretty(chain), "answer": chain[-1].answer} for chain in done.chains
        ]
    return found


def excuse(done: Result, failure: str) -> str:
    """Why there is no answer, and what to do."""
    if done.why == "failed" or (failure and not done.chains):
        return failure or "every call failed"
    if done.why in ("budget", "cost"):
        return "the budget ended before a line of thought was finished; give more --tokens or --dollars"
    if done.why == "time":
        last = f" (the last failure: {failure})" if failure else ""
        return f"the time ended before a line of thought was finished; give more --seconds{last}"
    if done.why == "moderation":
        return "moderation held the answer back; `system2 trace` names the categories"
    if done.why == "interrupted":
        return "interrupted before a line of thought was finished"
    if done.tree.finals and all(node.score == 0.0 for node in done.tree.finals):
        tried = len({node.answer for node in done.tree.finals})
        return (
            f"none of the {tried} answers found is right: each was checked against the question; "
            "try a higher --effort or more --samples"
        )
    return f"no line of thought reached an answer (ended: {done.why}); try a higher --effort"
