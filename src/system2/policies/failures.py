"""What went wrong on the way to a chat server, in sentences that say what to do. Never shows the key."""

from __future__ import annotations

import email.utils
import math
import time
from base64 import b64encode
from typing import Any
from urllib.parse import urlsplit

from system2.core import CallFailed
from system2.policies.endpoint import Fault

_LOST = frozenset({408, 502, 504, 520, 522, 524})
"""Answers of gateways that stopped waiting: the server behind them may have gone on writing."""


class Failures:
    """Turns faults into CallFailed, for one server and model."""

    def __init__(self, model: str, base_url: str, key: str | None, timeout: float) -> None:
        parts = urlsplit(base_url)
        self.host = public(base_url)
        self.model, self.timeout, self._key = model, timeout, key
        pair = f"{parts.username or ''}:{parts.password or ''}"
        basic = b64encode(pair.encode()).decode()
        self._secrets = [s for s in (key, parts.password, basic) if s and len(s) > 4]

    def short(self) -> CallFailed:
        """The stream ended, but no reason to finish had come."""
        text = f"the reply from {self.host} ended before it was finished"
        return CallFailed(text, retry=True, unseen=True)

    def silent(self, seconds: float) -> CallFailed:
        """The server said nothing for too long."""
        text = f"no sign of life from {self.host} for {seconds:g} seconds"
        return CallFailed(text, retry=True, unseen=True)

    def of(self, error: Exception | None, *, begun: bool = False) -> CallFailed:
        """begun: the stream was open already, so that tokens may be lost."""
        if not isinstance(error, Fault):
            text = (
                f"{self.host} sent what is not the chat completions format; is the base URL right?"
            )
            return CallFailed(text, retry=begun, unseen=True)
        match error.kind:
            case "refused":
                return self._refused(error, error.status or 0)
            case "silent":
                return self.silent(self.timeout)
            case "unreached" | "misdirected":
                text = (
                    f"no server answers at {self.host}; is it running, and is the base URL right?"
                )
                return CallFailed(text, retry=error.kind == "unreached")
            case "untrusted":
                text = (
                    f"{self.host} shows a certificate that is not trusted; set SSL_CERT_FILE to that of "
                    "its authority"
                )
                return CallFailed(text, retry=False)
            case "lost":
                text = f"the connection to {self.host} broke while it was answering"
            case "told":
                text = f"{self.host} broke off its reply{self._said(error)}"
        return CallFailed(text, retry=True, unseen=True)

    def _refused(self, error: Fault, status: int) -> CallFailed:
        """The server answered with an error."""
        headers, code, said = error.headers, error.code, self._said(error)
        if status == 401:
            given = "the key it was given" if self._key else "a call without a key"
            text = f"{self.host} refused {given} (401): set OPENAI_API_KEY or use --key-file"
            return CallFailed(text, retry=False)
        if status == 404 and ("model" in code or "model" in said.lower()):
            text = f"{self.host} has no model {self.model!r} (404); name one of those it lists at /models"
            return CallFailed(text, retry=False)
        if status == 404:
            text = f"nothing at {self.host}/chat/completions (404); does the base URL end in /v1?{said}"
            return CallFailed(text, retry=False)
        if code == "insufficient_quota":
            text = f"the account at {self.host} has no money left (429 insufficient_quota)"
            return CallFailed(text, retry=False)
        if status == 429:
            text = f"{self.host} asks to send fewer calls (429){said}"
            return CallFailed(text, retry=_may(headers, True), after=_after(headers))
        if status >= 500 or status in (408, 409, 425):
            text = f"{self.host} failed to answer ({status}){said}"
            again, lost = _may(headers, True), status in _LOST
            return CallFailed(text, retry=again, after=_after(headers), unseen=lost)
        return CallFailed(
            f"{self.host} did not accept the call for {self.model!r} ({status}){said}",
            retry=_may(headers, False),
        )

    def _said(self, error: Fault) -> str:
        """The server's own words, in one line, without the key."""
        text = error.message
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return f": {text[:300]}" if text else ""


def public(url: str) -> str:
    """A server's address without user, password and query: as it may be shown and stored."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "(an address that cannot be read)"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _may(headers: Any, otherwise: bool) -> bool:
    """May the call be tried again? What the server says goes first."""
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""), otherwise)


def _after(headers: Any) -> float | None:
    """Seconds the server asks to wait: a number, or a date."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        then = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    date = headers.get("date")  # the server's own clock, where it tells: ours may be wrong
    try:
        now = email.utils.parsedate_to_datetime(date).timestamp() if date else time.time()
    except ValueError:
        now = time.time()
    return max(0.0, then.timestamp() - now)
