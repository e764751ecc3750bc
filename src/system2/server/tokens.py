"""GET /tokenizer_info, POST /tokenize, POST /detokenize: of the embedded model, or of a backend that has them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from system2.core import CallFailed
from system2.server.app import body_of, replied
from system2.server.completions import embedded
from system2.server.continuing import read
from system2.server.errors import ApiError, invalid
from system2.server.forwarded import refused
from system2.server.served import Served
from system2.server.server import Server
from system2.server.wire.chat_request import Body
from system2.server.wire.check import checked, parsed
from system2.server.wire.completion_request import Id

TEMPLATE = "{{ bos_token }}{{ messages[-1]['content'] }}<high><think>"
"""The frame the embedded model was trained in: the last message alone, the dial, its thoughts."""


class TokenizeRequest(Body):
    """A text to be cut into tokens."""

    model: str | None = None
    prompt: str
    add_special_tokens: bool = True
    return_token_strs: bool | None = None


class DetokenizeRequest(Body):
    """Tokens to be joined."""

    model: str | None = None
    tokens: Annotated[list[Id], Field(max_length=1_000_000)]


async def info(request: Request) -> Response:
    """What a client must know to build prompts itself."""
    served = chosen(request, request.query_params.get("model"))
    if not served.local:
        return replied(await passed(served, "/tokenizer_info", None))
    model = embedded(served)
    return replied(
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": "<eos>",
            "bos_token": "<bos>",
            "pad_token": "<pad>",
            "unk_token": None,
            "model_max_length": model.decoder.sizes.context,
            "vocab_size": model.tokenizer.size,
            "chat_template": TEMPLATE,
        }
    )


async def tokenize(request: Request) -> Response:
    """A text as tokens. Special ones are read by their names: this is no place for what strangers write."""
    given = parsed(await body_of(request))
    body = checked(TokenizeRequest, given)
    served = chosen(request, body.model)
    if not served.local:
        return replied(await passed(served, "/tokenize", given))
    model = embedded(served)
    ids = read(model, body.prompt, whole=body.add_special_tokens)
    told: dict[str, Any] = {
        "tokens": ids,
        "count": len(ids),
        "max_model_len": model.decoder.sizes.context,
        "token_strs": [model.tokenizer.decode([id]) for id in ids]
        if body.return_token_strs
        else None,
    }
    return replied(told)


async def detokenize(request: Request) -> Response:
    """Tokens as a text; what is tokenized again gives the same tokens, as far as they are a text's."""
    given = parsed(await body_of(request))
    body = checked(DetokenizeRequest, given)
    served = chosen(request, body.model)
    if not served.local:
        return replied(await passed(served, "/detokenize", given))
    tokenizer = embedded(served).tokenizer
    if wrong := [id for id in body.tokens if id >= tokenizer.size]:
        raise invalid(
            f"Token {wrong[0]} is none of this model's: they are numbered from 0 to {tokenizer.size - 1}.",
            "tokens",
        )
    return replied({"prompt": tokenizer.decode(body.tokens)})


def chosen(request: Request, name: str | None) -> Served:
    """The model that is meant: where several are served, and none is named, the first. Raises ApiError 403, 404."""
    server: Server = request.app.state.server
    served = (
        next(iter(server.models.served.values())) if name is None else server.models.find(name)[0]
    )
    if not request.state.key.allows(served.name):
        raise ApiError(403, f"This key may not use {served.name}.", "model_not_allowed", "model")
    server.limits.draw(request.state.key)
    return served


async def passed(served: Served, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """What the backend says. Raises ApiError."""
    told = None if body is None else {name: body[name] for name in body if name != "model"}
    try:
        return await served.upstream().tokenizer(path, told)
    except CallFailed as error:
        raise refused(error) from error
