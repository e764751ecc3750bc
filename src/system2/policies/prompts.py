"""What a model is told, as messages. Pure; knows nothing about servers. Short, because every call pays for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from system2.core import Chain, Request
from system2.policies.segment import MARK, By, written

Prefill = Literal["prompt", "plain-assistant", "continue_final_message"]
Wire = dict[str, str]

_TAG = re.compile(r"<(?=\s*/?\s*(?:attempt|notes|begun)\b)", re.IGNORECASE)

_STEPS = {
    "paragraph": "Think step by step, each step a paragraph of its own.",
    "sentence": "Think step by step.",
    "marker": f"Think step by step and write {MARK} between the steps.",
}
_ANSWER = 'End with a line "Answer: ..." that holds the final answer alone.'
_BEGUN = (
    "You have already written the following. Go on right after it, without repeating any of it."
)
_ALSO = "Attempts at the same question. Each may be wrong."
_USE = "Use what is right in the attempts."
_REPLY = (
    "Your notes on this question. Write the reply to the person who asked it: the result they lead "
    "to, with what is needed to follow it. Do not mention the notes."
)
_PREFIX = "Begin with exactly this text:"


def messages(request: Request, *, by: By = "paragraph", prefill: Prefill = "prompt") -> list[Wire]:
    """The conversation that asks for this continuation.

    With a prefill the last message is the assistant's, to be continued; the messages before it are
    the same for every chain, so that a server's cache of prompts serves them all.
    """
    out = [Wire(role=m.role, content=m.text) for m in request.problem.messages]
    style, chain = request.style, written(request.chain, by)
    told: list[str] = []
    if request.also:
        told.append(_quoted(_ALSO, "attempt", request.also, by))
    if request.until == "reply":
        notes = f"{style.prompt or _REPLY}\n<notes>\n{_unforged(chain)}\n</notes>"
        told.append(
            notes if chain else style.prompt or ""
        )  # no thought before: the question as it is
        chain = ""
    else:
        steps = f"{_USE} {_STEPS[by]} {_ANSWER}" if request.also else f"{_STEPS[by]} {_ANSWER}"
        told.append(style.prompt or steps)
        if chain and prefill == "prompt":
            told.append(f"{_BEGUN}\n<begun>\n{_unforged(chain)}\n</begun>")
    if style.prefix and not prefills(request, prefill):
        told.append(f"{_PREFIX}\n{style.prefix}")
    if out and out[-1]["role"] == "user":
        told.insert(0, out.pop()["content"])
    out.append(Wire(role="user", content="\n\n".join(filter(None, told))))
    if prefills(request, prefill):
        out.append(Wire(role="assistant", content=chain + style.prefix))
    return out


def prefills(request: Request, prefill: Prefill) -> bool:
    """Is the last message the assistant's, for the server to continue?"""
    begun = bool(request.chain) and request.until != "reply"
    return prefill != "prompt" and (begun or bool(request.style.prefix))


def _quoted(heading: str, tag: str, chains: Sequence[Chain], by: By) -> str:
    quotes = (
        f"<{tag} {n}>\n{_unforged(written(c, by))}\n</{tag} {n}>" for n, c in enumerate(chains, 1)
    )
    return "\n".join([heading, *quotes])


def _unforged(text: str) -> str:
    """The text, able neither to close its quotation nor to open another."""
    return _TAG.sub("‹", text)
