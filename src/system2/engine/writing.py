"""One try of a call while it is being written: pieces become steps, tokens are counted. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from system2.core import Bill, Delta, Step, Usage


@dataclass(slots=True)
class Writing:
    """What arrived so far, by child. `grant`: most completion tokens of all children together."""

    grant: int
    chains: dict[int, list[Step]] = field(default_factory=dict[int, list[Step]])
    open: dict[int, list[Delta]] = field(default_factory=dict[int, list[Delta]])
    tokens: int = 0
    bill: Bill | None = None

    def take(self, delta: Delta) -> None:
        """A piece has come."""
        self.tokens += delta.tokens
        self.open.setdefault(delta.child, []).append(delta)
        if delta.end:
            step = joined(self.open.pop(delta.child))
            self.chains.setdefault(delta.child, []).append(step)

    def end(self) -> None:
        """Nothing more comes: what stands unfinished is a cut step (it was paid for)."""
        for child in sorted(self.open):
            step = replace(joined(self.open[child]), cut=True, final=False, answer=None)
            self.chains.setdefault(child, []).append(step)
        self.open.clear()

    def usage(self, prompt: int, *, reply: bool, broken: str, unseen: bool) -> Usage:
        """What this try cost: its bill, else what was counted.

        prompt  bound on the prompt's tokens, counted only where tokens came or may have come
        broken  "" | "aborted" | "failed"
        """
        over = max(0, self.tokens - self.grant)
        if self.bill:
            spent = self.bill.usage
            whole = spent.completion
            prompt, cached = spent.prompt, spent.cached
            missed = 0
        else:
            whole, cached = self.tokens, 0
            missed = max(0, self.grant - self.tokens) if unseen else 0
            prompt = prompt if self.tokens or unseen or not broken else 0
        return Usage(
            prompt=prompt,
            cached=cached,
            reasoning=0 if reply else whole,
            answer=whole if reply else 0,
            aborted=whole if broken == "aborted" else 0,
            failed=whole if broken == "failed" else 0,
            unseen=missed,
            overrun=over,
            calls=1,
        )


def joined(pieces: list[Delta]) -> Step:
    """The step that pieces make."""
    last = pieces[-1]
    ids = tuple(d.id for d in pieces if d.id is not None)
    logprobs = tuple(d.logprob for d in pieces if d.logprob is not None)
    return Step(
        text="".join(d.text for d in pieces),
        tokens=sum(d.tokens for d in pieces),
        kind=pieces[0].kind,
        state=last.state,
        answer=last.answer,
        final=last.end == "answer",
        cut=last.end == "cut",
        told=sum(d.tokens for d in pieces if d.kind == "reply"),
        ids=ids if len(ids) == len(pieces) else (),
        logprobs=logprobs if len(logprobs) == len(pieces) else (),
    )
