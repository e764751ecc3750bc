"""Batches over HTTP: begun from a file, looked at, cancelled. Does no work: batching.py does."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from system2.server.app import body_of, replied
from system2.server.chats import place
from system2.server.data.batches import Batch
from system2.server.errors import ApiError, invalid
from system2.server.paging import paged, paging
from system2.server.server import Server
from system2.server.wire.batch_lines import KINDS, WRONG, BatchRequest, lines_of
from system2.server.wire.check import checked, parsed

DAY = 86_400
TOLD = 100  # broken lines that are listed in the batch itself
OVER = ("completed", "failed", "expired", "cancelled")
STAMPS = (
    "in_progress_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at", "cancelled_at",
)  # fmt: skip


async def create(request: Request) -> Response:
    """Begin a batch. A broken line fails alone; where every line is broken the batch fails."""
    server, key = place(request)
    body = checked(BatchRequest, parsed(await body_of(request)))
    if body.endpoint not in KINDS:
        raise invalid(
            f"Invalid value: {body.endpoint[:60]!r}. Supported values are: {', '.join(KINDS)}.",
            "endpoint",
        )
    if body.completion_window != "24h":
        raise invalid("'completion_window' must be '24h'.", "completion_window")
    content = await server.stored.files.content(body.input_file_id, key.id)
    if content is None:
        raise invalid(f"No such File object: {body.input_file_id[:80]}", "input_file_id")
    lines = await asyncio.to_thread(lines_of, content, body.endpoint)
    now = int(time.time())
    wrong = [request[WRONG] for _, request in lines if WRONG in request]
    if not lines:
        wrong = [{"code": "empty_file", "message": "The file has no lines.", "line": None}]
    status = "failed" if len(wrong) >= max(1, len(lines)) else "in_progress"
    told: dict[str, Any] = {
        "id": f"batch_{secrets.token_hex(16)}",
        "object": "batch",
        "endpoint": body.endpoint,
        "model": model_of(lines),
        "errors": errors(wrong) if wrong else None,
        "input_file_id": body.input_file_id,
        "completion_window": body.completion_window,
        "status": status,
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now,
        "expires_at": now + DAY,
        **dict.fromkeys(STAMPS),
        "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        "usage": None,
        "metadata": body.metadata,
    }
    told["failed_at" if status == "failed" else "in_progress_at"] = now
    batch = Batch(told["id"], key.id, status, now, told, now + DAY)
    await server.stored.batches.add(batch, lines if status == "in_progress" else ())
    if server.batching:
        server.batching.wake()
    return replied(told)


def model_of(lines: list[tuple[str, dict[str, Any]]]) -> str | None:
    """The model of all lines; None: they differ."""
    names = {str(body.get("model")) for _, body in lines if WRONG not in body}
    return names.pop() if len(names) == 1 else None


def errors(wrong: list[dict[str, Any]]) -> dict[str, Any]:
    """`errors` of a batch."""
    return {"object": "list", "data": [{"param": None, **one} for one in wrong[:TOLD]]}


async def listed(request: Request) -> Response:
    """A key's batches, the newest first."""
    server, key = place(request)
    after, limit, order = paging(request)
    found = await server.stored.batches.list(key.id, after=after, limit=limit, order=order)
    return replied(paged([await counted(server, one) for one in found.entries], found.more))


async def get(request: Request) -> Response:
    """A batch as it stands."""
    server, _ = place(request)
    return replied(await counted(server, await found(request)))


async def cancel(request: Request) -> Response:
    """End a batch: no line is begun any more, what is under way is broken off, what was answered is kept."""
    server, _ = place(request)
    batch = await found(request)
    if batch.status not in ("validating", "in_progress"):
        if batch.status in ("cancelling", "cancelled"):
            return replied(await counted(server, batch))
        raise invalid(f"Cannot cancel a batch with status '{batch.status}'.", "batch_id")
    body = {**batch.body, "status": "cancelling", "cancelling_at": int(time.time())}
    await server.stored.batches.change(
        batch.id, was=("validating", "in_progress"), status="cancelling", body=body
    )
    if server.batching:
        server.batching.wake()
    return replied(await counted(server, await found(request)))


async def found(request: Request) -> Batch:
    """The batch that a path names. Raises ApiError 404."""
    server, key = place(request)
    id = request.path_params["id"]
    batch = await server.stored.batches.get(id, key.id)
    if batch is None:
        raise ApiError(404, f"No batch found with id '{id[:80]}'.", None, "batch_id")
    return batch


async def counted(server: Server, batch: Batch) -> dict[str, Any]:
    """A batch as it is told, with how its lines stand now."""
    if batch.status in OVER:
        return {**batch.body}
    counts = await server.stored.batches.counts(batch.id)
    told = {"total": counts.total, "completed": counts.completed, "failed": counts.failed}
    return {**batch.body, "request_counts": told}
