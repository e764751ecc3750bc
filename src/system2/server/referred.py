"""Items of a response's input that are told by their id alone: put in place of it. Knows no search and no wire."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from system2.server.data.keys import Key
from system2.server.errors import ApiError
from system2.server.server import Server

Item = dict[str, Any]
MADE = re.compile(r"[a-z]+_([0-9a-f]{48})\d*")
"""The id of an item that a response said: the response's own stands in it."""

RESPONSES = 1_000  # that the items of one request may come from
LOADED = 32 * 2**20  # bytes of them all


def refers(item: Item) -> bool:
    """Is this an id alone? Its type may be left out."""
    kind = item.get("type")
    bare = not kind and "id" in item and "role" not in item
    return bare or kind == "item_reference"


async def referred(
    server: Server, key: Key, given: Sequence[Item], known: Sequence[Item]
) -> list[Item]:
    """The items, with what is referred to in its place.

    known  items that need not be looked up: those of the responses before
    Raises ApiError 404 for an item that this key has not got, 400 where they would be too much.
    """
    if not any(refers(item) for item in given):
        return [*given]
    found: dict[str, Item] = {str(item["id"]): item for item in known if "id" in item}
    asked: set[str] = set()
    size = 0
    out: list[Item] = []
    for n, item in enumerate(given):
        if not refers(item):
            out.append(item)
            continue
        id = str(item.get("id"))
        tag = MADE.fullmatch(id)
        if id not in found and tag and tag[1] not in asked:
            asked.add(tag[1])
            said = await output(server, key, f"resp_{tag[1]}")
            found |= {str(one["id"]): one for one in said}
            size += len(orjson.dumps(said))
        if len(asked) > RESPONSES or size > LOADED:
            raise ApiError(
                400, "The items referred to are more than can be read; send fewer, or compact them.",
                "context_length_exceeded", "input",
            )  # fmt: skip
        if id not in found:
            raise ApiError(
                404,
                f"Item with id '{id[:80]}' not found. What a response said is there while that response is "
                "stored: ask for it with store=true, or send the item itself.",
                None,
                f"input[{n}].id",
            )
        out.append(found[id])
    return out


async def output(server: Server, key: Key, id: str) -> list[Item]:
    """What a response of this key has said so far; nothing, where it is not there."""
    kept = await server.stored.responses.get(id, key.id)
    return [] if kept is None else [*kept.body["output"]]
