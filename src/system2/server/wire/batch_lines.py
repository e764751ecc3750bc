"""The lines of a batch: read, checked one by one, and written as results. Pure; contract: OpenAI's batch files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, cast

import orjson
from pydantic import BaseModel, StringConstraints

from system2.server.errors import ApiError
from system2.server.wire.chat_request import Body, ChatRequest, Metadata
from system2.server.wire.check import checked, parsed
from system2.server.wire.completion_request import CompletionRequest
from system2.server.wire.responses_request import ResponseRequest

KINDS: dict[str, type[BaseModel]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/responses": ResponseRequest,
    "/v1/completions": CompletionRequest,
}
"""What each endpoint of a batch takes."""
MOST = 50_000  # lines of one batch
LONGEST = 512  # characters of a custom id
WRONG = "wrong"  # the field of a line's request that says why it cannot be one


class BatchRequest(Body):
    """A batch to be begun."""

    input_file_id: Annotated[str, StringConstraints(max_length=200)]
    endpoint: str
    completion_window: str
    metadata: Metadata | None = None


class Broken(ValueError):  # noqa: N818  a broken line is an outcome, not a fault of the program
    """A line that is no request; what is wrong with it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def lines_of(content: bytes, endpoint: str) -> list[tuple[str, dict[str, Any]]]:
    """A file's lines, each a custom id and a body; of a broken one what is wrong with it, under WRONG.

    Blank lines count, and are left out. Raises ApiError 400 where there are too many.
    """
    out: list[tuple[str, dict[str, Any]]] = []
    known: dict[str, int] = {}
    for number, data in enumerate(content.splitlines(), 1):
        if not data.strip():
            continue
        if len(out) == MOST:
            raise ApiError(
                400, f"A batch has at most {MOST:,} lines.", "too_many_lines", "input_file_id"
            )
        id = ""
        try:
            line = table_of(data)
            id = id_of(line)
            if id in known:
                raise Broken(
                    "duplicate_custom_id", f"custom_id {id[:80]!r} was given in line {known[id]}"
                )
            known[id] = number
            out.append((id, body_of(line, endpoint)))
        except Broken as error:
            told = {"code": error.code, "message": f"Line {number}: {error}", "line": number}
            out.append((id, {WRONG: told}))
    return out


def table_of(data: bytes) -> dict[str, Any]:
    """A line's JSON object. Raises Broken."""
    try:
        return parsed(data)
    except ApiError as error:
        raise Broken("invalid_json_line", error.message) from error


def id_of(line: dict[str, Any]) -> str:
    """The id that its client gave it. Raises Broken."""
    id = line.get("custom_id")
    if not isinstance(id, str) or not 0 < len(id) <= LONGEST:
        raise Broken(
            "missing_required_parameter",
            f"'custom_id' must be a string of 1 to {LONGEST} characters",
        )
    return id


def body_of(line: dict[str, Any], endpoint: str) -> dict[str, Any]:
    """The request in a line. Raises Broken."""
    if line.get("method") != "POST":
        raise Broken("invalid_method", "'method' must be 'POST'")
    if line.get("url") != endpoint:
        raise Broken("mismatched_url", f"'url' must be {endpoint!r}, the batch's endpoint")
    body = line.get("body")
    if not isinstance(body, dict):
        raise Broken("missing_required_parameter", "'body' must be an object")
    told = cast(dict[str, Any], body)
    for name in ("stream", "background"):
        if told.get(name):
            raise Broken("unsupported_parameter", f"'body.{name}' cannot be true in a batch")
    try:
        checked(KINDS[endpoint], told)
    except ApiError as error:
        raise Broken(error.code or "invalid_value", error.message) from error
    return told


def result(
    batch: str, n: int, id: str, reply: Mapping[str, Any] | None, absent: str = "batch_cancelled"
) -> bytes:
    """A line of the output or of the error file. reply None: there is none, for the reason `absent`."""
    told: dict[str, Any] = {
        "id": f"batch_req_{batch.removeprefix('batch_')}_{n}",
        "custom_id": id or None,
        "response": None,
        "error": None,
    }
    if reply is None:
        said = {
            "batch_cancelled": "This request was not made: the batch was cancelled.",
            "batch_expired": "This request could not be made before the batch expired.",
        }
        told["error"] = {"code": absent, "message": said[absent]}
    elif WRONG in reply:
        told["error"] = reply[WRONG]
    else:
        told["response"] = {name: reply[name] for name in ("status_code", "request_id", "body")}
    return orjson.dumps(told) + b"\n"


def usage_of(replies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The tokens of all replies, whichever endpoint counted them."""
    sums = dict.fromkeys(("in", "cached", "out", "reasoning"), 0)
    for reply in replies:
        body = reply.get("body")
        used = cast(dict[str, Any], body).get("usage") if isinstance(body, dict) else None
        if not isinstance(used, dict):
            continue
        table = cast(dict[str, Any], used)
        sums["in"] += count(table, ("prompt_tokens", "input_tokens"))
        sums["out"] += count(table, ("completion_tokens", "output_tokens"))
        sums["cached"] += deep(
            table, ("prompt_tokens_details", "input_tokens_details"), "cached_tokens"
        )
        sums["reasoning"] += deep(
            table, ("completion_tokens_details", "output_tokens_details"), "reasoning_tokens"
        )
    return {
        "input_tokens": sums["in"],
        "input_tokens_details": {"cached_tokens": sums["cached"]},
        "output_tokens": sums["out"],
        "output_tokens_details": {"reasoning_tokens": sums["reasoning"]},
        "total_tokens": sums["in"] + sums["out"],
    }


def count(table: Mapping[str, Any], names: Sequence[str]) -> int:
    """The counter of one of these names."""
    return next((table[name] for name in names if isinstance(table.get(name), int)), 0)


def deep(table: Mapping[str, Any], names: Sequence[str], inner: str) -> int:
    """A counter one level below."""
    for name in names:
        if isinstance(found := table.get(name), dict):
            return count(cast(dict[str, Any], found), (inner,))
    return 0
