"""Messages, tools and formats in the form of OpenAI's chat completions, and their size. Pure; knows no server."""

from __future__ import annotations

import json
from typing import Any

from system2.core import Content, Format, Message, Request, Tool

Wire = dict[str, Any]


def turn(message: Message) -> Wire:
    """One message."""
    parts = [content(part) for part in message.parts]
    out = Wire(role=message.role, content=parts or message.text)
    if message.role == "tool":
        out["tool_call_id"] = message.call_id
    if message.calls:
        out["content"] = out["content"] or None
        out["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in message.calls
        ]
    return out


def content(part: Content) -> Wire:
    """One part of a message."""
    match part.kind:
        case "text":
            return {"type": "text", "text": part.text}
        case "image":
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": part.url, **detail}}
        case "audio":
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.form}}
        case "file":
            if not part.url:
                return {"type": "file", "file": {"file_id": part.name}}
            return {"type": "file", "file": {"filename": part.name, "file_data": part.url}}


def tooling(request: Request) -> Wire:
    """The fields that name the tools, and say whether they may be called."""
    problem = request.problem
    if not problem.tools:
        return {}
    tools, allowed = problem.tools, problem.allowed
    mode = problem.tool_choice if may_call(request) else "none"
    if allowed and mode != "none":  # other tools are not shown: few servers know how to forbid them
        tools = tuple(tool for tool in tools if tool.name in allowed)
    told: Wire = {"tools": [function(tool) for tool in tools]}
    if mode == "required" and len(allowed) == 1:
        told["tool_choice"] = {"type": "function", "function": {"name": allowed[0]}}
    elif mode in ("none", "required"):
        told["tool_choice"] = mode
    if problem.parallel_calls is not None:
        told["parallel_tool_calls"] = problem.parallel_calls
    return told


def may_call(request: Request) -> bool:
    """May it call a tool? A reply to thoughts that came to an answer calls none, unless it has to."""
    problem = request.problem
    if not problem.tools or problem.tool_choice == "none":
        return False
    return problem.tool_choice == "required" or request.until != "reply" or not request.chain


def function(tool: Tool) -> Wire:
    """One tool."""
    told: Wire = {"name": tool.name}
    if tool.description:
        told["description"] = tool.description
    if tool.parameters:
        told["parameters"] = json.loads(tool.parameters)
    if tool.strict:
        told["strict"] = True
    return {"type": "function", "function": told}


def response_format(format: Format) -> Wire:
    """What binds a reply."""
    if not format.schema:
        return {"type": "json_object"}
    told: Wire = {"name": format.name or "reply", "schema": json.loads(format.schema)}
    if format.description:
        told["description"] = format.description
    return {"type": "json_schema", "json_schema": told | {"strict": format.strict}}


def size(message: Wire, image: int) -> int:
    """Upper bound on a message's tokens: UTF-8 bytes, `image` a picture, and 16.

    What else is attached counts as its bytes, and as a picture at least.
    """
    told: Any = message["content"] or ""
    whole = 16 + sum(length(call["function"]) for call in message.get("tool_calls", ()))
    if isinstance(told, str):
        return whole + length(told)
    for part in told:
        bytes_, kind = length(part), part["type"]
        whole += bytes_ if kind == "text" else image if kind == "image_url" else max(image, bytes_)
    return whole


def length(told: str | Wire) -> int:
    """Bytes of all the text there is."""
    if isinstance(told, str):
        return len(told.encode("utf-8", "replace"))
    return sum(map(length, told.values()))


def media(request: Request) -> frozenset[str]:
    """What the messages hold but text: "images", "files" (audio is one)."""
    kinds = {part.kind for message in request.problem.messages for part in message.parts}
    named = {"image": "images", "audio": "files", "file": "files"}
    return frozenset(named[kind] for kind in kinds if kind != "text")
