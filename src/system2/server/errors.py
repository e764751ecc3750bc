"""What goes wrong for a client, as OpenAI says it: four keys, and a status."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ApiError(Exception):
    """An error a client is told of; raised anywhere in the server, answered at one border.

    code   a string or None, never a number
    param  the field that is wrong, as `messages[0].role`
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    type: str = "invalid_request_error"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __str__(self) -> str:
        return self.message

    def body(self) -> dict[str, Any]:
        """The JSON of the reply."""
        told = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return {"error": told}


def invalid(message: str, param: str | None = None, code: str = "invalid_value") -> ApiError:
    """A request that cannot be understood, or asks for what cannot be had."""
    return ApiError(400, message, code, param)
