"""The body of POST /v1/completions, checked, and the tokens and texts it asks to continue. Knows no model."""

from __future__ import annotations

from typing import Annotated, Any, cast

from pydantic import Field

from system2.server.errors import invalid
from system2.server.wire.chat_request import Body, StreamOptions

Prompt = str | tuple[int, ...]
Id = Annotated[int, Field(ge=0, lt=2**31)]
MOST = 2_048  # choices of one request


class CompletionRequest(Body):
    """Everything a completion may be asked with; other fields are kept beside it."""

    model: str
    prompt: str | list[Any]
    max_tokens: Annotated[int, Field(ge=0, le=10**9)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    best_of: Annotated[int, Field(ge=1, le=128)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool | None = None
    stop: Annotated[str, Field()] | Annotated[list[str], Field(max_length=4)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: dict[str, Annotated[float, Field(ge=-100, le=100)]] | None = None
    user: str | None = None

    def prompts(self) -> list[Prompt]:
        """What is to be continued, each a text or tokens. Raises ApiError 400."""
        given = self.prompt
        if isinstance(given, str):
            found: list[Prompt] = [given]
        elif given and all(is_token(one) for one in given):
            found = [tuple(cast(list[int], given))]
        elif given and all(isinstance(one, str) for one in given):
            found = [*cast(list[str], given)]
        elif given and all(is_tokens(one) for one in given):
            found = [tuple(cast(list[int], one)) for one in given]
        else:
            raise invalid(
                "Invalid type for 'prompt': expected a string, an array of strings, an array of tokens, "
                "or an array of arrays of tokens, none of them empty.",
                "prompt",
                "invalid_type",
            )
        if len(found) * (self.n or 1) > MOST:
            raise invalid(f"At most {MOST:,} choices of one request: 'prompt' times 'n'.", "prompt")
        return found

    def stops(self) -> tuple[str, ...]:
        """The strings that end a text."""
        given = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        return tuple(one for one in given if one)


def is_token(one: object) -> bool:
    """Is it a token's number?"""
    return isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 2**31


def is_tokens(one: object) -> bool:
    """Are these tokens' numbers, one at least?"""
    found = cast(list[object], one) if isinstance(one, list) else []
    return bool(found) and all(map(is_token, found))
