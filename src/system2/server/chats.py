"""Chat completions that were stored, and those under way: listed, labelled, forgotten, told to answer now."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from system2.server.app import body_of, replied
from system2.server.data.chats import Chat
from system2.server.data.keys import Key
from system2.server.errors import ApiError
from system2.server.paging import paged, paging
from system2.server.server import Server
from system2.server.wire.chat_request import Body, Metadata
from system2.server.wire.check import checked, parsed

PAIR = re.compile(r"metadata\[(.{1,64})\]", re.DOTALL)


class ChatUpdate(Body):
    """New metadata of a stored completion: all of it; null: none."""

    metadata: Metadata | None


class Control(Body):
    """What to do with a completion under way, in llama.cpp's words."""

    id: Annotated[str, StringConstraints(max_length=200)]
    action: Literal["reasoning_end"]


async def listed(request: Request) -> Response:
    """A key's stored completions, the oldest first, of a model, with all of this metadata."""
    server, key = place(request)
    query = request.query_params
    pairs = {found[1]: value for name, value in query.items() if (found := PAIR.fullmatch(name))}
    after, limit, order = paging(request, order="asc")
    found = await server.stored.chats.list(
        key.id, model=query.get("model"), metadata=pairs, after=after, limit=limit, order=order
    )
    return replied(paged([told(chat) for chat in found.entries], found.more))


async def get(request: Request) -> Response:
    """A stored completion."""
    return replied(told(await found(request)))


async def change(request: Request) -> Response:
    """Give a stored completion other metadata."""
    server, key = place(request)
    body = checked(ChatUpdate, parsed(await body_of(request)))
    id = request.path_params["id"]
    chat = await server.stored.chats.change(id, key.id, body.metadata or {})
    if chat is None:
        raise missing(id)
    return replied(told(chat))


async def delete(request: Request) -> Response:
    """Forget a stored completion."""
    server, key = place(request)
    id = request.path_params["id"]
    if not await server.stored.chats.delete(id, key.id):
        raise missing(id)
    return replied({"id": id, "object": "chat.completion.deleted", "deleted": True})


async def messages(request: Request) -> Response:
    """What a stored completion was asked with, a page at a time."""
    after, limit, order = paging(request, order="asc")
    chat = await found(request)
    rows = [{"name": None, **one, "content": one.get("content")} for one in chat.messages]
    rows = [parted(row) for row in (rows if order == "asc" else reversed(rows))]
    if after is not None:
        there = [n for n, row in enumerate(rows) if row["id"] == after]
        rows = rows[there[0] + 1 :] if there else []
    return replied(paged(rows[:limit], len(rows) > limit))


async def control(request: Request) -> Response:
    """`{"id": "chatcmpl-…", "action": "reasoning_end"}`: no more thinking, the best answer so far."""
    server, key = place(request)
    body = checked(Control, parsed(await body_of(request)))
    one = server.completing.get(body.id)
    if one is None or one.begun.key.id != key.id:
        return replied({"success": False, "message": "No completion with this id is under way."})
    for job in one.begun.jobs:
        job.stop("answer_now")
    return replied({"success": True})


def told(chat: Chat) -> dict[str, Any]:
    """A stored completion as it is told: as it was answered, with its metadata of now."""
    return {**chat.body, "metadata": dict(chat.metadata)}


def parted(row: dict[str, Any]) -> dict[str, Any]:
    """A message with its text as `content`, and its parts, where it had any, beside it."""
    content = row["content"]
    if not isinstance(content, list):
        return row | {"content_parts": None}
    parts: list[Any] = [*content]
    text = "".join(str(part.get("text") or "") for part in parts)
    return row | {"content": text, "content_parts": parts}


async def found(request: Request) -> Chat:
    """The completion that a path names. Raises ApiError 404."""
    server, key = place(request)
    id = request.path_params["id"]
    chat = await server.stored.chats.get(id, key.id)
    if chat is None:
        raise missing(id)
    return chat


def missing(id: str) -> ApiError:
    """There is no such completion."""
    return ApiError(
        404,
        f"Chat completion with id '{id[:80]}' not found; those are stored that were asked for with store: true.",
        None,
        "completion_id",
    )


def place(request: Request) -> tuple[Server, Key]:
    """Whose request, of which server."""
    return request.app.state.server, request.state.key
