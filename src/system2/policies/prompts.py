"""What a model is told, as messages. Pure; knows nothing about servers. Short, because every call pays for it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Literal

from system2.core import Chain, Format, Request
from system2.policies.segment import MARK, By, written
from system2.policies.wire import Wire, turn

Prefill = Literal["prompt", "plain-assistant", "continue_final_message"]

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
_TOOLS = "Where a tool is needed, think first, then call it instead of answering."
_JSON = "Write the reply as JSON alone, with nothing around it"
_OBJECT = f"{_JSON}: one object."
_SCHEMA = f"{_JSON}, that satisfies this JSON schema:"
_AGAIN = "The last reply was not taken: {}. Write it anew."


def messages(
    request: Request, *, by: By = "paragraph", prefill: Prefill = "prompt", bound: bool = False
) -> list[Wire]:
    """The conversation that asks for this continuation.

    With a prefill the last message is the assistant's, to be continued; the messages before it are
    the same for every chain, so that a server's cache of prompts serves them all. What tools and
    users wrote stays as it is, in messages of their own roles. bound: the server itself binds the
    reply to its schema, which need not be told.
    """
    out = [turn(message) for message in request.problem.messages]
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
        tools = request.problem.tools and request.problem.tool_choice != "none"
        steps = [_USE if request.also else "", _STEPS[by], _ANSWER, _TOOLS if tools else ""]
        told.append(style.prompt or " ".join(filter(None, steps)))
        if chain and prefill == "prompt":
            told.append(f"{_BEGUN}\n<begun>\n{_unforged(chain)}\n</begun>")
    if style.prefix and not prefills(request, prefill):
        told.append(f"{_PREFIX}\n{style.prefix}")
    if style.format:
        told.append(_asked(style.format, bound=bound))
    if style.complaint:
        told.append(_AGAIN.format(_unforged(style.complaint).rstrip(".")))
    _append(out, [*filter(None, told)])
    if prefills(request, prefill):
        out.append(Wire(role="assistant", content=chain + style.prefix))
    return out


def prefills(request: Request, prefill: Prefill) -> bool:
    """Is the last message the assistant's, for the server to continue?"""
    begun = bool(request.chain) and request.until != "reply"
    return prefill != "prompt" and (begun or bool(request.style.prefix))


def _append(out: list[Wire], told: list[str]) -> None:
    """Tell it at the end of the user's last message, or in one of its own."""
    last = out[-1] if out and out[-1]["role"] == "user" else None
    if last is None:
        out += [Wire(role="user", content="\n\n".join(told))] if told else []
    elif isinstance(last["content"], str):
        last["content"] = "\n\n".join(filter(None, [last["content"], *told]))
    elif told:
        last["content"] = [*last["content"], {"type": "text", "text": "\n\n".join(told)}]


def _asked(format: Format, *, bound: bool) -> str:
    """What the reply has to be. A schema is one line of JSON, which can forge no other."""
    if not format.schema:
        return _OBJECT
    schema = json.dumps(json.loads(format.schema), ensure_ascii=False)
    return f"{_JSON}." if bound else f"{_SCHEMA}\n{schema}"


def _quoted(heading: str, tag: str, chains: Sequence[Chain], by: By) -> str:
    quotes = (
        f"<{tag} {n}>\n{_unforged(written(c, by))}\n</{tag} {n}>" for n, c in enumerate(chains, 1)
    )
    return "\n".join([heading, *quotes])


def _unforged(text: str) -> str:
    """The text, able neither to close its quotation nor to open another."""
    return _TAG.sub("‹", text)
