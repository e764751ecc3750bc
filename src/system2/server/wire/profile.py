"""What models of old refused, with their errors: the profiles `o1` and `o1-preview`. `compat` takes all."""

from __future__ import annotations

from system2.server.errors import ApiError, invalid
from system2.server.wire.chat_request import ChatRequest

FIXED = {"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0}
EFFORTS = ("low", "medium", "high")


def rules(body: ChatRequest, profile: str) -> None:
    """Raises ApiError 400 where the profile refuses a field (o1 at its launch, 2024-12-17; o1-preview, 2024-09-12)."""
    if profile == "compat":
        return
    if body.max_tokens is not None:
        raise invalid(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        )
    for name, only in FIXED.items():
        given = getattr(body, name)
        if given is not None and given != only:
            raise value(name, f"{given:g}", f"Only the default ({only}) value is supported")
    for name in ("logprobs", "top_logprobs", "logit_bias"):
        if getattr(body, name):
            raise invalid(
                f"Unsupported parameter: '{name}' is not supported with this model.",
                name,
                "unsupported_parameter",
            )
    if (body.n or 1) > 1:
        raise value("n", str(body.n), "Only the default (1) value is supported")
    if unknown := sorted(body.model_extra or ()):
        name = unknown[0][:60]
        raise invalid(f"Unrecognized request argument supplied: {name}", name, "unknown_parameter")
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
        raise invalid(
            "Unsupported parameter: 'reasoning_effort' is not supported with this model.",
            "reasoning_effort",
            "unsupported_parameter",
        )


def supported(values: tuple[str, ...]) -> str:
    """The values there are."""
    return f"Supported values are: {', '.join(map(repr, values))}"


def value(name: str, given: str, more: str) -> ApiError:
    """A value that this model does not take."""
    said = f"Unsupported value: '{name}' does not support {given} with this model."
    return invalid(f"{said} {more}." if more else said, name, "unsupported_value")
