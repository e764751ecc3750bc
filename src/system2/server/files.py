"""Files over HTTP: sent as forms, listed, read, forgotten. Knows nothing of what stands in them."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncGenerator
from typing import Any

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from system2.server.app import limited, replied
from system2.server.chats import place
from system2.server.data.files import File
from system2.server.errors import ApiError, invalid
from system2.server.paging import paged, paging

PURPOSES = ("assistants", "batch", "evals", "fine-tune", "user_data", "vision")
MOST = 10_000  # of one page
PIECE = 65_536  # bytes that are parsed at once
LEAST, LONGEST = 3_600, 30 * 86_400  # seconds after which a file may be wished to go


async def upload(request: Request) -> Response:
    """Keep a file: a form with `file` and `purpose`."""
    server, key = place(request)
    form = await formed(request)
    given, purpose = form.get("file"), form.get("purpose")
    if not isinstance(given, UploadFile):
        raise invalid("Missing required parameter: 'file'.", "file", "missing_required_parameter")
    if not isinstance(purpose, str):
        raise invalid(
            "Missing required parameter: 'purpose'.", "purpose", "missing_required_parameter"
        )
    if purpose not in PURPOSES:
        raise invalid(
            f"Invalid value: {purpose[:40]!r}. Supported values are: {', '.join(PURPOSES)}.",
            "purpose",
        )
    content = await given.read()
    if not content:
        raise invalid("The file is empty.", "file")
    now = int(time.time())
    file = File(
        f"file-{secrets.token_hex(12)}", key.id, name_of(given.filename), purpose, len(content), now,
        expiry(form, now),
    )  # fmt: skip
    await server.stored.files.add(file, content)
    return replied(told(file))


async def listed(request: Request) -> Response:
    """A key's files, for a purpose."""
    server, key = place(request)
    after, limit, order = paging(request, most=MOST, default=MOST)
    found = await server.stored.files.list(
        key.id, purpose=request.query_params.get("purpose"), after=after, limit=limit, order=order
    )
    return replied(paged([told(file) for file in found.entries], found.more))


async def get(request: Request) -> Response:
    """A file, without its content."""
    server, key = place(request)
    id = request.path_params["id"]
    file = await server.stored.files.get(id, key.id)
    if file is None:
        raise missing(id)
    return replied(told(file))


async def content(request: Request) -> Response:
    """What stands in a file, byte for byte; never as something that a browser would run."""
    server, key = place(request)
    id = request.path_params["id"]
    data = await server.stored.files.content(id, key.id)
    if data is None:
        raise missing(id)
    return Response(data, media_type="application/octet-stream")


async def delete(request: Request) -> Response:
    """Forget a file."""
    server, key = place(request)
    id = request.path_params["id"]
    if not await server.stored.files.delete(id, key.id):
        raise missing(id)
    return replied({"id": id, "object": "file", "deleted": True})


def told(file: File) -> dict[str, Any]:
    """A file as OpenAI tells it."""
    body: dict[str, Any] = {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created_at,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
    }
    return body if file.expires_at is None else body | {"expires_at": file.expires_at}


def missing(id: str) -> ApiError:
    """There is no such file."""
    return ApiError(404, f"No such File object: {id[:80]}", None, "id")


async def formed(request: Request) -> Any:
    """The fields of a form. Raises ApiError 400, 413, 415."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ApiError(
            415,
            f"Unsupported media type {kind[:60]!r}: send the file as a form (multipart/form-data).",
            "unsupported_media_type",
        )
    data = await limited(request)

    async def pieces() -> AsyncGenerator[bytes]:
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]

    try:
        parser = MultiPartParser(
            request.headers, pieces(), max_files=1, max_fields=20, max_part_size=65_536
        )
        return await parser.parse()
    except (MultiPartException, FormParserError, KeyError, ValueError, UnicodeError) as error:
        said = getattr(error, "message", None) or str(error)
        raise invalid(f"The form cannot be read ({said[:200]}).", None, "invalid_form") from error


def name_of(given: str | None) -> str:
    """A file's name without folders and what no terminal should show."""
    bare = re.split(r"[/\\]", given or "")[-1]
    return "".join(c for c in bare if c.isprintable())[:255] or "file"


def expiry(form: Any, now: int) -> int | None:
    """When the file goes: `expires_after[anchor]=created_at` and `expires_after[seconds]`. Raises ApiError 400."""
    anchor, seconds = form.get("expires_after[anchor]"), form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    digits = seconds if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() else ""
    if anchor != "created_at" or len(digits) > 9 or not LEAST <= int(digits or 0) <= LONGEST:
        raise invalid(
            f"'expires_after' needs the anchor 'created_at' and from {LEAST} to {LONGEST} seconds.",
            "expires_after",
        )
    return now + int(digits)
