"""GET /openapi.json: every endpoint in the words of OpenAPI 3.1, built from the list that is served. Knows no endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

import system2
from system2.server.app import Spot, replied
from system2.server.wire import shapes

PLACE = re.compile(r"\{(\w+)(?::\w+)?\}")
REF = "#/components/schemas/{model}"
JSON = "application/json"
EVENT = {  # each event of a stream
    "type": "object",
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
HEADERS = {
    "x-request-id": "The id of the request: name it when something is wrong.",
    "openai-processing-ms": "Milliseconds until the reply began.",
    "openai-version": "The version of the API.",
}


async def described(request: Request) -> Response:
    """The schema of this server."""
    state = request.app.state
    return replied(schema(tuple(state.spots), next(iter(state.server.models.served))))


@lru_cache(maxsize=4)
def schema(spots: tuple[Spot, ...], model: str) -> Mapping[str, Any]:
    """The whole of it; the examples ask this model."""
    parts: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for spot in spots:
        path = PLACE.sub(r"{\1}", spot.path)
        paths.setdefault(path, {})[spot.method.lower()] = operation(spot, spots, parts, model)
    told(shapes.Error, parts)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "system2",
            "version": system2.__version__,
            "description": "A reasoning model behind OpenAI's APIs. Replies may hold more fields than "
            "are told here; ours are in the object `system2`.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(parts.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in HEADERS.items()
            },
        },
    }


def named(spot: Spot) -> str:
    """A name that no other endpoint has."""
    words = re.sub(r"\W+", "_", PLACE.sub(r"\1", spot.path)).strip("_")
    return f"{spot.method.lower()}_{words}"


def operation(
    spot: Spot, spots: Sequence[Spot], parts: dict[str, Any], model: str
) -> dict[str, Any]:
    """One endpoint. parts: the schemas it refers to are put there."""
    out: dict[str, Any] = {
        "operationId": named(spot),
        "summary": spot.about,
        "parameters": [*placed(spot.path), *asked(spot.query, parts)],
        "responses": {
            "200": reply(spot, parts) | links(spot, spots),
            "default": {
                "description": "An error: four keys, of which `code` is text or null.",
                "headers": headers(),
                "content": {JSON: {"schema": told(shapes.Error, parts)}},
            },
        },
        "security": [] if spot.scope is None else [{}, {"key": []}],
    }
    if spot.body is not None:
        content: dict[str, Any] = {"schema": told(spot.body, parts)}
        if spot.example:
            content["examples"] = {"question": {"value": {"model": model, **spot.example}}}
        out["requestBody"] = {"required": True, "content": {JSON: content}}
    return out


def placed(path: str) -> list[dict[str, Any]]:
    """The parameters in a path."""
    text = {"type": "string", "minLength": 1}
    return [
        {"name": name, "in": "path", "required": True, "schema": text}
        for name in PLACE.findall(path)
    ]


def asked(query: type[Any] | None, parts: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a query string."""
    if query is None:
        return []
    made = TypeAdapter(query).json_schema(ref_template=REF)
    parts.update(made.pop("$defs", {}))
    needed = made.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": one}
        for name, one in made["properties"].items()
    ]


def reply(spot: Spot, parts: dict[str, Any]) -> dict[str, Any]:
    """What it answers when nothing is wrong."""
    content: dict[str, Any] = {}
    if spot.reply is not None:
        content[JSON] = {"schema": told(spot.reply, parts)}
    elif spot.body is not None or not spot.kinds:
        content[JSON] = {}
    for kind in spot.kinds:
        content[kind] = {"schema": EVENT if kind == "text/event-stream" else {"type": "string"}}
    return {"description": spot.about, "headers": headers(), "content": content}


def links(spot: Spot, spots: Sequence[Spot]) -> dict[str, Any]:
    """Where one can go on with what a reply names."""
    out = {
        named(other): {
            "operationId": named(other),
            "parameters": {name: f"$response.body#{place}"},
        }
        for name, place in spot.finds
        for other in spots
        if PLACE.findall(other.path) == [name]
        and (name == "run" or other.path.startswith(spot.path))
    }
    return {"links": out} if out else {}


def headers() -> dict[str, Any]:
    """The headers of every reply."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS}


def told(kind: type[Any], parts: dict[str, Any]) -> dict[str, str]:
    """A reference to this kind, whose schema is among the parts from now on. Raises ValueError."""
    made = TypeAdapter(kind).json_schema(ref_template=REF)
    found = made.pop("$defs", {})
    if "properties" in made:
        found[kind.__name__] = made
    for name, one in found.items():
        if parts.setdefault(name, one) != one:
            raise ValueError(f"two kinds of bodies or replies are named {name}; rename one")
    return {"$ref": REF.format(model=kind.__name__)}
