"""What a server offers beside chat: plain completions and its tokenizer. Knows nothing about search, money or steps."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

from system2.core import CallFailed
from system2.policies.endpoint import Endpoint, Fault
from system2.policies.failures import Failures


class Refused(CallFailed):
    """The server answered that it does not do this: its status, and its words about it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message, retry=False)
        self.status = status


class Upstream:
    """One model of one OpenAI-compatible server. key: sent to it and nowhere else."""

    def __init__(
        self, model: str, base_url: str, key: str | None = None, timeout: float = 120.0
    ) -> None:
        self.model, self.base_url = model, base_url
        self._endpoint = Endpoint(base_url, key, timeout)
        self._failures = Failures(model, base_url, key, timeout)

    async def complete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /completions, whole. Raises Refused, CallFailed."""
        return await self._asked("POST", "/completions", self._endpoint.url("/completions"), body)

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """POST /completions, chunk by chunk, the last with the usage where it tells it. Raises Refused, CallFailed."""
        asked = {**body, "model": self.model, "stream": True}
        asked["stream_options"] = {"include_usage": True}
        begun = False
        try:
            stream = await self._endpoint.stream("/completions", asked)
            begun = True
            async with aclosing(stream):
                while came := await stream.read():
                    for chunk in came:
                        yield whole(chunk)
        except (Fault, ValueError) as error:
            raise self._failed(error, "/completions", begun=begun) from error

    async def tokenizer(self, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        """What vLLM has beside /v1: /tokenize, /detokenize, /tokenizer_info. Raises Refused, CallFailed."""
        method = "GET" if body is None else "POST"
        return await self._asked(method, path, self._endpoint.url(path, root=True), body)

    async def _asked(
        self, method: str, path: str, url: str, body: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        told = None if body is None else {**body, "model": self.model}
        try:
            return whole(await self._endpoint.json(method, url, told))
        except (Fault, ValueError) as error:
            raise self._failed(error, path) from error

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._endpoint.aclose()

    def _failed(self, error: Exception, path: str, *, begun: bool = False) -> CallFailed:
        status = error.status if isinstance(error, Fault) else None
        failure = self._failures.of(error, begun=begun)
        if status in (404, 405, 501) and "has no model" not in str(failure):
            return Refused(404, f"the server behind this model has no {path}")
        return Refused(status, str(failure)) if status in (400, 413, 422, 429) else failure


def whole(reply: Any) -> dict[str, Any]:
    """A reply that is an object. Raises ValueError."""
    if not isinstance(reply, dict):
        raise ValueError(f"an object was expected, {type(reply).__name__} came")
    return cast(dict[str, Any], reply)
