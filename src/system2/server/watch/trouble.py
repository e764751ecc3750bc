"""What failed, as one of a few words: a label and a sentence of ours instead of somebody's own text.

Reads the sentences of policies/failures.py and of the engine; whatever it does not know is "other".
"""

from __future__ import annotations

import re

STATUS = re.compile(r"\(([45]\d\d)(?: insufficient_quota)?\)")
BEGINS = 600  # characters in which a sentence of ours stands, before the server's own words
SIGNS = (
    ("no budget is left", "budget"),
    ("the reply came too late", "late"),
    ("the verifier's own call failed", "own_call"),
    ("no sign of life from", "timeout"),
    ("TimeoutError: ", "timeout"),
    ("no server answers at", "unreachable"),
    ("the connection to", "connection"),
    ("ended before it was finished", "broken_off"),
    ("broke off", "broken_off"),
    ("not the chat completions format", "format"),
)
SAID = {
    "budget": "no budget was left for the call",
    "late": "the reply came after the deadline",
    "own_call": "a call of the verifier's own failed",
    "timeout": "nothing came for too long",
    "unreachable": "no server answers; is it running, and is the base URL right?",
    "connection": "the connection broke while the answer was coming",
    "broken_off": "the reply ended before it was finished",
    "format": "what came is not the chat completions format; is the base URL right?",
    "401": "the key was refused (401); give the right one as OPENAI_API_KEY or --key-file",
    "404": "there is no such model or address (404)",
    "429": "fewer calls are wanted (429)",
    "other": "the call failed; its trace says how",
}
OURS = frozenset({"budget", "late", "own_call"})
"""Codes of what no backend is to blame for, or of what has been told before."""


def code(error: str) -> str:
    """The word for the text of a `Failed`: an HTTP status, or a key of `SAID`."""
    begins = error[:BEGINS]
    if found := STATUS.search(begins):
        return found[1]
    return next((word for sign, word in SIGNS if sign in begins), "other")


def said(word: str) -> str:
    """Our own sentence for a code."""
    return SAID.get(word, f"the backend answered {word}" if word.isdigit() else SAID["other"])
