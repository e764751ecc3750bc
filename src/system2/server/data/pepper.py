"""The pepper: 32 random bytes in a file of their owner's alone, without which no digest of a key means anything.

Knows no key and no database.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

LENGTH = 32


@dataclass(frozen=True, slots=True)
class Pepper:
    """What a secret is mixed with before it is kept. Never shown."""

    _bytes: bytes = field(repr=False)

    def digest(self, secret: str) -> str:
        """HMAC-SHA256, in hex."""
        return hmac.new(self._bytes, secret.encode(), hashlib.sha256).hexdigest()

    @property
    def mark(self) -> str:
        """Which pepper this is; tells nothing of it."""
        return self.digest("which pepper is this?")[:16]


def pepper(file: Path) -> Pepper:
    """The pepper in a file; made where there is none. Two processes that make it make the same one.

    Raises ValueError where others may read it or it is something else, OSError where it cannot be had.
    """
    if not file.exists():
        made(file)
    with file.open("rb") as opened:
        if (rights := os.fstat(opened.fileno()).st_mode & 0o777) & 0o077:
            raise ValueError(
                f"{file} holds the secret that guards all keys, and others may read it (rights "
                f"{rights:o}); run `chmod 600` on it"
            )
        found = opened.read(LENGTH + 1)
    if len(found) != LENGTH:
        raise ValueError(
            f"{file} holds {len(found)} bytes instead of {LENGTH}: not the file that guards the keys; "
            "restore a copy of it"
        )
    return Pepper(found)


def made(file: Path) -> None:
    """Write a new one beside it and give it the name only when it is whole; whoever is first wins."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(secrets.token_bytes(LENGTH))
        opened.flush()
        os.fsync(opened.fileno())
    try:
        os.link(part, file)
    except FileExistsError:
        pass  # another process was first: its file holds
    finally:
        part.unlink()
