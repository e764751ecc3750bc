"""Encrypted reasoning items: thoughts that a client keeps for us and cannot read. Knows nothing about their content."""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

BOUND = 16  # bytes of the digest that binds an item to a model and a key


class Seal:
    """Seals bytes for one model and one key (Fernet: AES-128-CBC and HMAC-SHA256, spec at github.com/fernet).

    secret  of this server, kept in a file of its owner's alone; another server cannot open the items
    """

    def __init__(self, secret: bytes) -> None:
        self._fernet = Fernet(secret)

    @classmethod
    def kept(cls, path: Path) -> Seal:
        """With the secret of this file, which is made if there is none. Raises OSError, ValueError."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(Fernet.generate_key())
        try:
            return cls(path.read_bytes().strip())
        except ValueError as error:
            raise ValueError(f"{path} holds no secret of this server's; remove it") from error

    def close(self, text: str, model: str, key: str) -> str:
        """The text, sealed."""
        return self._fernet.encrypt(bound(model, key) + text.encode()).decode()

    def open(self, sealed: str, model: str, key: str) -> str | None:
        """What was sealed for this model and key; None for anything else."""
        try:
            whole = self._fernet.decrypt(sealed.encode("ascii", "replace"))
        except InvalidToken:
            return None
        if not hmac.compare_digest(whole[:BOUND], bound(model, key)):
            return None
        return whole[BOUND:].decode("utf-8", "replace")


def bound(model: str, key: str) -> bytes:
    """A digest of whose item it is."""
    return hashlib.sha256(f"{len(model)}:{model}{key}".encode()).digest()[:BOUND]
