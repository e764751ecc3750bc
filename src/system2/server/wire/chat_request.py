"""The body of POST /v1/chat/completions, checked. What it means is for chat_wanted.py to say."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Short = Annotated[str, StringConstraints(max_length=512)]
Limit = Annotated[int, Field(ge=1, le=10**12)]
Metadata = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Short], Field(max_length=16)
]


class Body(BaseModel):
    """Fields we do not know are kept: a profile decides whether they are a fault."""

    model_config = ConfigDict(strict=True, extra="allow", protected_namespaces=())


class Own(BaseModel):
    """Of our own fields none is taken that is not read: a budget that was misspelt would be spent."""

    model_config = ConfigDict(strict=True, extra="forbid", protected_namespaces=())


class Budget(Own):
    """`system2.budget`."""

    usd: (
        Annotated[Decimal, Field(ge=0, le=10**12)] | Annotated[float, Field(ge=0, le=1e12)] | None
    ) = None
    seconds: Annotated[float, Field(gt=0, le=10**9)] | None = None
    tokens: Limit | None = None
    on_exhausted: Literal["best_so_far", "incomplete"] = "best_so_far"


class Extension(Own):
    """The `system2` object of a request."""

    samples: Annotated[int, Field(ge=1, le=100_000)] | None = None
    budget: Budget | None = None
    reasoning_visibility: Literal["none", "summary", "raw"] | None = None
    summary_language: Annotated[str, StringConstraints(max_length=35)] | None = None
    stream_search: bool = False
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None


class Function(Body):
    """A function as a tool."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChatTool(Body):
    """A tool, nested as chat completions have it."""

    type: str
    function: Function | None = None


class Schema(Body):
    """`response_format.json_schema`."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    schema_: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    strict: bool | None = None
    description: str | None = None


class Format(Body):
    """`response_format`."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: Schema | None = None


class CalledFunction(Body):
    """The function of a call an assistant message made."""

    name: str
    arguments: str = ""


class Call(Body):
    """A tool call in a message."""

    id: str = ""
    type: str = "function"
    function: CalledFunction | None = None


class Part(Body):
    """A part of a message's content; which other fields it has depends on its type."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: dict[str, Any] | None = None
    input_audio: dict[str, Any] | None = None
    file: dict[str, Any] | None = None


class ChatMessage(Body):
    """One message. Thoughts of earlier turns (`reasoning`, `reasoning_content`) are taken and not read."""

    role: Literal["developer", "system", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None


class StreamOptions(Body):
    """`stream_options`."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(Body):
    """Everything a chat completion may be asked with; other fields are kept beside it."""

    model: str
    messages: Annotated[list[ChatMessage], Field(max_length=10_000)]
    max_completion_tokens: Limit | None = None
    max_tokens: Limit | None = None
    reasoning_effort: Effort | None = None
    reasoning: dict[str, Any] | None = None
    include_reasoning: bool | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Annotated[str, Field()] | Annotated[list[str], Field(max_length=4)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: Format | None = None
    tools: Annotated[list[ChatTool], Field(max_length=128)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    user: str | None = None
    moderation: dict[str, Any] | None = None
    system2: Extension | None = None
