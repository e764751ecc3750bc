"""The shapes of replies and query strings of the endpoints beside the two APIs, for the schema. Holds no values."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # that of `typing` tells pydantic too little on Python 3.11

from system2.server.wire.shapes import Completion, ResponseUsage, Whole

Share = Annotated[float, Field(ge=0, le=1)]


class CompletionList(TypedDict):
    """Stored chat completions."""

    object: Literal["list"]
    data: list[Completion]
    has_more: bool
    first_id: NotRequired[str]
    last_id: NotRequired[str]


class Told(TypedDict):
    """What became of a wish about a completion."""

    success: bool
    message: NotRequired[str]


class Likelihoods(TypedDict):
    """Tokens, and how likely each was after those before it; the first of a text has nothing before it."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[Whole]


class TextChoice(TypedDict):
    """One text."""

    index: Whole
    text: str
    logprobs: Likelihoods | None
    finish_reason: Literal["stop", "length", "content_filter"] | None


class TextUsage(TypedDict):
    """Tokens of a plain completion. cost: in dollars, left out where the price is unknown."""

    prompt_tokens: Whole
    completion_tokens: Whole
    total_tokens: Whole
    cost: NotRequired[float]


class TextCompletion(TypedDict):
    """A plain completion."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: TextUsage


class Tokenized(TypedDict):
    """A text as tokens."""

    tokens: list[int]
    count: Whole
    max_model_len: Whole


class Detokenized(TypedDict):
    """Tokens as a text."""

    prompt: str


class TokenizerInfo(TypedDict):
    """What a tokenizer is."""

    bos_token: str | None
    eos_token: str | None
    pad_token: str | None
    chat_template: str | None


class Judged(TypedDict):
    """A judgement on one text."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, Share]
    category_applied_input_types: dict[str, list[str]]


class Moderations(TypedDict):
    """Judgements, one a text."""

    id: str
    model: str
    results: list[Judged]


class Decision(TypedDict):
    """Answers, in the order of the questions."""

    model: str
    answers: list[dict[str, Any]]
    usage: ResponseUsage


class FileObject(TypedDict):
    """A file."""

    id: str
    object: Literal["file"]
    bytes: Whole
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"]
    expires_at: NotRequired[int]


class Counts(TypedDict):
    """How the lines of a batch stand."""

    total: Whole
    completed: Whole
    failed: Whole


class BatchObject(TypedDict):
    """A batch."""

    id: str
    object: Literal["batch"]
    endpoint: str
    input_file_id: str
    completion_window: str
    status: Literal[
        "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
    ]
    output_file_id: str | None
    error_file_id: str | None
    errors: dict[str, Any] | None
    created_at: int
    expires_at: int
    request_counts: Counts
    metadata: dict[str, str] | None


# ---------------------------------------------------------------- query strings


class Chats(TypedDict):
    """Which stored completions; those with metadata[KEY]=VALUE besides."""

    limit: NotRequired[Annotated[int, Field(ge=1, le=100)]]
    order: NotRequired[Literal["asc", "desc"]]
    after: NotRequired[str]
    model: NotRequired[str]


class Files(TypedDict):
    """Which files."""

    limit: NotRequired[Annotated[int, Field(ge=1, le=10_000)]]
    order: NotRequired[Literal["asc", "desc"]]
    after: NotRequired[str]
    purpose: NotRequired[str]


class Which(TypedDict):
    """Of which model; none: the first."""

    model: NotRequired[str]
