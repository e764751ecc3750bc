"""A model as GET /v1/models tells of it: what it can, what it costs, how hard it may think. Spends nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from system2.effort import EFFORTS
from system2.server.data.keys import Key
from system2.server.served import Profile, Served
from system2.server.spending import lowered
from system2.verifiers.blank import FILLABLE

OFFERED: dict[Profile, tuple[str, ...]] = {
    "compat": tuple(name for name in EFFORTS if name != "pro"),
    "o1": ("low", "medium", "high"),
    "o1-preview": (),
}
"""The efforts that may be asked for."""
LINE = {
    True: 640,
    False: 4_096,
}  # tokens of a line of thought or a reply, of our own decoder and of others


def card(one: Served, key: Key) -> dict[str, Any]:
    """The model as it is for this key. Of a backend that has not shown whether it takes something, that it does."""
    efforts = [name for name in OFFERED[one.profile] if lowered(name, key) == name]
    default = lowered(one.effort, key)
    pro = one.profile == "compat" and lowered("pro", key) == "pro"
    body: dict[str, Any] = {
        "id": one.name,
        "object": "model",
        "created": one.created,
        "owned_by": "system2",
        "max_output_tokens": one.options.get("per_call", LINE[one.local]),
        "system2": {
            "profile": one.profile,
            "efforts": efforts,
            "default_effort": default,
            "budgets": {name: EFFORTS[name].tokens for name in dict.fromkeys([*efforts, default])},
            "modes": ["standard", "pro"] if pro else ["standard"],
            "reasoning_visibility": one.shows,
            "summaries": summaries(one),
            "strategies": strategies(one),
            **abilities(one),
            "backend": one.backend,
        },
    }
    if pro:
        body["system2"]["budgets"]["pro"] = EFFORTS["pro"].tokens
    if one.local:
        body["context_length"] = context(one)
        body["max_output_tokens"] = min(body["max_output_tokens"], body["context_length"])
    if price := one.price:
        million = 1_000_000
        cached = price.prompt if price.cached is None else price.cached
        body["pricing"] = {
            "prompt": f"{price.prompt / million:f}",
            "completion": f"{price.completion / million:f}",
            "cached_prompt": f"{cached / million:f}",
        }
    return body


def summaries(one: Served) -> Literal["always", "on_request", "never"]:
    """When summaries of thoughts are written: those in set words cost nothing, others only where asked for."""
    if not one.summaries:
        return "never"
    return "always" if one.local and one.shows != "none" else "on_request"


def strategies(one: Served) -> list[str]:
    """How it may come to think: by effort and samples, or as routes decide."""
    routed = ["routed"] if "routes" in one.options else []
    return ["direct", "cot", "self_consistency", *routed]


def abilities(one: Served) -> dict[str, Any]:
    """What it takes besides text, and what it can be held to."""
    if one.local:
        note = f"an answer is put into {FILLABLE}"
        return {
            "modalities": ["text"],
            "tools": False,
            "json_schema": False,
            "json_schema_note": note,
        }
    bare = one.profile == "o1-preview"
    can = one.policy(one.options).can
    seen = [
        kind for kind, name in (("image", "images"), ("file", "files")) if name in can and not bare
    ]
    return {
        "modalities": ["text", *seen],
        "tools": "tools" in can and not bare,
        "json_schema": not bare,
    }


def context(one: Served) -> int:
    """Tokens that our own decoder has room for: question, thoughts and answer."""
    from system2.policies.local import HOME

    folder = one.options.get("model")
    config = (Path(folder) if folder else HOME) / "config.json"
    return int(json.loads(config.read_text("utf-8"))["max_position_embeddings"])
