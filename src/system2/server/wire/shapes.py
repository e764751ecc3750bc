"""The shapes of replies and of query strings, for the schema and for those who test against it. Holds no values.

Every reply may hold more than is told here: clients ignore fields that they do not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # that of `typing` tells pydantic too little on Python 3.11

Whole = Annotated[int, Field(ge=0)]


class Trouble(TypedDict):
    """What went wrong: always these four, and `code` is no number."""

    message: str
    type: str
    param: str | None
    code: str | None


class Error(TypedDict):
    """A reply that is no answer."""

    error: Trouble


class Health(TypedDict):
    """Whether it lives, or takes requests."""

    status: Literal["ok", "closing", "waiting"]


class ModelCard(TypedDict):
    """A model that is offered."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    pricing: NotRequired[dict[str, str]]
    system2: dict[str, Any]


class ModelList(TypedDict):
    """The models there are."""

    object: Literal["list"]
    data: list[ModelCard]


class FunctionCall(TypedDict):
    """The function of a call; arguments are JSON as text."""

    name: str
    arguments: str


class ToolCall(TypedDict):
    """A function that the client is to call."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class ChatAnswer(TypedDict):
    """The message of a completion. reasoning_content: what is shown of the thoughts."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: NotRequired[list[ToolCall]]
    reasoning_content: NotRequired[str]
    reasoning: NotRequired[str]


class ChatChoice(TypedDict):
    """One of the answers of a completion."""

    index: Whole
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
    logprobs: dict[str, Any] | None
    message: ChatAnswer


class PromptDetails(TypedDict):
    """Prompt tokens that came from a cache are among the prompt tokens."""

    cached_tokens: Whole


class CompletionDetails(TypedDict):
    """Reasoning tokens are among the completion tokens."""

    reasoning_tokens: Whole


class ChatUsage(TypedDict):
    """Tokens of a completion. cost: in dollars, left out where the price is unknown."""

    prompt_tokens: Whole
    completion_tokens: Whole
    total_tokens: Whole
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails
    cost: NotRequired[float]


class Completion(TypedDict):
    """A chat completion."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage
    system2: dict[str, Any]


class InputDetails(TypedDict):
    """What of the input came from a cache, or went into one."""

    cached_tokens: Whole
    cache_write_tokens: Whole


class ResponseUsage(TypedDict):
    """Tokens of a response. cost: in dollars, left out where the price is unknown."""

    input_tokens: Whole
    input_tokens_details: InputDetails
    output_tokens: Whole
    output_tokens_details: CompletionDetails
    total_tokens: Whole
    cost: NotRequired[float]


class OutputItem(TypedDict):
    """An item of the output: thoughts, a message, or a call; which fields it has depends on its type."""

    id: str
    type: Literal["reasoning", "message", "function_call"]
    status: Literal["in_progress", "completed", "incomplete"]


class ResponseTrouble(TypedDict):
    """Why a response failed."""

    code: str
    message: str


class Incomplete(TypedDict):
    """Why a response is incomplete."""

    reason: Literal["max_output_tokens", "content_filter"]


class ResponseObject(TypedDict):
    """A response, begun or over. usage: null until it is over."""

    id: str
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]
    background: bool
    error: ResponseTrouble | None
    incomplete_details: Incomplete | None
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: int | None
    model: str
    output: list[OutputItem]
    parallel_tool_calls: bool
    previous_response_id: str | None
    reasoning: dict[str, str | None]
    service_tier: str
    store: bool
    temperature: float
    text: dict[str, Any]
    tool_choice: str | dict[str, Any]
    tools: list[dict[str, Any]]
    top_logprobs: Whole
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None
    metadata: dict[str, str]
    system2: dict[str, Any]


class Deleted(TypedDict):
    """It is not there any more."""

    id: str
    object: str
    deleted: Literal[True]


class Page(TypedDict):
    """A page of a list. first_id, last_id: null, or left out, where the list is empty."""

    object: Literal["list"]
    data: list[dict[str, Any]]
    has_more: bool
    first_id: NotRequired[str | None]
    last_id: NotRequired[str | None]


class InputTokens(TypedDict):
    """What a request would be read as."""

    object: Literal["response.input_tokens"]
    input_tokens: Whole


class Compaction(TypedDict):
    """A conversation, sealed up."""

    id: str
    object: Literal["response.compaction"]
    created_at: int
    output: list[dict[str, Any]]
    usage: ResponseUsage


class Run(TypedDict):
    """A run in sum.

    answer    what was answered; null while it goes on, and where it was refuted
    tokens    the policy's completion tokens, reasoning and visible; side_tokens: those of verifiers and sidecars
    cost_usd  null where a price is unknown
    """

    id: str
    object: Literal["system2.run"]
    created_at: int | None
    status: Literal["in_progress", "interrupted", "completed", "failed", "cancelled"]
    model: str | None
    question: str
    answer: str | None
    refuted: bool | None
    tokens: Whole | None
    reasoning_tokens: Whole | None
    visible_tokens: Whole | None
    side_tokens: Whole | None
    cost_usd: float | None


class Subtree(TypedDict):
    """Nodes below a node. truncated: there are more."""

    nodes: list[dict[str, Any]]
    truncated: bool


class Controlled(TypedDict):
    """What became of a wish about a run."""

    success: bool
    run: str
    running: bool


class RunControl(TypedDict):
    """A wish about a run."""

    action: Literal["answer_now", "stop", "more"]
    add_budget: NotRequired[dict[str, Any]]


# ---------------------------------------------------------------- query strings


class Events(TypedDict):
    """stream: the events instead of the object; starting_after: the number of the last one that is known."""

    stream: NotRequired[bool]
    starting_after: NotRequired[int]


class Some(TypedDict):
    """A page of a list: so many, in this order, after the one of this id."""

    limit: NotRequired[Annotated[int, Field(ge=1, le=100)]]
    order: NotRequired[Literal["asc", "desc"]]
    after: NotRequired[str]


class Runs(TypedDict):
    """Which runs."""

    limit: NotRequired[Annotated[int, Field(ge=1, le=100)]]
    after: NotRequired[str]
    model: NotRequired[str]
    status: NotRequired[str]


class Below(TypedDict):
    """Which nodes of a tree."""

    parent: NotRequired[str]
    depth: NotRequired[Annotated[int, Field(ge=1, le=1000)]]
    min_visits: NotRequired[Whole]


class From(TypedDict):
    """From which event on."""

    starting_after: NotRequired[Annotated[int, Field(ge=-1)]]
