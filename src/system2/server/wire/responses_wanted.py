"""What a response's body wants. Pure."""

from __future__ import annotations

from system2.core import Format, Message, Problem, Style
from system2.server.errors import invalid
from system2.server.wire.chat_request import Extension
from system2.server.wire.chat_wanted import dollars
from system2.server.wire.conversation import choice, response_tools, text_format
from system2.server.wire.responses_request import ResponseRequest
from system2.server.wire.wanted import Wanted

LOGPROBS = "message.output_text.logprobs"
SEALED = "reasoning.encrypted_content"


def response_wanted(body: ResponseRequest, messages: tuple[Message, ...]) -> Wanted:
    """What it wants, of a conversation that was put together before. Raises ApiError 400."""
    tools = response_tools(body.tools)
    chosen, allowed = choice(body.tool_choice, tools)
    own = body.system2 or Extension()
    budget, reasoning = own.budget, body.reasoning
    return Wanted(
        model=body.model,
        problem=Problem(
            messages,
            tools=tools,
            tool_choice=chosen,
            allowed=allowed,
            parallel_calls=body.parallel_tool_calls,
        ),
        effort=reasoning.effort if reasoning else None,
        pro=bool(reasoning and reasoning.mode == "pro"),
        samples=own.samples,
        most=body.max_output_tokens,
        tokens=budget.tokens if budget else None,
        dollars=dollars(own),
        seconds=budget.seconds if budget else None,
        seed=own.seed if own.seed is not None else body.seed,
        reply=style(body, text_format(body.text.format if body.text else None)),
        visibility=own.reasoning_visibility,
        summary=summarised(body),
        language=own.summary_language,
        tree=own.stream_search,
        exhausted=budget.on_exhausted if budget else "best_so_far",
        moderation=body.moderation is not None,
        place="input",
        form="text.format.schema",
    )


def style(body: ResponseRequest, format: Format | None) -> Style:
    """How the visible reply is to be written."""
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    wanted = LOGPROBS in (body.include or ()) or bool(body.top_logprobs)
    return Style(
        temperature=body.temperature,
        stop=tuple(one for one in stop if one),
        top_p=body.top_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        top_logprobs=(body.top_logprobs or 0) if wanted else None,
        format=format,
    )


def summarised(body: ResponseRequest) -> bool:
    """Are summaries told? Only where they were asked for."""
    reasoning = body.reasoning
    return bool(reasoning and (reasoning.summary or reasoning.generate_summary))


def coherent(body: ResponseRequest) -> None:
    """Raises ApiError 400 for wishes that exclude each other."""
    if body.background and body.store is False:
        raise invalid(
            "background can only be used when `store` is true", "background", "invalid_value"
        )
    if body.previous_response_id and body.conversation:
        raise invalid(
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are "
            "only providing one of them.",
            "previous_response_id",
            "mutually_exclusive_parameters",
        )
    if body.conversation is not None:
        raise invalid(
            "Conversations are not kept here; go on with previous_response_id.",
            "conversation",
            "unsupported_parameter",
        )
    if body.input is None and body.previous_response_id is None:
        raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
