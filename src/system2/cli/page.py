"""A run as one page of HTML that needs nothing else: the tree opens where one clicks. No scripts."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from system2.cli.terminal import shown
from system2.cli.thoughts import alone
from system2.core import Node
from system2.records import Record

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #767676; --on: #0a7d55; --bad: #b3401f }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem; white-space: pre-wrap } .facts { color: var(--soft) }
.answer { font-size: 1.2rem; border-left: 4px solid var(--on); padding-left: .7rem; white-space: pre-wrap }
ul { list-style: none; margin: 0 0 0 .3rem; padding-left: .9rem; border-left: 1px solid var(--line) }
.step { font: 13px/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
.on > .step, .on > details > summary > .step { color: var(--on); font-weight: 600 }
.note { font-size: .8rem; color: var(--soft); margin-left: .6rem } .cut { color: var(--bad) }
li { margin: .5rem 0 } summary { cursor: pointer } summary > .step:first-child { display: inline } details > summary::marker { color: var(--soft) }
"""


def page(found: Record) -> str:
    """The whole page."""
    end = found.finished
    path = {node.id for node in upward(found.chosen)}
    usage = end.usage if end else found.usage
    facts = [f"{name} {value}" for name, value in found.started.settings.items()]
    facts += [f"{usage.completion:,} tokens", f"{usage.calls:,} calls"]
    if end:
        dollars = (
            "price unknown" if end.cost is None else f"${end.cost:.6f}" if end.cost else "free"
        )
        facts += [
            f"{end.samples} lines of thought",
            f"{end.seconds:.1f} s",
            dollars,
            f"ended: {end.why}",
        ]
    else:
        facts.append("unfinished")
    answer = "no answer" if end is None or end.answer is None else end.answer
    if end and end.refuted:
        answer = f"no answer: the verifier refuted {end.answer}"
    question = found.started.problem.question
    return (
        "<!doctype html>\n<html><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width'>"
        f"<title>{clean(question[:80])}</title><style>{STYLE}</style></head><body>\n"
        f"<h1>{clean(question)}</h1>\n<p class='answer'>{clean(answer)}</p>\n"
        f"<p class='facts'>{clean(' · '.join(facts))}<br>run {clean(found.started.run)}</p>\n"
        + "".join(f"<p class='cut'>{clean(error)}</p>\n" for error in dict.fromkeys(found.errors))
        + "".join(tree(found.tree.root, path))
        + "\n</body></html>\n"
    )


def tree(root: Node, path: set[int]) -> Iterator[str]:
    """Nested lists, without recursion: a line of thought may be thousands of steps long."""
    stack: list[Node | str] = [root]
    while stack:
        entry = stack.pop()
        if isinstance(entry, str):
            yield entry
        else:
            run = [entry]  # steps without a fork stand below each other
            while len(run[-1].children) == 1:
                run.append(run[-1].children[0])
            last = run[-1]
            lines = "".join(step(node, path) for node in run if node.step)
            if not last.children:
                yield f"<li{on(last, path)}>{lines}</li>\n"
                continue
            opened = " open" if last.id in path or not last.parent else ""
            label = lines or "<span class='note'>lines of thought</span>"
            name = "ul" if entry is root else "li"
            before = "" if name == "ul" else f"<li{on(last, path)}>"
            yield f"{before}<details{opened}><summary>{label}</summary><ul>\n"
            stack.append("</ul></details>" + ("" if name == "ul" else "</li>\n"))
            stack += last.children[::-1]


def step(node: Node, path: set[int]) -> str:
    """A step and what is known of it."""
    assert node.step
    notes = [] if node.score is None else [f"score {node.score:.2g}"]
    notes += [f"× {node.count}"] if node.count > 1 else []
    notes += ["cut"] if node.step.cut else []
    if node.answer is not None and not alone(node.step.text).endswith(node.answer):
        notes.append(f"⇒ {node.answer}")
    note = f"<span class='note'>{clean(' · '.join(notes))}</span>" if notes else ""
    return f"<div class='step'>{clean(alone(node.step.text))}{note}</div>"


def on(node: Node, path: set[int]) -> str:
    """The mark of the line of thought that answers."""
    return " class='on'" if node.id in path else ""


def upward(node: Node | None) -> Iterator[Node]:
    """A node and all above it."""
    while node:
        yield node
        node = node.parent


def clean(text: str) -> str:
    """Text that cannot be markup."""
    return escape(shown(text))
