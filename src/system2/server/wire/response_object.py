"""The response object: every field that clients and the Open Responses spec demand, always. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from system2.server.wire.responses_request import ResponseRequest, ResponseTool, TextFormat

FINAL = ("completed", "incomplete", "failed", "cancelled")


def skeleton(
    id: str, model: str, body: ResponseRequest, *, effort: str | None, run: str
) -> dict[str, Any]:
    """A response as it begins: in progress, with nothing in it."""
    reasoning, text = body.reasoning, body.text
    summary = reasoning and (reasoning.summary or reasoning.generate_summary)
    out: dict[str, Any] = {
        "id": id,
        "object": "response",
        "created_at": int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "background": body.background is True,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "max_tool_calls": body.max_tool_calls,
        "model": model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "prompt_cache_key": body.prompt_cache_key,
        "reasoning": {"effort": effort, "summary": summary or None},
        "safety_identifier": body.safety_identifier,
        "service_tier": "default",
        "store": body.store is not False,
        "temperature": 1.0 if body.temperature is None else body.temperature,
        "text": {"format": format_of(text.format if text else None)},
        "tool_choice": "auto" if body.tool_choice is None else body.tool_choice,
        "tools": [tool_of(tool) for tool in body.tools or ()],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": 1.0 if body.top_p is None else body.top_p,
        "presence_penalty": body.presence_penalty or 0.0,
        "frequency_penalty": body.frequency_penalty or 0.0,
        "truncation": body.truncation or "disabled",
        "usage": None,
        "metadata": body.metadata or {},
        "system2": {"run_id": run},
    }
    if text and text.verbosity:
        out["text"]["verbosity"] = text.verbosity
    if body.user is not None:  # null there is no string, and clients check
        out["user"] = body.user
    return out


def format_of(given: TextFormat | None) -> dict[str, Any]:
    """`text.format`, as it is told back."""
    if given is None or given.type == "text":
        return {"type": "text"}
    if given.type == "json_object":
        return {"type": "json_object"}
    out = {
        "type": "json_schema",
        "name": given.name,
        "schema": given.schema_,
        "strict": given.strict is True,
    }
    if given.description is not None:  # null there is no string, and clients check
        out["description"] = given.description
    return out


def tool_of(tool: ResponseTool) -> dict[str, Any]:
    """A tool, as it is told back."""
    return {
        "type": tool.type,
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }


def ended(
    body: Mapping[str, Any],
    status: str,
    *,
    usage: Mapping[str, Any] | None,
    own: Mapping[str, Any],
    error: Mapping[str, str] | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """The response at its end."""
    done = int(time.time()) if status == "completed" else None
    return {
        **body,
        "status": status,
        "completed_at": done,
        "usage": usage,
        "error": error,
        "incomplete_details": {"reason": reason} if reason else None,
        "system2": {**body["system2"], **own},
    }
