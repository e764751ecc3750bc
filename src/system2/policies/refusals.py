"""What a server's refusal is about, read from its words. Pure; knows nothing about calls."""

from __future__ import annotations

import re

from system2.policies.endpoint import Fault

DROPPABLE = (
    "max_completion_tokens", "stream_options", "seed", "parallel_tool_calls", "response_format",
)  # fmt: skip
"""Fields a server may refuse: the first is sent as max_tokens then, the last is put into words, the others
are not sent at all."""

_NOT = r"(?:\bnot\b|n't\b|\bunable|\bonly|\bunsupported|\bunknown|\bno\b)"
_TAKE = r"(?:support|accept|allow|take|handle|enable)"
_KINDS = {"images": r"(?:image|vision|multi-?modal)", "files": r"(?:file|audio|document|pdf)"}
_SCHEMA = re.compile(r"invalid schema|schema.{0,60}(?:invalid|not permitted|must|required)", re.I)


def named(error: Fault) -> str | None:
    """The field that a server refuses, if it is one we can do without."""
    if error.param in (*DROPPABLE, "n"):
        return error.param
    text = error.message
    for name in DROPPABLE:
        if re.search(rf"\b{name}\b", text):
            return name
    return "n" if re.search(r"""['"`]n['"`]|\bn\s*(?:>|=|must|should)""", text) else None


def of_one_schema(error: Fault) -> bool:
    """Is it this schema that does not suit the server, and not any?"""
    return bool(_SCHEMA.search(error.message))


def takes_none(error: Exception | None, what: str) -> bool:
    """Does it say that its model takes no "images" (or "files") at all, whatever they are?"""
    if not isinstance(error, Fault) or error.status not in (400, 404, 415, 422):
        return False
    said, kind = error.message, _KINDS[what]
    found = (
        rf"{_NOT}[^.]{{0,40}}{_TAKE}[^.]{{0,60}}{kind}",
        rf"{kind}[^.]{{0,60}}{_NOT}[^.]{{0,30}}{_TAKE}",
        rf"{_NOT}[^.]{{0,20}}(?:multi-?modal|vision|text\b)",
        r"text[- ]only|(?:unsupported|unknown)[^.]{0,20}(?:content|part|variant)",
    )
    return any(re.search(one, said, re.IGNORECASE) for one in found)
