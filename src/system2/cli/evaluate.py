"""`system2 eval`: accuracy and cost on held-out problems. Progress on standard error, results on standard output."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import math
import signal
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from system2.cli.options import key_of, price_of
from system2.cli.terminal import shown
from system2.core import FREE, Budget, Price
from system2.evals import Estimate, Family, Item, Policies, Report, Row, Settings, suite, to_json
from system2.evals import evaluate as measure
from system2.evals.plot import plot, ready
from system2.options import amount, is_url
from system2.policies.failures import public
from system2.policies.local import HOME, LocalPolicy

MOST = 1024  # samples a problem
METHODS = {
    "direct": "no thinking, greedy",
    "chain": "one chain, greedy",
    "majority": "majority vote",
    "weighted": "vote by log-probability",
    "pass": "any right (sees gold)",
    "random": "random moves (control)",
}
SHORT = {
    "direct": "direct", "chain": "chain", "majority": "majority", "weighted": "weighted",
    "pass": "any",
}  # fmt: skip


def evaluate(options: argparse.Namespace) -> int:
    """Measure, print, plot; exit status 0. Raises ValueError in a sentence on bad options."""
    remote = is_url(options.model or "")
    items = suite(options.task, options.limit, options.seed)
    samples = counts(options.samples)
    if not math.isfinite(options.temperature) or options.temperature < 0:
        raise ValueError(f"--temperature must be at least 0, {options.temperature} was given")
    if options.effort not in ("low", "high"):
        raise ValueError(f"--effort must be low or high, {options.effort!r} was given")
    if options.at_once is not None and options.at_once < 1:
        raise ValueError(f"--at-once must be at least 1, {options.at_once} was given")
    if options.plot:
        ready(Path(options.plot))
    price = price_of(options) or (None if remote else FREE)
    settings = Settings(
        suite=options.task,
        samples=samples,
        temperature=options.temperature,
        effort=options.effort,
        seed=options.seed,
        model=options.model_name if remote else fingerprint(Path(options.model or HOME)),
        per_call=4096 if remote else 640,
        calls=options.at_once or (64 if remote else None),
    )
    budget = Budget(
        tokens=options.tokens,
        dollars=None if options.dollars is None else amount(options.dollars, "--dollars"),
        seconds=options.seconds,
    )
    found = asyncio.run(measured(items, settings, policies(options, remote), price, budget))
    if options.plot:
        plot(found, Path(options.plot))
    if options.json:
        print(to_json(found))  # noqa: T201
    else:
        show(found)
    if found.problems < len(items):
        Console(stderr=True).print(
            f"{found.problems} of {len(items)} problems were done when it was ended"
        )
        return 130
    return 0


def counts(text: str) -> tuple[int, ...]:
    """--samples as ascending numbers. Raises ValueError."""
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = [0]
    if found[0] < 1 or found[-1] > MOST:
        raise ValueError(
            f"--samples {text}: expected numbers from 1 to {MOST} with commas between, "
            "for example 1,4,16,64"
        )
    return tuple(found)


def policies(options: argparse.Namespace, remote: bool) -> Policies:
    """The model at two temperatures. Raises ValueError, WeightsError."""
    if remote:
        if not options.model_name:
            raise ValueError(
                f"the server {public(options.model)} needs --model-name, the name it knows the model by"
            )
        from system2.policies.chat import Chat

        name, url, key = options.model_name, options.model, key_of(options) or None
        return Policies(
            Chat(name, base_url=url, key=key, temperature=options.temperature),
            Chat(name, base_url=url, key=key, temperature=0.0),
        )
    folder = Path(options.model or HOME)
    return Policies(LocalPolicy(folder, temperature=options.temperature), LocalPolicy(folder))


def fingerprint(folder: Path) -> str:
    """A name for a folder of weights that changes with them."""
    try:
        digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:12]
    except OSError:
        digest = "missing"  # loading it says what is wrong
    return f"{'embedded' if folder == HOME else folder.name} {digest}"


async def measured(
    items: list[Item],
    settings: Settings,
    models: Policies,
    price: Price | None,
    budget: Budget,
) -> Report:
    """Evaluate, with a bar of progress on a terminal; Ctrl-C ends it with what is done."""
    halt = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        halt.set()
        loop.remove_signal_handler(signal.SIGINT)  # a second one ends it at once

    loop.add_signal_handler(signal.SIGINT, interrupted)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[tokens]:,} tokens"), console=Console(stderr=True),
        transient=True,
    )  # fmt: skip
    with bar:
        line = bar.add_task(settings.suite, total=len(items), tokens=0)

        def watch(done: int, tokens: int) -> None:
            bar.update(line, completed=done, tokens=tokens)

        return await measure(items, settings, models, price, budget=budget, watch=watch, halt=halt)


def show(report: Report) -> None:
    """The table, and below it what the table does not tell."""
    settings, console = report.settings, Console()
    table = Table(
        title=f"{settings.suite}: {report.problems} problems, effort {settings.effort}, "
        f"temperature {settings.temperature:g}, seed {settings.seed}",
        title_justify="left",
    )
    table.add_column("method")
    for name in ("samples", "accuracy", "95 %", "tokens", "dollars"):
        table.add_column(name, justify="right", no_wrap=True)
    before, most = "", max(settings.samples)
    for row in report.rows:
        if most > 1 and row.samples == 1 and row.method in ("majority", "weighted"):
            continue  # a vote of one: see the first line of "any right"
        if before not in ("", "direct", row.method):
            table.add_section()
        table.add_row(*cells(row, row.method != before))
        before = row.method
    console.print(table)
    if report.families:
        console.print(by_task(report.families, most))
    for text in notes(report):
        console.print(shown(text), highlight=False, markup=False)


def cells(row: Row, first: bool) -> list[str]:
    """A row as text; the method's name only once."""
    free = row.method == "random"
    low, high = f"{100 * row.accuracy.low:.1f}", f"{100 * row.accuracy.high:.1f}"
    dollars = "" if free else "unknown" if row.dollars is None else money(row.dollars)
    return [
        METHODS[row.method] if first else "", str(row.samples), percent(row.accuracy),
        f"{low}–{high}", "" if free else f"{row.tokens:,.0f}", dollars,
    ]  # fmt: skip


def by_task(families: tuple[Family, ...], most: int) -> Table:
    """Accuracy of each task: a few methods side by side."""
    table = Table(title="accuracy by task", title_justify="left")
    columns = [("direct", 1), ("chain", 1), ("weighted", most), ("majority", most), ("pass", most)]
    known = {(row.method, row.samples) for row in families[0].rows}
    columns = [column for column in columns if column in known]
    table.add_column("task", no_wrap=True)
    table.add_column("problems", justify="right")
    for method, k in columns:
        table.add_column(SHORT[method] + (f" {k}" if k > 1 else ""), justify="right")
    for family in families:
        found = {(row.method, row.samples): row.accuracy for row in family.rows}
        shares = [percent(found[column]) for column in columns]
        table.add_row(family.task, str(family.problems), *shares)
    return table


def notes(report: Report) -> list[str]:
    """What else came out, in sentences."""
    found: list[str] = []
    if report.refused and report.refused_chain:
        found.append(
            f"wrongly refused as outside: {interval(report.refused)} of the samples, "
            f"{interval(report.refused_chain)} of the greedy chains"
        )
    found.append(f"no answer: {100 * report.unanswered:.1f} % of the samples")
    if error := max(row.accuracy.error for row in report.rows):
        found.append(f"random subsets add a standard error of at most {100 * error:.2f} points")
    if report.failures:
        found.append(f"{report.failures} calls failed, the first: {report.fault}")
    cost = "price unknown" if report.cost is None else money(report.cost)
    found.append(
        f"{report.usage.completion:,} completion and {report.usage.prompt:,} prompt tokens, {cost}, "
        f"{report.seconds:.1f} s, {report.speed:,.0f} tokens/s; model {report.settings.model}"
    )
    return found


def percent(share: Estimate) -> str:
    """A share as a percentage."""
    return f"{100 * share.value:.1f} %"


def interval(share: Estimate) -> str:
    """A share with its interval."""
    return f"{percent(share)} ({100 * share.low:.1f}–{100 * share.high:.1f})"


def money(amount: Decimal | float) -> str:
    """Dollars, or that there were none."""
    return f"${amount:.6f}" if amount else "free"
