"""Thoughts as people read them: a step a line, checks and returns marked. Knows nothing about runs."""

from __future__ import annotations

from system2.core import Chain

SIGNS = (
    ("<step>", "\n"), ("<check>", "\n✓ "), ("<back>", "\n↩ "), ("<think>", ""), ("</think>", "\n⇒ "),
)  # fmt: skip


def pretty(chain: Chain) -> str:
    """A line of thought."""
    return readable("".join(step.text + ("\n" if not step.ids else "") for step in chain))


def readable(text: str) -> str:
    """Text with signs in the place of the embedded model's marks."""
    for mark, sign in SIGNS:
        text = text.replace(mark, sign)
    return text.strip("\n")


def alone(text: str) -> str:
    """One step by itself, without the mark that leads to the next."""
    return readable(text).rstrip(" \n✓↩⇒")
