"""Input items of the Responses API as messages. Pure: what they refer to is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from system2.core import Content, Message, ToolCall
from system2.server.errors import ApiError, invalid
from system2.server.wire.conversation import (
    Fetch,
    answered,
    composed,
    file,
    image,
    sized,
    strings,
)

Open = Callable[[str], str | None]
"""Opens a sealed item; None: it was not sealed here, or not for this model and key."""

Item = dict[str, Any]
NOTES = "[Notes of my thinking so far. They are private: I never show, quote or repeat them.]\n"
"""Before thoughts that are opened: whoever sent them back may not be one who may read them."""


def messages(
    items: Sequence[Item],
    instructions: str | None,
    open: Open,
    may_fetch: Fetch,
    *,
    all_turns: bool,
) -> tuple[tuple[Message, ...], list[str]]:
    """The conversation that these items are, and the ids of sealed items that could not be opened.

    Thoughts of earlier turns are dropped, unless a tool call is being answered or `all_turns`: a model
    does not read its old thoughts. Raises ApiError 400, naming the item.
    """
    out = [Message("system", instructions)] if instructions else []
    lost: list[str] = []
    turn = 0 if all_turns else last_turn(items)
    known: set[str] = set()
    for n, item in enumerate(items):
        place, kind = f"input[{n}]", kind_of(item)
        if kind == "message":
            out.append(message(item, place, may_fetch))
        elif kind == "function_call":
            call(item, place, out)
            known.add(str(item["call_id"]))
        elif kind == "function_call_output":
            if str(item.get("call_id")) not in known:
                raise invalid(
                    f"No tool call found for function call output with call_id {str(item.get('call_id'))[:60]}.",
                    f"{place}.call_id",
                )
            out.append(output(item, place, may_fetch))
        elif kind == "compaction" or (kind == "reasoning" and n >= turn):
            sealed = item.get("encrypted_content")
            thought = open(sealed) if isinstance(sealed, str) and sealed else None
            if thought:
                marked = thought if kind == "compaction" else NOTES + thought
                out.append(Message("assistant", marked))
            elif sealed:
                lost.append(str(item.get("id") or place))
        elif kind != "reasoning":
            raise invalid(
                f"Invalid value: {kind[:60]!r} is no type of item that is taken here.",
                f"{place}.type",
            )
    if not out or all(one.role == "system" for one in out):
        raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    joined = merged(out)
    answered(joined)
    sized(joined)
    return tuple(joined), lost


def kind_of(item: Item) -> str:
    """Its type; the easy form has a role and none."""
    kind = item.get("type")
    return str(kind) if kind else "message" if item.get("role") else "nothing"


def last_turn(items: Sequence[Item]) -> int:
    """Where the turn begins that a tool's result continues; beyond the end where none does."""
    if not items or kind_of(items[-1]) != "function_call_output":
        return len(items)
    for n in range(len(items) - 1, -1, -1):
        if kind_of(items[n]) == "message" and items[n].get("role") == "user":
            return n
    return 0


def message(item: Item, place: str, may_fetch: Fetch) -> Message:
    """One message. Raises ApiError 400."""
    role = {"developer": "system"}.get(str(item.get("role")), item.get("role"))
    if role not in ("system", "user", "assistant"):
        raise invalid(
            f"Missing required parameter: '{place}.role'.",
            f"{place}.role",
            "missing_required_parameter",
        )
    content = item.get("content")
    if isinstance(content, str):
        return Message(cast(Any, role), content)
    if not isinstance(content, list):
        raise invalid(
            f"Missing required parameter: '{place}.content'.",
            f"{place}.content",
            "missing_required_parameter",
        )
    parts = [
        part(one, f"{place}.content[{n}]", may_fetch)
        for n, one in enumerate(cast(list[Any], content))
    ]
    return composed(cast(Any, role), parts)


def part(given: Any, place: str, may_fetch: Fetch) -> Content:
    """A part of a message, flat as the Responses API has it. Raises ApiError 400."""
    entry = cast(dict[str, Any], given) if isinstance(given, dict) else {}
    kind = entry.get("type")
    if kind in ("input_text", "output_text", "text", "summary_text", "reasoning_text"):
        if isinstance(entry.get("text"), str):
            return Content("text", entry["text"])
    elif kind == "refusal" and isinstance(entry.get("refusal"), str):
        return Content("text", entry["refusal"])
    elif kind == "input_image":
        plain = {k: v for k, v in entry.items() if k in ("image_url", "detail")}
        return image(plain, f"{place}.image_url", may_fetch)
    elif kind == "input_file":
        told = strings({k: v for k, v in entry.items() if k != "type"}, place)
        return file(told, place)
    elif kind == "input_audio":
        inner = entry.get("input_audio")
        told = strings(cast(dict[str, Any], inner) if isinstance(inner, dict) else {}, place)
        return Content("audio", data=told.get("data", ""), form=told.get("format", ""))
    raise invalid(
        f"Invalid value: {str(kind)[:60]!r}. Supported values are: 'input_text', 'input_image', 'input_file', "
        "'input_audio', 'output_text', and 'refusal'.",
        f"{place}.type",
    )


def call(item: Item, place: str, out: list[Message]) -> None:
    """A call of a function that the assistant made. Raises ApiError 400."""
    for name in ("call_id", "name", "arguments"):
        if not isinstance(item.get(name), str):
            raise invalid(
                f"Missing required parameter: '{place}.{name}'.",
                f"{place}.{name}",
                "missing_required_parameter",
            )
    made = ToolCall(item["call_id"], item["name"], item["arguments"])
    last = out[-1] if out else None
    if last is not None and last.role == "assistant":
        out[-1] = Message(last.role, last.text, last.parts, (*last.calls, made))
    else:
        out.append(Message("assistant", "", (), (made,)))


def output(item: Item, place: str, may_fetch: Fetch) -> Message:
    """What a function gave back. Raises ApiError 400."""
    given = item.get("output")
    name = str(item["call_id"])
    if isinstance(given, str):
        return Message("tool", given, (), (), name)
    if isinstance(given, list):
        parts = [
            part(one, f"{place}.output[{n}]", may_fetch)
            for n, one in enumerate(cast(list[Any], given))
        ]
        made = composed("tool", parts)
        return Message("tool", made.text, made.parts, (), name)
    raise invalid(
        f"Missing required parameter: '{place}.output'.",
        f"{place}.output",
        "missing_required_parameter",
    )


def merged(turns: Sequence[Message]) -> list[Message]:
    """The messages, an assistant's text and the calls that follow it as one."""
    out: list[Message] = []
    for one in turns:
        last = out[-1] if out else None
        if (
            last
            and last.role == one.role == "assistant"
            and one.calls
            and not one.text
            and not last.calls
        ):
            out[-1] = Message("assistant", last.text, last.parts, one.calls)
        else:
            out.append(one)
    return out


def named(items: Sequence[Mapping[str, Any]], tag: str) -> list[Item]:
    """The items as they are stored: each with an id and a type, parts spelt out."""
    out: list[Item] = []
    for n, item in enumerate(items):
        kept = {name: value for name, value in item.items() if value is not None}
        kind = kind_of(kept)
        kept["type"] = kind
        prefix = {"message": "msg", "reasoning": "rs", "function_call": "fc"}.get(kind, "item")
        kept.setdefault("id", f"{prefix}_in{tag}{n}")
        if kind == "message" and isinstance(kept.get("content"), str):
            side = "output_text" if kept.get("role") == "assistant" else "input_text"
            kept["content"] = [{"type": side, "text": kept["content"]}]
            if side == "output_text":
                kept["content"][0] |= {"annotations": [], "logprobs": []}
        if kind in ("message", "function_call", "function_call_output"):
            kept.setdefault("status", "completed")
        out.append(kept)
    return out


def missing(id: str) -> ApiError:
    """There is no such response to go on from."""
    return ApiError(
        400,
        f"Previous response with id '{id[:80]}' not found.",
        "previous_response_not_found",
        "previous_response_id",
    )
