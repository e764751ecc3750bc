"""What a chat completion's body wants. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, cast

from system2.core import Format, Problem, Style
from system2.effort import EFFORTS
from system2.server.errors import invalid
from system2.server.wire.chat_request import ChatRequest, Extension
from system2.server.wire.conversation import (
    Fetch,
    chat_format,
    chat_tools,
    choice,
    conversation,
)
from system2.server.wire.wanted import Visibility, Wanted


def chat_wanted(body: ChatRequest, may_fetch: Fetch) -> Wanted:
    """What it wants. Raises ApiError 400, naming the field."""
    tools = chat_tools(body.tools)
    chosen, allowed = choice(body.tool_choice, tools)
    problem = Problem(
        conversation(body.messages, may_fetch),
        tools=tools,
        tool_choice=chosen,
        allowed=allowed,
        parallel_calls=body.parallel_tool_calls,
    )
    own = body.system2 or Extension()
    budget = own.budget
    return Wanted(
        model=body.model,
        problem=problem,
        effort=effort(body),
        samples=own.samples,
        most=body.max_completion_tokens,
        tokens=budget.tokens if budget else None,
        dollars=dollars(own),
        seconds=budget.seconds if budget else None,
        seed=own.seed if own.seed is not None else body.seed,
        n=body.n or 1,
        reply=style(body, chat_format(body.response_format)),
        visibility=visibility(body, own),
        summary=own.reasoning_visibility == "summary",
        language=own.summary_language,
        tree=own.stream_search,
        exhausted=budget.on_exhausted if budget else "best_so_far",
        moderation=body.moderation is not None,
    )


def style(body: ChatRequest, format: Format | None) -> Style:
    """How the visible reply is to be written."""
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Style(
        temperature=body.temperature,
        stop=tuple(one for one in stop if one),
        top_p=body.top_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias=biases(body.logit_bias),
        top_logprobs=alternatives(body),
        limit=body.max_tokens,
        format=format,
    )


def alternatives(body: ChatRequest) -> int | None:
    """How many alternatives of each token; None: no log-probabilities at all. Raises ApiError 400."""
    if body.top_logprobs and not body.logprobs:
        raise invalid(
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
            "top_logprobs",
        )
    return (body.top_logprobs or 0) if body.logprobs else None


def biases(given: Mapping[str, float] | None) -> tuple[tuple[int, float], ...]:
    """`logit_bias` by token. Raises ApiError 400."""
    out: list[tuple[int, float]] = []
    for token, bias in (given or {}).items():
        if not token.isascii() or not token.isdigit() or len(token) > 9:
            raise invalid(
                f"'logit_bias' names tokens by their numbers, not {token[:30]!r}.", "logit_bias"
            )
        out.append((int(token), bias))
    return tuple(out)


def effort(body: ChatRequest) -> str | None:
    """OpenAI's field, or the dialects of others. Raises ApiError 400."""
    if body.reasoning_effort is not None:
        return body.reasoning_effort
    given = (body.reasoning or {}).get("effort")
    if given is not None:
        if given not in EFFORTS:
            raise invalid(f"'reasoning.effort' is one of {', '.join(EFFORTS)}.", "reasoning.effort")
        return cast(str, given)
    template = (body.model_extra or {}).get("chat_template_kwargs")
    if (
        isinstance(template, dict)
        and cast(dict[str, Any], template).get("enable_thinking") is False
    ):
        return "none"
    return "none" if (body.reasoning or {}).get("enabled") is False else None


def visibility(body: ChatRequest, own: Extension) -> Visibility | None:
    """How much of the thoughts to show; what other servers call leaving them out counts too."""
    if body.include_reasoning is False or (body.reasoning or {}).get("exclude") is True:
        return "none"
    return own.reasoning_visibility


def dollars(own: Extension) -> Decimal | None:
    """`system2.budget.usd`."""
    if own.budget is None or own.budget.usd is None:
        return None
    return Decimal(str(own.budget.usd))
