"""One try of a call while it is being written: pieces become steps, tokens are counted. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from system2.core import Bill, Delta, Step, Usage


@dataclass(slots=True)
class Writing:
    """What arrived so far, by child. `grant`: most completion tokens of all children together.

    reply   the text is the reply that is shown, which is never a finished line of thought
    """

    grant: int
    reply: bool = False
    chains: dict[int, list[Step]] = field(default_factory=dict[int, list[Step]])
    open: dict[int, list[Delta]] = field(default_factory=dict[int, list[Delta]])
    tokens: int = 0
    bill: Bill | None = None

    def take(self, delta: Delta) -> None:
        """A piece has come. What comes after the end of an answer counts, but is not text."""
        self.tokens += delta.tokens
        steps = self.chains.get(delta.child)
        if steps and (steps[-1].final or steps[-1].cut):
            steps[-1] = replace(steps[-1], tokens=steps[-1].tokens + delta.tokens)
            return
        self.open.setdefault(delta.child, []).append(delta)
        if delta.end:
            step = joined(self.open.pop(delta.child), reply=self.reply)
            self.chains.setdefault(delta.child, []).append(step)

    def end(self) -> None:
        """Nothing more comes: what stands unfinished is a cut step, if it was paid for."""
        deaf = self.reply and self.tokens > self.grant
        for child, pieces in sorted(self.open.items()):
            if any(piece.tokens or (piece.text and not piece.ids) for piece in pieces):
                step = replace(joined(pieces), cut=True, final=False, answer=None)
                step = replace(step, state="limit") if deaf else step
                self.chains.setdefault(child, []).append(step)
        self.open.clear()
        self._tell()

    def _tell(self) -> None:
        """The bill of a single continuation knows best how many tokens its shown text has."""
        bill = self.bill
        if len(self.chains) != 1 or bill is None or bill.estimated or not bill.usage.answer:
            return
        (steps,) = self.chains.values()
        if steps[-1].told:
            steps[-1] = replace(steps[-1], told=bill.usage.answer)

    def usage(self, prompt: int, *, broken: str, unseen: bool) -> Usage:
        """What this try cost: its bill, else what was counted. All of it is reasoning, for now.

        prompt  bound on the prompt's tokens, counted only where tokens came or may have come
        broken  "" | "aborted" | "failed"
        """
        whole, cached, missed, calls = self.tokens, 0, 0, 1
        if self.bill:
            spent = self.bill.usage
            whole, prompt, cached = spent.completion, spent.prompt, spent.cached
            missed, calls = spent.unseen, max(1, spent.calls)
        else:
            missed = max(0, self.grant - whole) if unseen else 0
            prompt = prompt if whole or unseen or not broken else 0
        return Usage(
            prompt=prompt,
            cached=cached,
            reasoning=whole,
            aborted=whole if broken == "aborted" else 0,
            failed=whole if broken == "failed" else 0,
            unseen=missed,
            overrun=max(0, whole - self.grant),
            calls=calls,
        )


def joined(pieces: list[Delta], *, reply: bool = False) -> Step:
    """The step that pieces make."""
    last = pieces[-1]
    tokens = sum([d.tokens for d in pieces])
    ids = [id for d in pieces for id in d.ids]
    logprobs = [logprob for d in pieces for logprob in d.logprobs]
    sampled = [bool(d.tokens) for d in pieces for _ in d.ids]
    cut, call = last.end == "cut", last.kind == "call"
    count = tokens + sampled.count(False)
    return Step(
        text=mended("".join([d.text for d in pieces if not call or d.kind == "call"])),
        tokens=tokens,
        kind="call" if call else pieces[0].kind,
        state=last.state or ("limit" if cut and reply else None),
        answer=last.answer,
        final=last.end == "answer" and not reply,
        cut=cut,
        told=sum([d.tokens for d in pieces if d.kind in ("reply", "call")]),
        ids=tuple(ids) if len(ids) == count else (),
        logprobs=tuple(logprobs) if len(logprobs) == count else (),
        sampled=() if all(sampled) or len(ids) != count else tuple(sampled),
        spelt=tuple([token for d in pieces for token in d.spelt]),
    )


def mended(text: str) -> str:
    """Two halves of a character that came apart become one, as they will when the text is stored."""
    if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
