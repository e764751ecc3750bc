"""`system2 runs` and `system2 trace`: what was thought, and what it cost. Reads traces, spends nothing."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from system2.cli.page import page
from system2.cli.terminal import quoted, shown
from system2.cli.thoughts import alone, pretty
from system2.core import Finished, Node, Started, Usage
from system2.records import Record, Summary, find, record, summaries
from system2.verifiers import Redundancy, redundancy

ENDING = (
    "answer", "refuted", "why", "samples", "tokens", "reasoning_tokens", "answer_tokens", "side_tokens",
    "cost_dollars", "seconds",
)  # fmt: skip
"""How a run ended, for `--json`. refuted: what was found is known to be wrong, and was not given. tokens: the policy's;
side_tokens: those of verifiers and sidecars."""
WIDTH = 48  # characters of a question in the list


def runs(options: argparse.Namespace) -> int:
    """The newest runs, one a line; exit status 0."""
    if options.limit < 1:
        raise ValueError(f"--limit must be at least 1, {options.limit} was given")
    found = [*islice(summaries(), options.limit)]
    if options.json:
        print(quoted(json.dumps([summary(one) for one in found], ensure_ascii=False)))  # noqa: T201
        return 0
    if not found:
        sys.stderr.write("system2: there are no runs yet; ask something first\n")
        return 0
    for line in table([row(one) for one in found]):
        print(shown(line))  # noqa: T201
    return 0


def trace(options: argparse.Namespace) -> int:
    """One run: what was asked, answered and thought; exit status 0."""
    found = record(find(options.run))
    if options.html:
        Path(options.html).write_text(page(found), "utf-8")
        sys.stderr.write(f"system2: wrote {options.html}\n")
    elif options.json:
        print(quoted(json.dumps(whole(found), ensure_ascii=False)))  # noqa: T201
    else:
        for line in report(found, everything=options.tree):
            print(shown(line))  # noqa: T201
    return 0


def when(run: str) -> str:
    """The time in a run's name."""
    try:
        return datetime.strptime(run[:15], "%Y%m%d-%H%M%S").isoformat(" ")
    except ValueError:
        return ""


def summary(one: Summary) -> dict[str, Any]:
    """A run as `--json` lists it."""
    return {"run": one.run, "time": when(one.run), **asked(one.started), **ended(one.finished)}


def asked(started: Started) -> dict[str, Any]:
    """What was asked for."""
    return {
        "question": started.problem.question,
        "settings": started.settings,
        "seed": started.seed if started.ordered else None,
    }


def ended(finished: Finished | None) -> dict[str, Any]:
    """How it ended; all null where it did not."""
    if finished is None:
        return dict.fromkeys(ENDING)
    return {
        "answer": None if finished.refuted else finished.answer,
        "refuted": finished.refuted,
        "why": finished.why,
        "samples": finished.samples,
        "tokens": finished.usage.completion,
        "reasoning_tokens": finished.usage.reasoning,
        "answer_tokens": finished.usage.answer,
        "side_tokens": sum(used.completion for _, used in aside(finished)),
        "cost_dollars": None if finished.cost is None else float(finished.cost),
        "seconds": round(finished.seconds, 3),
    }


def row(one: Summary) -> tuple[str, ...]:
    """A run in the list."""
    end = one.finished
    question = " ".join(one.started.problem.question.split())
    short = question if len(question) <= WIDTH else question[: WIDTH - 1] + "…"
    answer = "" if end is None or end.answer is None else " ".join(end.answer.split())[:24]
    if end and end.refuted:
        answer = "(refuted)"
    effort = one.started.settings.get("effort", "")
    if end is None:
        return one.run, short, effort, "unfinished", "", "", ""
    return (
        one.run, short, effort, end.why, answer, f"{end.usage.completion:,}", cost(end),
    )  # fmt: skip


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Columns as wide as what stands in them."""
    head = ("run", "question", "effort", "ended", "answer", "tokens", "cost")
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for cells in (head, *rows):
        line = (
            cell.rjust(width) if n > 4 else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield "  ".join(line).rstrip()


def cost(finished: Finished) -> str:
    """Dollars as people read them."""
    if finished.cost is None:
        return "unknown"
    return f"${finished.cost:.6f}" if finished.cost else "free"


def report(found: Record, *, everything: bool) -> Iterator[str]:
    """A run in lines."""
    end = found.finished
    yield found.started.problem.question
    yield ""
    settings = ", ".join(f"{name} {value}" for name, value in found.started.settings.items())
    yield f"{settings}; run {found.started.run}"
    usage = end.usage if end else found.usage
    if end:
        seen = (
            f"{end.samples} lines of thought in {end.seconds:.1f} s, {cost(end)}; ended: {end.why}"
        )
    else:
        seen = f"unfinished: {len(found.tree.finals)} lines of thought when it stopped"
    split = f" ({usage.reasoning:,} of thought, {usage.answer:,} of the answer)" if end else ""
    yield f"{usage.completion:,} tokens{split} of {usage.calls} calls; {seen}"
    for role, used in aside(end) if end else ():
        yield f"besides {used.completion:,} tokens of {used.calls} calls by the {role}"
    if (said := redundancy(found.tree)).tokens:
        yield repeated(said)
    for error in dict.fromkeys(found.errors):
        yield f"failed {found.errors.count(error)} times: {error}"
    barred = [f"{veto.by}: {veto.reason}" for veto in found.vetoes]
    for reason in dict.fromkeys(barred):
        yield f"vetoed {barred.count(reason)} times by {reason}"
    yield ""
    for answer, count, score in answers(found):
        judged = "" if score is None else f", scored {score:.2g}"
        yield f"{count:4} × {answer}{judged}"
    if everything:
        yield ""
        yield from branches(found.tree.root, found.chosen, "")
    elif found.chosen:
        yield ""
        yield "the line of thought that answers:"
        yield pretty(found.chosen.chain())
    if end:
        yield ""
        yield given(end)


def given(end: Finished) -> str:
    """What was answered, in a sentence."""
    if end.refuted:
        return f"no answer: the verifier refuted {end.answer}"
    return "no answer" if end.answer is None else f"answer: {end.answer}"


def aside(end: Finished) -> list[tuple[str, Usage]]:
    """What others than the policy spent, by role."""
    return [
        (role, used) for role, used in sorted(end.roles.items()) if role != "policy" and used.calls
    ]


def repeated(said: Redundancy) -> str:
    """How much of the thinking was said before, in a sentence."""
    told = f"{said.share:.0%} of {said.tokens:,} reasoning tokens say what another line said before"
    if said.by == "text":
        return f"{told} (letter for letter; by meaning with `pip install 'system2[meaning]'`)"
    longer = f"; {said.longer:,} longer steps letter for letter" if said.longer else ""
    return f"{told} (by meaning{longer})"


def answers(found: Record) -> list[tuple[str, int, float | None]]:
    """Each answer, how many lines of thought came to it, and its best score; the most frequent first."""
    counts: dict[str, int] = {}
    scores: dict[str, float | None] = {}
    for node in found.tree.finals:
        answer = "(none)" if node.answer is None else node.answer
        counts[answer] = counts.get(answer, 0) + 1
        known = [score for score in (scores.get(answer), node.score) if score is not None]
        scores[answer] = max(known, default=None)
    return sorted(((a, n, scores[a]) for a, n in counts.items()), key=lambda entry: -entry[1])


def branches(node: Node, chosen: Node | None, indent: str) -> Iterator[str]:
    """The tree below a node: one step a line, set in where it forks."""
    stack = [(child, indent) for child in reversed(node.children)]
    path = set[int]()
    at = chosen
    while at:
        path.add(at.id)
        at = at.parent
    while stack:
        node, indent = stack.pop()
        sign = "▶" if node.id in path else "·"
        score = "" if node.score is None else f"  [{node.score:.2g}]"
        count = f"  ×{node.count}" if node.count > 1 else ""
        text = alone(node.step.text).replace("\n", " ") if node.step else ""
        end = "  (cut)" if node.step and node.step.cut else ""
        if node.answer is not None and not text.endswith(node.answer):
            end = f"  ⇒ {node.answer}"
        yield f"{indent}{sign} {text}{score}{count}{end}"
        deeper = indent + "  " if len(node.children) > 1 else indent
        stack += [(child, deeper) for child in reversed(node.children)]


def whole(found: Record) -> dict[str, Any]:
    """A run as `--json` shows it: the nodes in the order of their birth."""
    said = redundancy(found.tree)
    return {
        "run": found.started.run,
        **asked(found.started),
        **ended(found.finished),
        "errors": found.errors,
        "redundancy": {
            "reasoning_tokens": said.tokens,
            "redundant_tokens": said.again,
            "share": round(said.share, 4),
            "by": said.by,
            "steps_by_text_alone": said.longer,
        },
        "chosen": found.chosen.id if found.chosen else None,
        "nodes": [
            {
                "id": node.id,
                "parent": node.parent.id,
                "text": node.step.text,
                "tokens": node.step.tokens,
                "score": node.score,
                "count": node.count,
                "answer": node.answer,
                "cut": node.step.cut,
            }
            for node in found.tree.nodes
            if node.parent and node.step
        ],
    }
