"""The embedded model as a policy: questions to prompts, tokens to steps. Knows nothing about search.

Nothing here computes an answer or looks for one in the question: what is said is what the model wrote.
"""

from __future__ import annotations

import codecs
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from system2.core import Bill, CallFailed, Chain, Delta, Problem, Request, Step, Usage
from system2.policies.local.decoder import Decoder, Row, Token
from system2.policies.local.tokenizer import SPECIALS, Tokenizer
from system2.policies.local.weights import WeightsError, load
from system2.policies.visible import Visible

HOME = Path(__file__).parents[2] / "weights"
LONGEST = 400  # tokens of a question; the trained ones have at most 300
OUTSIDE = (
    "This is outside what the embedded model was trained for. It can add, subtract, multiply and divide "
    "whole numbers, work out sums with brackets, compare decimals, solve linear equations, count "
    "letters, play Countdown and 24, convert bases, sort numbers, continue sequences, tell knights "
    "from knaves and solve one-row grid puzzles. For anything else plug in a bigger model: "
    "--model http://localhost:8000/v1 --model-name NAME.\n"
    "这个问题超出了内置小模型的训练范围。请用 --model 接入更大的模型。"
)


@dataclass(frozen=True, slots=True)
class Model:
    """A decoder and the tokenizer that goes with it."""

    decoder: Decoder
    tokenizer: Tokenizer


@cache
def model(folder: Path = HOME) -> Model:
    """The model of a folder, loaded once a process. Raises WeightsError."""
    weights = load(folder)
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.load(path)
        if missing := {*SPECIALS} - {*tokenizer.special}:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
        if tokenizer.size > weights.sizes.vocab:
            raise ValueError(f"{tokenizer.size} tokens, and the model knows {weights.sizes.vocab}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path} cannot be read ({error}); reinstall system2 or rebuild the model with "
            "`system2 train sft`"
        ) from error
    return Model(Decoder(weights), tokenizer)


class LocalPolicy:
    """Thinks with the embedded model. `temperature` 0 is greedy; a request's style may override it.

    Reads the last user message only: the model was trained on single questions.
    """

    can = frozenset({"continue", "n", "logprobs"})

    def __init__(self, folder: Path = HOME, *, temperature: float = 0.0) -> None:
        self.model = model(folder)
        self.temperature = temperature
        special = self.model.tokenizer.special
        self.ends = frozenset({special["<eos>"]})
        self.marks = self.ends | {special[name] for name in ("<step>", "<check>", "<back>")}
        self.close = special["</think>"]

    def prompt(self, problem: Problem, chain: Chain) -> list[int]:
        """The frame of docs/traces.md: question, effort, the thoughts so far. Raises CallFailed."""
        if why := unread(problem):
            raise CallFailed(why, retry=False)
        tokenizer, question = self.model.tokenizer, problem.question.strip()
        read = tokenizer.encode(question) if len(question) <= 20 * LONGEST else []
        if len(read) > LONGEST or not read:
            size = f"{len(question)} characters" + (f", {len(read)} tokens" if read else "")
            raise CallFailed(
                f"the question has {size}; the embedded model reads from 1 to {LONGEST} tokens: "
                "ask more briefly, or plug in a bigger model with --model URL",
                retry=False,
            )
        effort = problem.effort or "high"
        special = tokenizer.special
        ids = [special["<bos>"], *read, special[f"<{effort}>"]]
        if effort != "none":
            ids.append(special["<think>"])
        for step in chain:
            ids.extend(step.ids or tokenizer.encode_trace(step.text))
        return ids

    async def warm(self) -> None:
        """Begin to work, where nobody waits: the decoder is compiled when it writes for the first time.

        Raises DecoderError where it cannot run here.
        """
        begin = self.model.tokenizer.special["<bos>"]
        rows = [Row((begin,) * 8, seed, 2) for seed in range(2)]
        async with aclosing(self.model.decoder.stream(rows)) as stream:
            async for _ in stream:
                pass

    def prompt_bound(self, request: Request) -> int:
        """Exactly the prompt's tokens; 0 for a question that will be refused."""
        try:
            return len(self.begun(request)[0])
        except CallFailed:
            return 0

    def begun(self, request: Request) -> tuple[list[int], Chain, Step | None]:
        """The tokens to go on from, the whole steps, and what is kept of one that is forked. Raises CallFailed."""
        at, chain = request.style.at, request.chain
        if at is None:
            return self.prompt(request.problem, chain), chain, None
        last = chain[-1] if chain else None
        if last is None or not 0 <= at < len(last.ids):
            raise CallFailed(
                f"the embedded model cannot fork at token {at}: that takes a step of more tokens, "
                "whose ids are known",
                retry=False,
            )
        kept = replace(last, ids=last.ids[:at], logprobs=last.logprobs[:at])
        return [*self.prompt(request.problem, chain[:-1]), *kept.ids], chain[:-1], kept

    def within(self, step: Step, limit: int | None) -> str:
        """The step's answer, or as much of it as so many tokens say."""
        said, tokens = step.answer or "", self.model.tokenizer
        if limit is None or step.told <= limit or step.state == "refusal":
            return said
        answer = [id for id in step.ids[-step.told :] if id not in self.ends]
        if len(answer) <= limit or tokens.decode(answer) != said:
            return said
        return tokens.decode(answer[:limit]).rstrip("\ufffd")  # half a character says nothing

    async def stream(self, request: Request) -> AsyncGenerator[Delta | Bill]:
        """Tokens of all continuations as they are decoded, then the bill. Raises CallFailed.

        A style's prompt is not read: this model takes no instructions.
        """
        style = request.style
        if request.until == "reply" and request.chain and request.chain[-1].final:
            visible, last = Visible(style.stop), request.chain[-1]
            said = visible.feed(self.within(last, style.limit)) + visible.close()
            cut = not visible.over and said != last.answer
            for child in range(request.n):  # it has answered, and says it again
                if cut:
                    yield Delta(child, said, 0, "reply", end="cut", state="limit")
                else:
                    yield Delta(
                        child, said, 0, "reply", end="answer", answer=said or None, state=last.state
                    )
            yield Bill(Usage(calls=1))
            return
        ids, chain, kept = self.begun(request)
        room = self.model.decoder.sizes.context - len(ids)
        limit = 1 if request.until == "token" else min(request.max_tokens, room)
        if request.also or style.prefix or (style.stop and request.until != "reply"):
            raise CallFailed(
                "the embedded model reads one line of thought and writes freely: it cannot take other "
                "attempts, a forced beginning or stop strings",
                retry=False,
            )
        heat = self.temperature if style.temperature is None else style.temperature
        stop = self.marks if request.until == "step" else self.ends
        written = 0
        if limit > 0:
            rows = [Row(tuple(ids), seed, limit, heat, stop) for seed in request.seeds]
            told = (request.problem.effort or "high") == "none" or any(
                "</think>" in step.text for step in chain
            )
            if told and request.until == "reply" and style.limit:
                rows = [replace(row, limit=min(row.limit, style.limit)) for row in rows]
            begun = [id for step in chain if step.kind == "reply" for id in step.ids]
            lone = request.until == "token"
            stops = style.stop if request.until == "reply" else ()
            texts = [Writer(self, told, [*begun], lone, Visible(stops)) for _ in rows]
            for row, text in enumerate(texts):
                if kept and kept.ids:
                    yield text.keep(kept, row)
            stream = self.model.decoder.stream(rows)
            try:
                async for tokens in stream:
                    written += len(tokens)
                    for row, own in by_row(tokens).items():
                        for delta in texts[row].take(own):
                            yield delta
            finally:
                await stream.aclose()
        yield Bill(Usage(prompt=len(ids), reasoning=written, calls=1))


@dataclass(slots=True)
class Writer:
    """The text of one continuation: which tokens end a step, which belong to the answer."""

    policy: LocalPolicy
    told: bool  # past `</think>`: what follows is the answer
    answer: list[int]  # of it, so far
    lone: bool = False  # every token is a step of its own
    visible: Visible = field(default_factory=Visible)  # of the answer, up to a stop string
    utf8: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def take(self, tokens: list[Token]) -> Iterator[Delta]:
        """Tokens as they came: a piece ends with them, with a step, and with the thoughts."""
        run: list[Token] = []
        for token in tokens:
            run.append(token)
            if token.id in self.policy.marks or token.id == self.policy.close:
                yield self.piece(run)
                run = []
        if run:
            yield self.piece(run)

    def keep(self, step: Step, row: int) -> Delta:
        """The tokens of a forked step that stay: they were paid for before."""
        said = b"".join([self.policy.model.tokenizer.raw(id) for id in step.ids])
        kind = "reply" if self.told else "thought"
        if self.told:
            self.answer += step.ids
        elif self.policy.close in step.ids:
            self.told = True
            self.answer += step.ids[step.ids.index(self.policy.close) + 1 :]
        return Delta(row, self.utf8.decode(said), 0, kind, step.logprobs, step.ids)

    def piece(self, run: list[Token]) -> Delta:
        """Some tokens as one piece of the stream."""
        tokenizer, policy, last = self.policy.model.tokenizer, self.policy, run[-1]
        kind = "reply" if self.told else "thought"
        ids, logprobs = tuple([t.id for t in run]), tuple([t.logprob for t in run])
        whole = last.id in policy.ends
        shown = ids[:-1] if whole else ids
        text = self.utf8.decode(b"".join([tokenizer.raw(id) for id in shown]))
        if self.told:
            self.answer += shown
            if self.visible.stops:
                text = self.visible.feed(text) + (self.visible.close() if whole else "")
        self.told = self.told or last.id == policy.close
        if whole:
            said = tokenizer.decode(self.answer)
            outside = said == "<outside>"
            said = OUTSIDE if outside else said
            answer = (self.visible.text if self.visible.stops else said) or None
            return Delta(
                last.row, text, len(ids), kind, logprobs, ids, "answer", answer,
                state="refusal" if outside else None,
            )  # fmt: skip
        over = last.id in policy.marks or self.lone
        end = "step" if over else "cut" if last.last else ""
        return Delta(last.row, text, len(ids), kind, logprobs, ids, end)


def unread(problem: Problem) -> str:
    """Why the embedded model cannot take this problem, in a sentence; empty: it can.

    It reads the question alone: tools that may be called are left uncalled.
    """
    if any(part.kind != "text" for message in problem.messages for part in message.parts):
        return (
            "the embedded model reads text only; leave out images and files, or plug in a model that "
            "reads them with --model URL"
        )
    if problem.tools and problem.tool_choice == "required":
        return (
            "the embedded model calls no tools, and tool_choice says that one has to be called; make it "
            "auto, or plug in a bigger model with --model URL"
        )
    return ""


def by_row(tokens: list[Token]) -> dict[int, list[Token]]:
    """The tokens of each row, in order."""
    rows: dict[int, list[Token]] = {}
    for token in tokens:
        rows.setdefault(token.row, []).append(token)
    return rows
