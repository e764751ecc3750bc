"""Untrusted text where a model or a person reads it: quoted so that nothing in it is structure. Pure."""

from __future__ import annotations

import unicodedata

_SIGNS = str.maketrans({
    "<": "‹", ">": "›", "＜": "‹", "＞": "›", "﹤": "‹", "﹥": "›", "[": "［", "]": "］",
})  # fmt: skip


def unmarked(text: str) -> str:
    """The text without the signs that tags, step markers and the marks of chat templates are made of.

    `<think>`, `</thoughts>`, `<|im_start|>`, `[INST]` stay readable, and are no marks any more.
    Invisible characters, which may hide in one, are left out.
    """
    visible = "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co")
    )
    return visible.translate(_SIGNS)


def clipped(text: str, most: int) -> str:
    """The end of the text, at most so many characters: what is newest counts."""
    return text if len(text) <= most else "… " + text[-most:]


def inline(text: str, most: int = 60) -> str:
    """A short text within a line: one line, no markup; empty where it is too long to be short."""
    line = " ".join(unmarked(text).split())
    if len(line) > most:
        return ""
    return "".join(f"\\{c}" if c in "\\`_#~|" else "∗" if c == "*" else c for c in line)
