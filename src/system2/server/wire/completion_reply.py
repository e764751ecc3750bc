"""Plain completions as JSON: texts, and tokens with their likelihoods. Pure; contract: OpenAI's completions API."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from system2.core import Usage
from system2.policies.local.scoring import Scored

LEAST = -9999.0  # of what cannot be: JSON has no infinity


@dataclass(frozen=True, slots=True)
class Head:
    """What every object and chunk of one completion begins with."""

    id: str
    created: int
    model: str

    def of(self, choices: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """An object."""
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "fp_system2",
            "choices": [*choices],
        }


def choice(
    index: int, text: str, finish: str | None, logprobs: dict[str, Any] | None
) -> dict[str, Any]:
    """One choice, or a piece of it."""
    return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}


@dataclass(slots=True)
class Spelling:
    """Text out of tokens, and where each begins in it. raw: a token's bytes; shown: does it stand in the text?"""

    raw: Callable[[int], bytes]
    shown: Callable[[int], bool]
    size: int = 0  # characters so far
    _utf8: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def feed(self, id: int) -> str:
        """The text that this token completes: none where more bytes of a character are to come."""
        text = self._utf8.decode(self.raw(id)) if self.shown(id) else ""
        self.size += len(text)
        return text

    def close(self) -> str:
        """What half a character comes to."""
        text = self._utf8.decode(b"", True)
        self.size += len(text)
        return text

    def named(self, id: int) -> str:
        """A token by itself; one that is no text by itself as its bytes, so that no two have one name."""
        data = self.raw(id)
        try:
            return data.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)

    def likelihoods(
        self, scored: Sequence[Scored], offsets: Sequence[int], top: int
    ) -> dict[str, Any]:
        """`logprobs` of a choice. The token itself always stands among the likeliest."""
        best: list[dict[str, float] | None] = []
        for one in scored:
            if one.logprob is None:
                best.append(None)
                continue
            line = {self.named(id): max(logprob, LEAST) for id, logprob in one.top[:top]}
            best.append(line | {self.named(one.id): max(one.logprob, LEAST)})
        return {
            "tokens": [self.named(one.id) for one in scored],
            "token_logprobs": [
                None if one.logprob is None else max(one.logprob, LEAST) for one in scored
            ],
            "top_logprobs": best if top else None,
            "text_offset": [*offsets],
        }


def usage_of(usage: Usage, dollars: float | None) -> dict[str, Any]:
    """`usage`: nothing here was thought."""
    body: dict[str, Any] = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    }
    return body if dollars is None else body | {"cost": dollars}
