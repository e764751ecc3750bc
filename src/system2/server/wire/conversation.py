"""Messages, tools and formats of either API as those of a problem. Pure; fetches nothing that a part points to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from system2.core import Content, Format, Message, Tool, ToolCall
from system2.server.errors import ApiError, invalid
from system2.server.wire.chat_request import ChatMessage, ChatTool, Part
from system2.server.wire.chat_request import Format as ChatFormat
from system2.server.wire.check import weigh
from system2.server.wire.responses_request import ResponseTool, TextFormat

Choice = tuple[Literal["", "auto", "none", "required"], tuple[str, ...]]
Fetch = Callable[[str], bool]
"""May this address of an image be given to a backend, which will fetch it?"""

LONGEST = 1_000_000  # characters of all messages together
SCHEMA = 100_000  # characters of a schema: checking one takes far longer than reading it
VALUES = 5_000  # of a schema
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


def conversation(messages: Sequence[ChatMessage], may_fetch: Fetch) -> tuple[Message, ...]:
    """The messages of a chat. `developer` and `system` are one. Raises ApiError 400, naming the message."""
    if not messages:
        raise invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            "messages",
            "empty_array",
        )
    out = [message(one, f"messages[{n}]", may_fetch) for n, one in enumerate(messages)]
    answered(out)
    sized(out)
    return tuple(out)


def message(one: ChatMessage, place: str, may_fetch: Fetch) -> Message:
    """One message. Raises ApiError 400."""
    role = {"developer": "system", "function": "tool"}.get(one.role, one.role)
    calls = tuple(
        ToolCall(call.id, call.function.name, call.function.arguments)
        for call in one.tool_calls or ()
        if call.function
    )
    said = one.content is not None or one.refusal is not None or calls
    if not said and one.role != "assistant":
        raise invalid(
            f"Missing required parameter: '{place}.content'.",
            f"{place}.content",
            "missing_required_parameter",
        )
    if one.role == "tool" and not one.tool_call_id:
        raise invalid(
            f"Missing required parameter: '{place}.tool_call_id'.",
            f"{place}.tool_call_id",
            "missing_required_parameter",
        )
    call_id = (one.tool_call_id or one.name or "") if role == "tool" else ""
    if isinstance(one.content, list):
        parts = [
            chat_part(part, f"{place}.content[{n}]", may_fetch)
            for n, part in enumerate(one.content)
        ]
        made = composed(cast(Any, role), parts)
        return Message(made.role, made.text, made.parts, calls, call_id)
    text = one.content if one.content is not None else one.refusal or ""
    return Message(cast(Any, role), text, (), calls, call_id)


def composed(role: Literal["system", "user", "assistant", "tool"], parts: list[Content]) -> Message:
    """A message of parts; one of texts alone is text."""
    made = Message.of(role, parts)
    return made if any(part.kind != "text" for part in parts) else Message(role, made.text)


def chat_part(part: Part, place: str, may_fetch: Fetch) -> Content:
    """A part of a message's content, nested as chat completions have it. Raises ApiError 400."""
    kind = part.type
    if kind in ("text", "input_text", "output_text") and part.text is not None:
        return Content("text", part.text)
    if kind == "refusal" and part.refusal is not None:
        return Content("text", part.refusal)
    if kind == "image_url" and part.image_url is not None:
        return image(part.image_url, f"{place}.image_url", may_fetch)
    if kind == "input_audio" and part.input_audio is not None:
        given = strings(part.input_audio, f"{place}.input_audio")
        return Content("audio", data=given.get("data", ""), form=given.get("format", ""))
    if kind == "file" and part.file is not None:
        given = strings(part.file, f"{place}.file")
        return file(given, place)
    raise invalid(
        f"Invalid value: '{kind[:60]}'. Supported values are: 'text', 'image_url', 'input_audio', "
        "'refusal', and 'file', each with a field of that name.",
        f"{place}.type",
    )


def image(given: Mapping[str, Any], place: str, may_fetch: Fetch) -> Content:
    """An image by its address. Raises ApiError 400 where nobody may fetch that."""
    told = strings(given, place)
    url = told.get("url") or told.get("image_url") or ""
    scheme = url[:6].lower()
    if not url or not scheme.startswith(("data:", "http:", "https:")):
        raise invalid(
            "An image is given as a data URL, or as an http(s) URL where the server allows that.",
            place,
            "invalid_image_url",
        )
    if not scheme.startswith("data:") and not (plain(url) and may_fetch(url)):
        raise invalid(
            "This server does not fetch images from addresses; send the image as a data URL.",
            place,
            "invalid_image_url",
        )
    return Content("image", url=url, detail=told.get("detail", ""))


def plain(url: str) -> bool:
    """Does every reader of this address see the same host? Some take a backslash for a slash, or drop controls."""
    return url.isprintable() and not any(c in url for c in "\\@ ")


def file(given: Mapping[str, str], place: str) -> Content:
    """A file, by its data: nobody fetches one. Raises ApiError 400."""
    data, name = given.get("file_data", ""), given.get("filename", "")
    if given.get("file_id"):  # it would be one of the backend's, whoever put it there
        raise invalid(
            "This server hands no file ids to a backend; send the file as file_data.",
            place,
            "unsupported_parameter",
        )
    if not data:
        raise invalid("A file has file_data.", place, "missing_required_parameter")
    if data[:5].lower() != "data:" and not _BASE64.fullmatch(data):
        raise invalid(
            "file_data is a data URL or base64; files are not fetched from addresses.", place
        )
    return Content("file", url=data, name=name)


def strings(given: Mapping[str, Any], place: str) -> dict[str, str]:
    """The fields that are text; null ones are left out. Raises ApiError 400 for any other."""
    out: dict[str, str] = {}
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise invalid(
                f"Invalid type for '{place}.{name}': expected a string.",
                f"{place}.{name}",
                "invalid_type",
            )
        if isinstance(value, str):
            out[name] = value
    return out


def answered(messages: Sequence[Message]) -> None:
    """Raises ApiError 400 where a tool's result answers no call before it."""
    known: set[str] = set()
    for n, one in enumerate(messages):
        known.update(call.id for call in one.calls)
        if one.role == "tool" and known and one.call_id not in known:
            raise invalid(
                f"Invalid parameter: 'tool_call_id' of {one.call_id[:60]!r} not found in "
                "'tool_calls' of previous message.",
                f"messages[{n}].tool_call_id",
            )


def sized(messages: Sequence[Message]) -> None:
    """Raises ApiError 400 for more text than any model reads."""
    size = sum(len(one.text) for one in messages)
    if size > LONGEST:
        raise ApiError(
            400,
            f"The messages have {size:,} characters; at most {LONGEST:,} are read.",
            "context_length_exceeded",
            "messages",
        )


# ---------------------------------------------------------------- tools and formats


def chat_tools(tools: Sequence[ChatTool] | None) -> tuple[Tool, ...]:
    """The tools of a chat. Raises ApiError 400 for those that are no functions."""
    out: list[Tool] = []
    for n, tool in enumerate(tools or ()):
        if tool.type != "function" or tool.function is None:
            raise foreign(tool.type, f"tools[{n}].type")
        made = tool.function
        out.append(
            Tool(made.name, made.description or "", schema(made.parameters), made.strict is True)
        )
    return tuple(out)


def response_tools(tools: Sequence[ResponseTool] | None) -> tuple[Tool, ...]:
    """The tools of a response. Raises ApiError 400 for hosted ones: there are none here."""
    out: list[Tool] = []
    for n, tool in enumerate(tools or ()):
        if tool.type != "function" or tool.name is None:
            raise foreign(tool.type, f"tools[{n}].type")
        out.append(
            Tool(tool.name, tool.description or "", schema(tool.parameters), tool.strict is True)
        )
    return tuple(out)


def foreign(kind: str, place: str) -> ApiError:
    """A tool that is not ours to call."""
    return invalid(
        f"Tools of type {kind[:60]!r} are not offered here; give functions, with a name.",
        place,
        "unsupported_parameter",
    )


def schema(given: Mapping[str, Any] | None) -> str:
    """A schema as text, always the same for the same one. Raises ApiError 400 for one that is too large."""
    if given is None:
        return ""
    weigh(given, VALUES, "A JSON schema")
    text = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    if len(text) > SCHEMA:
        raise invalid(f"A JSON schema has {len(text):,} characters; at most {SCHEMA:,} are read.")
    return text


def choice(given: str | Mapping[str, Any] | None, tools: Sequence[Tool]) -> Choice:
    """`tool_choice` of either API: whether to call, and what. Raises ApiError 400."""
    names = {tool.name for tool in tools}
    if given is None:
        return "", ()
    if isinstance(given, str):
        if given not in ("none", "auto", "required"):
            raise invalid(
                f"Invalid value: {given[:60]!r}. Supported values are: 'none', 'auto', and "
                "'required'.",
                "tool_choice",
            )
        if given == "required" and not tools:
            raise invalid(
                "'tool_choice' is only allowed when 'tools' are specified.", "tool_choice"
            )
        return given, ()
    if given.get("type") == "allowed_tools":
        return allowed(given, names)
    inner = given.get("function", given)
    name = cast(dict[str, Any], inner).get("name") if isinstance(inner, dict) else None
    if given.get("type") != "function" or not isinstance(name, str) or name not in names:
        raise invalid(
            f"Tool choice {str(name)[:60]!r} not found in 'tools' parameter.", "tool_choice"
        )
    return "required", (name,)


def allowed(given: Mapping[str, Any], names: set[str]) -> Choice:
    """A choice among some of the tools. Raises ApiError 400."""
    inner = given.get("allowed_tools", given)
    told = cast(dict[str, Any], inner) if isinstance(inner, dict) else {}
    mode, listed = told.get("mode", "auto"), told.get("tools")
    chosen: list[str] = []
    for entry in cast(list[Any], listed) if isinstance(listed, list) else []:
        tool = cast(dict[str, Any], entry) if isinstance(entry, dict) else {}
        function = tool.get("function", tool)
        name = cast(dict[str, Any], function).get("name") if isinstance(function, dict) else None
        if not isinstance(name, str) or name not in names:
            raise invalid(
                f"Allowed tool {str(name)[:60]!r} not found in 'tools' parameter.", "tool_choice"
            )
        chosen.append(name)
    if mode not in ("auto", "required") or not chosen:
        raise invalid(
            "'tool_choice' of type allowed_tools has a mode (auto or required) and tools.",
            "tool_choice",
        )
    return cast(Any, mode), tuple(chosen)


def chat_format(given: ChatFormat | None) -> Format | None:
    """`response_format`. Raises ApiError 400."""
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        return Format()
    form = given.json_schema
    if form is None or form.schema_ is None:
        raise invalid(
            "Missing required parameter: 'response_format.json_schema'.",
            "response_format.json_schema",
            "missing_required_parameter",
        )
    return Format(schema(form.schema_), form.name, form.description or "", form.strict is True)


def text_format(given: TextFormat | None) -> Format | None:
    """`text.format`. Raises ApiError 400."""
    if given is None or given.type == "text":
        return None
    if given.type == "json_object":
        return Format()
    if given.schema_ is None or given.name is None:
        missing = "text.format.schema" if given.schema_ is None else "text.format.name"
        raise invalid(
            f"Missing required parameter: '{missing}'.", missing, "missing_required_parameter"
        )
    return Format(schema(given.schema_), given.name, given.description or "", given.strict is True)
