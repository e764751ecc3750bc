"""POST /v1/moderations: texts judged by category, by a list of words or by a model that is served."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from system2.core import CallFailed
from system2.server.app import body_of, replied
from system2.server.data.keys import Key
from system2.server.direct import direct, failed
from system2.server.errors import ApiError, invalid
from system2.server.served import Served
from system2.server.server import Server
from system2.server.sse import unless_gone
from system2.server.wire.chat_request import Body
from system2.server.wire.check import checked, parsed
from system2.sidecars import CATEGORIES, Blocklist, Classifier, Judgement
from system2.sidecars.moderation import LONGEST, OVERLAP, TOKENS

WORDS = "system2-words"
"""What a reply calls the list of words, which is no model."""
DEFAULTS = frozenset(
    {None, WORDS, "omni-moderation-latest", "text-moderation-latest", "text-moderation-stable"}
)
MOST = 1_000  # texts of one request
TEXT = frozenset({"text", "input_text"})


class ModerationPart(Body):
    """A part of an input; what is no text cannot be judged here."""

    type: str
    text: str | None = None


class ModerationRequest(Body):
    """What is to be judged."""

    input: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MOST)]
        | Annotated[list[ModerationPart], Field(min_length=1, max_length=MOST)]
    )
    model: str | None = None

    def texts(self) -> list[str]:
        """The texts to be judged, one result each: parts are one text together. Raises ApiError 400."""
        if isinstance(self.input, str):
            return [self.input]
        parts: list[str] = []
        for n, one in enumerate(self.input):
            if isinstance(one, str):
                parts.append(one)
            elif one.type in TEXT and one.text is not None:
                parts.append(one.text)
            else:
                raise invalid(
                    f"Only parts of type 'text' can be judged here, not {one.type[:40]!r}.",
                    f"input[{n}].type",
                    "unsupported_value",
                )
        return parts if isinstance(self.input[0], str) else ["\n".join(parts)]


async def create(request: Request) -> Response:
    """Judgements, one a text."""
    server: Server = request.app.state.server
    key: Key = request.state.key
    body = checked(ModerationRequest, parsed(await body_of(request)))
    texts = body.texts()
    served = None if body.model in DEFAULTS else server.models.find(body.model)[0]
    if served is None or served.local:  # the embedded model cannot judge: the reply says who did
        server.limits.draw(key)
        judged = await asyncio.to_thread(listed, texts)
        return replied(told(WORDS, judged))
    work = classified(server, served, key, texts, request.state.request_id)
    return replied(told(served.name, await unless_gone(request, work)))


def listed(texts: list[str]) -> list[Judgement]:
    """What the list of words says; it takes time in proportion to the texts, so not in the event loop."""
    words = Blocklist()
    return [Judgement.of(dict.fromkeys(words.found(text), 1.0)) for text in texts]


async def classified(
    server: Server, served: Served, key: Key, texts: list[str], request: str
) -> list[Judgement]:
    """What a model says, in calls that are paid for. Raises ApiError."""
    calls = sum(1 + len(text) // (LONGEST - OVERLAP) for text in texts)
    read = sum(4 * len(text) for text in texts) + 2_000 * calls
    async with direct(
        server, served, key, request, tokens=calls * TOKENS, prompt=read, role="sidecar"
    ) as lent:
        try:
            return await Classifier().judge(texts, lent.write)
        except CallFailed as error:
            raise failed(error) from error
        except ValueError as error:
            raise ApiError(
                502, f"{served.name} did not give a judgement that can be read ({error}).", "server_error",
                type="server_error",
            ) from error  # fmt: skip


def told(model: str, judged: list[Judgement]) -> dict[str, Any]:
    """The reply."""
    results = [
        {
            "flagged": one.flagged,
            "categories": one.categories,
            "category_scores": {**one.scores},
            "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
        }
        for one in judged
    ]
    return {"id": f"modr-{secrets.token_hex(16)}", "model": model, "results": results}
