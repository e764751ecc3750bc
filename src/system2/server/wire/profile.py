"""What models of old refused, with their errors: the profiles `o1` and `o1-preview`. `compat` takes all.

Neither was served by the Responses API as it is now; there they refuse what they refuse of a chat.
"""

from __future__ import annotations

from system2.server.errors import ApiError, invalid
from system2.server.wire.chat_request import ChatRequest
from system2.server.wire.responses_request import ResponseRequest

FIXED = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
EFFORTS = ("low", "medium", "high")
TEXTS = ("input_text", "output_text", "text", "summary_text", "refusal")


def rules(body: ChatRequest, profile: str) -> None:
    """Raises ApiError 400 where the profile refuses a field (o1 at its launch, 2024-12-17; o1-preview, 2024-09-12)."""
    if profile == "compat":
        return
    if body.max_tokens is not None:
        raise parameter("max_tokens", " Use 'max_completion_tokens' instead.")
    fixed(body, ("logprobs", "top_logprobs", "logit_bias"))
    if (body.n or 1) > 1:
        raise value("n", str(body.n), "Only the default (1) value is supported")
    if profile == "o1":
        if body.reasoning_effort not in (None, *EFFORTS):
            raise value("reasoning_effort", repr(body.reasoning_effort), supported(EFFORTS))
        return
    preview(body)


def preview(body: ChatRequest) -> None:
    """What o1-preview lacked besides. Raises ApiError 400."""
    for n, one in enumerate(body.messages):
        if one.role in ("system", "developer"):
            raise value(f"messages[{n}].role", repr(one.role), "")
        if isinstance(one.content, list) and any(part.type != "text" for part in one.content):
            raise invalid("Images are not supported with this model.", f"messages[{n}].content")
    if body.tools:
        raise ApiError(
            400, "tools is not supported in this model. For a list of supported models, refer to the list of models."
        )  # fmt: skip
    if body.response_format and body.response_format.type != "text":
        raise ApiError(
            400,
            f"Invalid parameter: 'response_format' of type '{body.response_format.type}' is not "
            "supported with this model.",
        )
    if body.reasoning_effort is not None:
        raise parameter("reasoning_effort")


def response_rules(body: ResponseRequest, profile: str) -> None:
    """The same of a response. Raises ApiError 400."""
    if profile == "compat":
        return
    fixed(body, ("top_logprobs", "stop"))
    reasoning = body.reasoning
    effort = reasoning.effort if reasoning else None
    if reasoning and reasoning.mode == "pro":
        raise value("reasoning.mode", "'pro'", supported(("standard",)))
    if profile == "o1":
        if effort not in (None, *EFFORTS):
            raise value("reasoning.effort", repr(effort), supported(EFFORTS))
        return
    if effort is not None:
        raise parameter("reasoning.effort")
    if body.instructions is not None:
        raise parameter("instructions")
    for n, item in enumerate(body.input if isinstance(body.input, list) else ()):
        if item.role in ("system", "developer"):
            raise value(f"input[{n}].role", repr(item.role), "")
        parts = item.content if isinstance(item.content, list) else ()
        if any(part.get("type") not in TEXTS for part in parts):
            raise value(f"input[{n}].content", "images or files", "")
    if body.tools:
        raise parameter("tools")
    if body.text and body.text.format and body.text.format.type != "text":
        raise value("text.format", repr(body.text.format.type), supported(("text",)))


def fixed(body: ChatRequest | ResponseRequest, none: tuple[str, ...]) -> None:
    """Raises ApiError 400 for a sampler that is set, for one of the fields `none`, for one that nobody knows."""
    for name, only in FIXED.items():
        given = getattr(body, name)
        if given is not None and given != only:
            raise value(name, f"{given:g}", f"Only the default ({only}) value is supported")
    for name in none:
        if getattr(body, name):
            raise parameter(name)
    if unknown := sorted(body.model_extra or ()):
        name = unknown[0][:60]
        raise invalid(f"Unrecognized request argument supplied: {name}", name, "unknown_parameter")


def parameter(name: str, more: str = "") -> ApiError:
    """A field that this model does not take."""
    said = f"Unsupported parameter: '{name}' is not supported with this model.{more}"
    return invalid(said, name, "unsupported_parameter")


def supported(values: tuple[str, ...]) -> str:
    """The values there are."""
    return f"Supported values are: {', '.join(map(repr, values))}"


def value(name: str, given: str, more: str) -> ApiError:
    """A value that this model does not take."""
    said = f"Unsupported value: '{name}' does not support {given} with this model."
    return invalid(f"{said} {more}." if more else said, name, "unsupported_value")
