"""Text to token ids of the embedded model and back: whole words where the vocabulary has them, else bytes.

Reads the same tokenizer.json as transformers (byte-level BPE without merges) and agrees with it.
Knows nothing about prompts or tasks. Special tokens never come out of text, so a question cannot forge one.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path

# One place for the cut into words: tokenizer.json is written from this very pattern.
PIECES = r" ?[a-z]+|[^a-z]"

SPECIALS = (
    "<pad>",
    "<bos>",
    "<eos>",
    "<none>",
    "<low>",
    "<high>",
    "<think>",
    "</think>",
    "<step>",
    "<check>",
    "<back>",
    "<outside>",
)


@lru_cache(1)
def byte_letters() -> tuple[str, ...]:
    """The printable stand-in of every byte, as byte-level BPE writes them (Radford et al. 2019, GPT-2)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    for n, byte in enumerate(byte for byte in range(256) if byte not in letters):
        letters[byte] = chr(256 + n)
    return tuple(letters[byte] for byte in range(256))


def normal(text: str) -> str:
    """Full-width forms to plain ones, letters to lower case."""
    return unicodedata.normalize("NFKC", text).lower()


class Tokenizer:
    """`encode` and `decode`; `special[name]` is the id of a special token."""

    def __init__(self, vocabulary: Mapping[str, int], special: Mapping[str, int]) -> None:
        letters = byte_letters()
        self.special = dict(special)
        self.size = len(vocabulary)
        self._pieces = re.compile(PIECES, re.DOTALL)
        back = {letter: byte for byte, letter in enumerate(letters)}
        names = set(special)
        self._bytes = [b""] * (max(vocabulary.values()) + 1)
        self._ids: dict[str, int] = {}
        for token, id in vocabulary.items():
            raw = token.encode() if token in names else bytes(back[c] for c in token)
            self._bytes[id] = raw
            if token not in names and (text := raw.decode(errors="ignore")).encode() == raw:
                self._ids[text] = id
        self._byte_ids = [vocabulary[letters[byte]] for byte in range(256)]

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """From tokenizer.json; raises OSError or ValueError (also KeyError) when it is missing or broken."""
        model = json.loads(path.read_text("utf-8"))
        special = {t["content"]: t["id"] for t in model["added_tokens"]}
        return cls(model["model"]["vocab"], special)

    def encode(self, text: str, spelt: Callable[[str], bool] | None = None) -> list[int]:
        """Ids of plain text; text that looks like a special token is spelled out.

        Pieces for which `spelt` holds become bytes although the vocabulary has them whole, so that
        training can show how unknown words look.
        """
        ids: list[int] = []
        for match in self._pieces.finditer(normal(text)):
            piece = match.group()
            if (id := self._ids.get(piece)) is not None and not (spelt and spelt(piece)):
                ids.append(id)
            else:
                ids.extend(self._byte_ids[byte] for byte in piece.encode())
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Text of ids; special tokens appear by name, broken UTF-8 as the replacement character."""
        return b"".join(self._bytes[id] for id in ids).decode(errors="replace")

    def raw(self, id: int) -> bytes:
        """The bytes of one token; a special token is its name."""
        return self._bytes[id]

    def encode_trace(self, text: str) -> list[int]:
        """Like `encode`, but special tokens named in the text count as such: for traces we wrote."""
        ids: list[int] = []
        for part in re.split(r"(</?[a-z]+>)", text):
            ids.extend([self.special[part]] if part in self.special else self.encode(part))
        return ids


def to_json(pieces: Iterable[str]) -> str:
    """tokenizer.json: specials, 256 bytes, then `pieces` (text), as transformers reads it."""
    letters = byte_letters()
    vocabulary = {name: n for n, name in enumerate(SPECIALS)}
    for token in (*letters, *("".join(letters[b] for b in p.encode()) for p in pieces)):
        vocabulary.setdefault(token, len(vocabulary))
    special = {
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": True,
    }
    return json.dumps(
        {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                {"id": vocabulary[name], "content": name, **special} for name in SPECIALS
            ],
            "normalizer": {
                "type": "Sequence",
                "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}],
            },
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {
                        "type": "Split",
                        "pattern": {"Regex": PIECES},
                        "behavior": "Isolated",
                        "invert": False,
                    },
                    {
                        "type": "ByteLevel",
                        "add_prefix_space": False,
                        "trim_offsets": False,
                        "use_regex": False,
                    },
                ],
            },
            "post_processor": None,
            "decoder": {
                "type": "ByteLevel",
                "add_prefix_space": False,
                "trim_offsets": False,
                "use_regex": False,
            },
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "",
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": True,
                "vocab": vocabulary,
                "merges": [],
            },
        },
        ensure_ascii=False,
        indent=0,
    )
