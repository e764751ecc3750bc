"""One continuation as a chat server streams it: chunks become Deltas, tokens are counted. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from system2.core import Delta, Until
from system2.core.policy import End
from system2.policies.segment import Segmenter, answered


@dataclass(frozen=True, slots=True)
class Token:
    """What a chunk says of one token, or of all its tokens where it does not say more."""

    text: str
    tokens: int = 1
    logprobs: tuple[float, ...] = ()
    ids: tuple[int, ...] = ()


@dataclass(slots=True)
class Row:
    """Child `child` of a request. `before`: the chain it continues; stops: strings that end a step.

    told      the server says which stop string it met, so that none means that it was done
    tokens    counted so far, also after the step had ended; shown: those of the reply
    ended     its last Delta has been given; finished: the server itself ended it
    blank     a stop string came before any text: nothing was given
    """

    child: int
    until: Until
    segmenter: Segmenter
    before: str
    stops: tuple[str, ...]
    told: bool = True
    tokens: int = 0
    shown: int = 0
    ended: bool = False
    finished: bool = False
    blank: bool = False

    @property
    def over(self) -> bool:
        """Does the server write on although the step is whole? The only token of a call ends it too."""
        return self.ended and not self.finished and (self.until != "token" or self.tokens > 1)

    def write(self, text: str) -> list[Delta]:
        """Text that was forced upon the continuation: it costs no completion tokens."""
        return self._cut(Token(text, 0), thought=False)

    def take(self, choice: Any) -> list[Delta]:
        """What a chunk of the stream brings."""
        delta = choice.delta
        # Servers that give both fields give the same text in both.
        thought = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        content = getattr(delta, "content", None) or getattr(delta, "refusal", None)
        out: list[Delta] = []
        told = _tokens(choice, content if content is not None else thought)
        if thought and content:
            told = [Token(content)]
        if thought and (content or not told):
            out += self._feed(Token(thought), thought=True)
        for token in told:
            out += self._feed(token, thought=not content and bool(thought))
        if choice.finish_reason:
            self.finished = True
            if not self.ended:
                out += self._finish(choice)
        return out

    def _feed(self, token: Token, *, thought: bool) -> list[Delta]:
        self.tokens += token.tokens
        if self.ended:  # the server writes on while other children are not done: paid, not wanted
            return []
        out = self._cut(token, thought=thought)
        if self.segmenter.kind == "reply":
            self.shown += token.tokens
        if self.until == "token" and any(d.text for d in out):
            self.ended = True
            out[-1] = Delta(
                self.child, out[-1].text, token.tokens, logprobs=token.logprobs, end="step"
            )
        return out

    def _cut(self, token: Token, *, thought: bool) -> list[Delta]:
        """The token's text in spans: the first carries what the token cost."""
        out: list[Delta] = []
        spans = self.segmenter.feed(token.text, thought=thought)
        cost, logprobs, ids = token.tokens, token.logprobs, token.ids
        for span in spans:
            if not span.text and not span.end:
                continue
            end: End = "step" if span.end else ""
            out.append(Delta(self.child, span.text, cost, span.kind, logprobs, ids, end))
            cost, logprobs, ids = 0, (), ()
            if span.end and self.until == "step":
                self.ended = True
                return out
        if cost:  # held back for now
            out.append(Delta(self.child, "", cost, self.segmenter.kind, logprobs, ids))
        return out

    def _finish(self, choice: Any) -> list[Delta]:
        met = getattr(choice, "stop_reason", None) or getattr(choice, "matched_stop", None)
        stopped = isinstance(met, str) and met in self.stops
        if stopped and self.segmenter.kind == "thought" and not self.segmenter.filled:
            self.blank = self.ended = True
            return []
        spans = self.segmenter.feed(str(met)) if stopped and met not in self._apart() else []
        spans += self.segmenter.close()
        out = [
            Delta(self.child, s.text, 0, s.kind, end="step" if s.end else "")
            for s in spans
            if s.text or s.end
        ]
        self.ended = True
        end, answer = self._end(choice.finish_reason, stopped=stopped)
        last = (
            out.pop() if out and not out[-1].end else Delta(self.child, "", 0, self.segmenter.kind)
        )
        return [*out, Delta(self.child, last.text, 0, last.kind, end=end, answer=answer)]

    def _end(self, reason: str, *, stopped: bool) -> tuple[End, str | None]:
        if self.until == "token" or stopped:
            return "step", None
        if reason in ("length", "content_filter"):
            return "cut", None
        if self.until == "step" and not self.told and not answered(self.segmenter.text):
            return "step", None  # the stop string, as far as one can tell
        reply = "".join(self.segmenter.texts["reply"]).strip()
        if self.until == "reply" and reply:
            return "answer", reply  # all of it is shown
        return "answer", self.segmenter.answer(self.before)

    def _apart(self) -> tuple[str, ...]:
        """Stop strings that stand between steps and belong to none."""
        return ("<step>", "</step>") if self.segmenter.by == "marker" else ()


def _tokens(choice: Any, text: str | None) -> list[Token]:
    """The tokens of a chunk: one, unless log-probabilities or ids tell how many there are."""
    logprobs: list[Any] = getattr(getattr(choice, "logprobs", None), "content", None) or []
    ids: list[int] = getattr(choice, "token_ids", None) or []
    count = len(logprobs) or len(ids)
    if not count:
        return [Token(text)] if text else []
    texts = [entry.token for entry in logprobs]
    if "".join(texts) != (text or ""):  # parts of a character, or ids alone: the text goes last
        texts = [""] * (count - 1) + [text or ""]
    named = [(id,) for id in ids] if len(ids) == count else [()] * count
    chances = [(entry.logprob,) for entry in logprobs] or [()] * count
    return [Token(*entry) for entry in zip(texts, [1] * count, chances, named, strict=True)]
