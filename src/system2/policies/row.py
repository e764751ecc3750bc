"""One continuation as a chat server streams it: chunks become Deltas, tokens are counted. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from system2.core import Delta, Token, Until
from system2.core.policy import End
from system2.policies.segment import Segmenter, Span, answered
from system2.policies.toolcalls import Calls
from system2.policies.visible import Visible


@dataclass(frozen=True, slots=True)
class Said:
    """What a chunk says of one token, or of all its tokens where it does not say more."""

    text: str
    tokens: int = 1
    logprobs: tuple[float, ...] = ()
    ids: tuple[int, ...] = ()
    spelt: tuple[Token, ...] = ()


@dataclass(slots=True)
class Row:
    """Child `child` of a request. `before`: the chain it continues; stops: strings that end a step.

    calls     of tools that it may make, once it makes any; visible: of a reply, what may be shown
    told      the server says which stop string it met, so that none means that it was done
    spells    the tokens of what is shown are told one by one
    tokens    counted so far, also after the step had ended; bytes: of their text; shown: those of the reply
    ended     its last Delta has been given; finished: the server itself ended it
    blank     a stop string came before any text: nothing was given
    declined  what it says is why it does not answer
    """

    child: int
    until: Until
    segmenter: Segmenter
    before: str
    stops: tuple[str, ...]
    calls: Calls
    visible: Visible | None = None
    told: bool = True
    spells: bool = False
    tokens: int = 0
    bytes: int = 0
    shown: int = 0
    ended: bool = False
    finished: bool = False
    blank: bool = False
    declined: bool = False

    @property
    def over(self) -> bool:
        """Does the server write on although the step is whole? The only token of a call ends it too."""
        return self.ended and not self.finished and (self.until != "token" or self.tokens > 1)

    @property
    def thinks(self) -> bool:
        """Did thoughts come apart from what is shown?"""
        thought, reply = (any(self.segmenter.texts[kind]) for kind in ("thought", "reply"))
        return thought and (reply or self.until == "reply")

    def write(self, text: str) -> list[Delta]:
        """Text that was forced upon the continuation: it costs no completion tokens."""
        return self._cut(Said(text, 0), thought=False)

    def take(self, choice: Any) -> list[Delta]:
        """What a chunk of the stream brings."""
        delta = choice.delta
        # Servers that give both fields give the same text in both.
        thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        refusal = getattr(delta, "refusal", None)
        content = getattr(delta, "content", None) or refusal
        self.declined = self.declined or bool(refusal)
        pieces = getattr(delta, "tool_calls", None) or ()
        out: list[Delta] = []
        told = _said(choice, content if content is not None else thought, spells=self.spells)
        if thought and content:
            told = [Said(content)]
        if thought and (content or not told):
            out += self._feed(Said(thought), thought=True)
        if pieces and not content and not thought:
            out += self._call(pieces, told or [Said("")])
        else:
            for said in told:
                out += self._feed(said, thought=not content and bool(thought))
            if pieces:
                out += self._call(pieces, [Said("", 0)])
        if choice.finish_reason:
            self.finished = True
            if not self.ended:
                out += self._finish(choice)
        return out

    def _feed(self, said: Said, *, thought: bool) -> list[Delta]:
        self.tokens += said.tokens
        self.bytes += len(said.text.encode("utf-8", "replace"))
        if self.ended:  # the server writes on while other children are not done: paid, not wanted
            return []
        if self.calls.all:  # text after a call: paid, and part of it
            return [Delta(self.child, "", said.tokens, "call", said.logprobs, said.ids)]
        if self.visible and self.segmenter.kind == "reply" and self.shown == self.visible.limit:
            return self._end_visible("cut", Said("", said.tokens))
        segmenter, visible = self.segmenter, self.visible
        if visible and not thought and (segmenter.kind == "reply" or segmenter.fresh):
            visible.spell(said.spelt)
        out = self._cut(said, thought=thought)
        if visible and segmenter.kind == "thought" and not segmenter.fresh:
            visible.forget()
        if self.segmenter.kind == "reply":
            self.shown += said.tokens
        if self.visible and self.visible.over:
            return [*out, *self._end_visible("answer", Said("", 0))]
        if self.until == "token" and any(d.text for d in out):
            self.ended = True
            out[-1] = Delta(
                self.child, out[-1].text, said.tokens, logprobs=said.logprobs, end="step"
            )
        return out

    def _cut(self, said: Said, *, thought: bool) -> list[Delta]:
        """The token's text in spans: the first with text carries what the token cost, else the first.

        A step that ends its call pays for the token that showed its end.
        """
        out: list[Delta] = []
        spans = [
            s
            for s in self._shown(self.segmenter.feed(said.text, thought=thought))
            if s.text or s.end
        ]
        payer = next((n for n, s in enumerate(spans) if s.text), 0) if self.until != "step" else 0
        for n, span in enumerate(spans):
            cost, logprobs, ids = 0, (), ()
            if n == payer:
                cost, logprobs, ids = said.tokens, said.logprobs, said.ids
            end: End = "step" if span.end else ""
            spelt = self._spelt(span.kind)
            out.append(
                Delta(self.child, span.text, cost, span.kind, logprobs, ids, end, spelt=spelt)
            )
            if span.end and self.until == "step":
                self.ended = True
                return out
        if said.tokens and not out:  # held back for now
            kind = self.segmenter.kind
            out.append(Delta(self.child, "", said.tokens, kind, said.logprobs, said.ids))
        return out

    def _shown(self, spans: Sequence[Span]) -> list[Span]:
        """The spans, a reply's text up to its stop string."""
        if not self.visible:
            return [*spans]
        feed = self.visible.feed
        return [Span(feed(s.text) if s.kind == "reply" else s.text, s.kind, s.end) for s in spans]

    def _spelt(self, kind: str) -> tuple[Token, ...]:
        return self.visible.spelt() if self.visible and kind == "reply" else ()

    def _end_visible(self, end: End, said: Said) -> list[Delta]:
        """The reply is over, though the server may write on: a stop string came, or its limit."""
        assert self.visible
        self.ended = True
        last, text = self.visible.close(), self.visible.text
        answer, state = (text.strip() or None, None) if end == "answer" else (None, "limit")
        lead = [Delta(self.child, last, 0, "reply", spelt=self._spelt("reply"))] if last else []
        kind = "thought" if said.tokens else "reply"
        return [
            *lead,
            Delta(self.child, "", said.tokens, kind, end=end, answer=answer, state=state),
        ]

    # ---------------------------------------------------------------- calls of tools

    def _call(self, pieces: Sequence[Any], told: list[Said]) -> list[Delta]:
        """Pieces of calls. What was written before them is a thought, and a step of its own."""
        cost = sum(said.tokens for said in told)
        self.tokens += cost
        self.bytes += sum(len(str(piece).encode("utf-8", "replace")) for piece in pieces)
        if self.ended:
            return []
        if self.calls.none:  # paid, and no part of what it says
            return [Delta(self.child, "", cost, self.segmenter.kind)] if cost else []
        out = [] if self.calls.all else self._before()
        if self.ended:
            return out
        self.calls.take(pieces)
        self.shown += cost
        logprobs = tuple(p for said in told for p in said.logprobs)
        ids = tuple(id for said in told for id in said.ids)
        return [*out, Delta(self.child, "", cost, "call", logprobs, ids)]

    def _before(self) -> list[Delta]:
        """The step that calls end."""
        spans = self._shown(self.segmenter.close())
        kind = self.segmenter.kind
        if not self.segmenter.filled:
            return []
        if kind == "reply" and self.visible and (last := self.visible.close()):
            spans.append(Span(last, "reply"))
        out = [
            Delta(self.child, span.text, 0, span.kind, spelt=self._spelt(span.kind))
            for span in spans
            if span.text
        ]
        self.ended = self.until == "step"
        return [*out, Delta(self.child, "", 0, kind, end="step")]

    # ---------------------------------------------------------------- the end

    def _finish(self, choice: Any) -> list[Delta]:
        reason = choice.finish_reason
        state = "filter" if self.until == "reply" and reason == "content_filter" else None
        if self.calls.all:
            self.ended = True
            text = self.calls.text()
            cut = reason in ("length", "content_filter") or not self.calls.named
            end, answer = ("cut", None) if cut else ("answer", text)
            return [Delta(self.child, text, 0, "call", end=end, answer=answer, state=state)]
        met = getattr(choice, "stop_reason", None) or getattr(choice, "matched_stop", None)
        stopped = isinstance(met, str) and met in self.stops
        if stopped and self.segmenter.kind == "thought" and not self.segmenter.filled:
            self.blank = self.ended = True
            return []
        spans = self.segmenter.feed(str(met)) if stopped and met not in self._apart() else []
        spans = self._shown([*spans, *self.segmenter.close()])
        if self.visible and (held := self.visible.close()):
            spans.append(Span(held, "reply"))
        out = [
            Delta(
                self.child, s.text, 0, s.kind, end="step" if s.end else "",
                spelt=self._spelt(s.kind),
            )
            for s in spans
            if s.text or s.end
        ]  # fmt: skip
        self.ended = True
        end, answer = self._end(reason, stopped=stopped)
        state = state or ("refusal" if self.declined and answer is not None else None)
        last = (
            out.pop() if out and not out[-1].end else Delta(self.child, "", 0, self.segmenter.kind)
        )
        return [
            *out,
            Delta(
                self.child, last.text, 0, last.kind, end=end, answer=answer, state=state,
                spelt=last.spelt,
            ),
        ]  # fmt: skip

    def _end(self, reason: str, *, stopped: bool) -> tuple[End, str | None]:
        if self.until == "token" or stopped:
            return "step", None
        if reason in ("length", "content_filter"):
            return "cut", None
        if self.until == "step" and not self.told and not answered(self.segmenter.text):
            return "step", None  # the stop string, as far as one can tell
        if self.visible and (reply := self.visible.text.strip()):
            return "answer", reply  # all of it is shown
        return "answer", self.segmenter.answer(self.before)

    def _apart(self) -> tuple[str, ...]:
        """Stop strings that stand between steps and belong to none."""
        return ("<step>", "</step>") if self.segmenter.by == "marker" else ()


def _said(choice: Any, text: str | None, *, spells: bool) -> list[Said]:
    """The tokens of a chunk: one, unless log-probabilities or ids tell how many there are."""
    logprobs: list[Any] = getattr(getattr(choice, "logprobs", None), "content", None) or []
    ids: list[int] = getattr(choice, "token_ids", None) or []
    count = len(logprobs) or len(ids)
    if not count:
        return [Said(text)] if text else []
    texts = [entry.token for entry in logprobs]
    if "".join(texts) != (text or ""):  # parts of a character, or ids alone: the text goes last
        texts = [""] * (count - 1) + [text or ""]
    named = [(id,) for id in ids] if len(ids) == count else [()] * count
    chances = [(entry.logprob,) for entry in logprobs] or [()] * count
    spelt = [(_token(entry),) if spells else () for entry in logprobs] or [()] * count
    entries = zip(texts, [1] * count, chances, named, spelt, strict=True)
    return [Said(*entry) for entry in entries]


def _token(entry: Any) -> Token:
    """What the server says of one token."""
    others = tuple(
        (other.token, other.logprob, _bytes(other))
        for other in getattr(entry, "top_logprobs", None) or ()
    )
    return Token(entry.token, entry.logprob, _bytes(entry), others)


def _bytes(entry: Any) -> tuple[int, ...]:
    return tuple(getattr(entry, "bytes", None) or ())
