"""The watcher that draws one run: a span for the search, one below it for each node of its tree.

In the words of OpenInference (spec/semantic_conventions.md: graph.node.*, llm.token_count.*, llm.cost.*).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from system2.core import (
    Billed,
    Born,
    Called,
    Event,
    Failed,
    Finished,
    Handed,
    Merged,
    Noted,
    Piece,
    Recalled,
    Resumed,
    Scored,
    Started,
    Step,
    Usage,
    Vetoed,
)
from system2.server.watch.bills import Bills
from system2.server.watch.labels import word as plain
from system2.server.watch.nesting import Nesting
from system2.server.watch.trouble import code
from system2.sidecars import CATEGORIES

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

Value = str | bool | int | float | Sequence[str]
EVENTS = 64  # of a run's span, of each sort
MESSAGE = "llm.output_messages.0.message"
APART = 1_000  # nanoseconds: steps of one call set out together, and are shown in their order
TOOLS = frozenset({"call", "result"})


@dataclass(frozen=True, slots=True)
class Pen:
    """What all drawings of a server share: see `Spans`."""

    tracer: Tracer
    content: bool
    most: int
    clock: Callable[[], int]


class Drawing:
    """Draws a run. The llm.token_count.* of its spans add up to what its policy's calls cost.

    Each node has the tokens of its own step; the run's span has the rest: prompts, the reply, steps
    that were known already, and nodes beyond the most that are drawn; of a run that was resumed, only
    what it cost since. `run`: its name, where it is resumed and does not say it. `close` it where the run may
    have broken off without `Finished`.
    """

    def __init__(
        self,
        pen: Pen,
        above: Context | None,
        strategy: str,
        *,
        run: str = "",
        bills: Bills,
        finished: Callable[[Finished], None] | None = None,
    ) -> None:
        self._pen, self._above, self._strategy, self._bills = pen, above, strategy, bills
        self._finished = finished
        self._span: Span | None = None
        self._nesting = Nesting(above)
        self._off = False  # this trace is not sampled
        self._name = run
        self._out: dict[int, dict[int, int]] = {}  # ask → child → when its call set out
        self._starts: dict[int, int] = {}  # of the nodes that are drawn
        self._kept: set[tuple[int, int]] = set()  # continuations paid for before
        self._depths = [0]
        self._drawn = self._met = self._on_nodes = self._failed = self._scored = 0
        self._notes = self._vetoes = 0
        self._usage: dict[str, Usage] = {}
        self._cost: Decimal | None = Decimal(0)  # None: unknown

    def __call__(self, event: Event) -> None:
        if isinstance(event, Piece):  # by far most are
            return
        if isinstance(event, Started | Resumed):
            self._begin(event)
        elif isinstance(event, Finished):
            if self._finished:
                self._finished(event)
            self._end(event)
        elif self._span is not None and not self._off:
            self._go_on(self._span, event)

    def close(self) -> None:
        """The run is over, whether it said so or not."""
        if self._span is not None:
            self._span.set_attribute("system2.why", "broken")
            self._sum(self._span)

    def _go_on(self, span: Span, event: Event) -> None:
        match event:
            case Born():
                self._born(event)
            case Merged():
                self._met += 1
            case Called():
                self._bills.called(event)
                now, children = self._pen.clock(), self._out.setdefault(event.ask, {})
                for child in event.children:
                    children.setdefault(child, now)
            case Billed():
                self._billed(event)
            case Handed():
                for ask in event.asks:
                    self._out.pop(ask, None)
            case Recalled():
                self._kept.add((event.ask, event.child))
            case Scored():
                self._weighed(span, event)
            case Failed():
                self._failed += 1
                if self._failed <= EVENTS:
                    told = {"error.type": code(event.error), "system2.role": event.role}
                    span.add_event("call failed", told, self._pen.clock())
            case Noted():
                self._noted(span, event)
            case Vetoed():
                self._forbidden(span, event)
            case _:
                pass

    def _noted(self, span: Span, event: Noted) -> None:
        self._notes += 1
        if self._notes <= EVENTS:
            told: dict[str, Value] = {
                "system2.sidecar": plain(event.by),
                "system2.occasion": event.what,
            }
            if self._pen.content:
                told["system2.note"] = event.text
            span.add_event("note", told, self._pen.clock())

    def _forbidden(self, span: Span, event: Vetoed) -> None:
        self._vetoes += 1
        if self._vetoes <= EVENTS:
            told: dict[str, Value] = {
                "system2.sidecar": plain(event.by),
                "system2.stop": event.stop,
            }
            categories = event.reason.split(", ")
            if all(name in CATEGORIES for name in categories):  # any other reason may quote
                told["system2.categories"] = categories
            if self._pen.content:
                told["system2.reason"] = event.reason
            span.add_event("veto", told, self._pen.clock())

    def _billed(self, event: Billed) -> None:
        who, dollars = self._bills.name(event), self._bills.dollars(event)
        self._usage[who] = self._usage.get(who, Usage()) + event.usage
        if self._cost is not None:
            self._cost = None if dollars is None else self._cost + dollars

    def _begin(self, event: Started | Resumed) -> None:
        from opentelemetry.trace import set_span_in_context

        attributes: dict[str, Value] = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": self._strategy,
            "openinference.span.kind": "LLM",  # a CHAIN's tokens are not summed, and it has the prompts
            "graph.node.name": "question",
            "system2.resumed": isinstance(event, Resumed),
        }
        if isinstance(event, Resumed):
            for role, lost in event.lost.items():  # nobody was there to be billed
                self._usage[role] = self._usage.get(role, Usage()) + lost
        else:
            self._name = event.run or self._name
            if self._pen.content:
                attributes["input.value"] = event.problem.question
        attributes["graph.node.id"] = self._id(0)
        attributes["system2.run"] = self._name
        self._depths = [0]
        self._span = self._pen.tracer.start_span(
            f"invoke_workflow {self._strategy}",
            self._above,
            attributes=attributes,
            start_time=self._pen.clock(),
        )
        self._off = not self._span.is_recording()
        self._nesting = Nesting(set_span_in_context(self._span, self._above))

    def _id(self, node: int) -> str:
        """A node's, the same for no two runs of a trace."""
        return f"{self._name}/n{node}"

    def _born(self, event: Born) -> None:
        from opentelemetry.trace import set_span_in_context

        depth = self._depths[event.parent] + 1
        self._depths.append(depth)
        if self._drawn >= self._pen.most:
            return
        self._drawn += 1
        step, kept = event.step, (event.ask, event.child) in self._kept
        now = self._pen.clock()
        begun = self._out.get(event.ask, {}).get(event.child, now)
        begun = min(now, max(begun, self._starts.get(event.parent, 0) + APART))
        self._starts[event.id] = begun
        attributes = self._of_step(step) | {
            "graph.node.id": self._id(event.id),
            "graph.node.parent_id": self._id(event.parent),
            "graph.node.name": f"{word(step)} {depth}",
        }
        if kept:
            attributes["system2.node.recalled"] = True
        elif step.kind not in TOOLS:  # a tool's tokens are with the rest: nobody sums them here
            self._on_nodes += step.tokens
            attributes["llm.token_count.completion"] = step.tokens
            attributes["llm.token_count.completion_details.reasoning"] = step.tokens - step.told
        if event.score is not None:
            attributes["gen_ai.evaluation.name"] = "verifier"
            attributes["gen_ai.evaluation.score.value"] = event.score
        above = self._nesting.above(event.parent)
        span = self._pen.tracer.start_span(
            word(step), above, attributes=attributes, start_time=begun
        )
        self._nesting.add(event.id, event.parent, set_span_in_context(span, self._above))
        span.end(now)

    def _of_step(self, step: Step) -> dict[str, Value]:
        """What a step's span says of it, and its text where that is wanted."""
        status = "failed" if step.cut else "solved" if step.final else "open"
        told: dict[str, Value] = {
            "openinference.span.kind": "TOOL" if step.kind in TOOLS else "LLM",
            "system2.node.status": status,
        }
        if self._pen.content:
            kind = "text" if step.kind == "reply" else "reasoning"
            told[f"{MESSAGE}.role"] = "assistant"
            told[f"{MESSAGE}.contents.0.message_content.type"] = kind
            told[f"{MESSAGE}.contents.0.message_content.text"] = step.text
        return told

    def _weighed(self, span: Span, event: Scored) -> None:
        for node, score in event.scores:
            self._scored += 1
            if score is not None and self._scored <= EVENTS:
                told = {
                    "gen_ai.evaluation.name": "verifier",
                    "gen_ai.evaluation.score.value": score,
                    "graph.node.id": self._id(node),
                }
                span.add_event("gen_ai.evaluation.result", told, self._pen.clock())

    def _end(self, event: Finished) -> None:
        span = self._span
        if span is None:
            return
        told: dict[str, Value] = {
            "system2.why": event.why,
            "system2.samples": event.samples,
        }
        if event.node is not None:
            told["system2.chosen"] = self._id(event.node)
        if self._pen.content and event.answer is not None:
            told["output.value"] = event.answer
        span.set_attributes(told)
        if event.why == "failed":
            from opentelemetry.trace import StatusCode

            span.set_attribute("error.type", "failed")
            span.set_status(StatusCode.ERROR)
        self._sum(span)

    def _sum(self, span: Span) -> None:
        """Say what the calls of this run cost and were not told of by a node, and close its span."""
        usage = self._usage.get("policy", Usage())
        rest = max(0, usage.completion - self._on_nodes)
        nodes = len(self._depths) - 1
        told: dict[str, Value] = {
            "llm.token_count.prompt": usage.prompt,
            "llm.token_count.prompt_details.cache_read": usage.cached,
            "llm.token_count.completion": rest,
            "system2.nodes": nodes,
            "system2.nodes_not_drawn": nodes - self._drawn,
            "system2.duplicates": self._met,
            "system2.calls_failed": self._failed,
            "system2.notes": self._notes,
            "system2.vetoes": self._vetoes,
        }
        for who, other in self._usage.items():
            if who != "policy":
                told[f"system2.tokens.{who}"] = other.prompt + other.completion
        if self._cost is not None and self._bills.price is not None:
            reasoning = self._bills.price.of(Usage(reasoning=usage.completion))
            told["llm.cost.total"] = float(self._cost)
            told["llm.cost.completion_details.reasoning"] = float(reasoning)
        span.set_attributes(told)
        span.end(self._pen.clock())
        self._span = None


def word(step: Step) -> str:
    """What sort of node a step makes."""
    if step.cut:
        return "cut"
    return "answer" if step.final else step.kind
