"""What a server offers beside chat: plain completions and its tokenizer. Knows nothing about search, money or steps."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

from system2.core import CallFailed
from system2.policies.clients import Clients
from system2.policies.failures import Failures

KNOWN = frozenset({
    "prompt", "best_of", "echo", "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "n", "presence_penalty",
    "seed", "stop", "stream", "stream_options", "suffix", "temperature", "top_p", "user",
})  # fmt: skip
"""Fields of a completion that the SDK has names for; others go along beside them."""


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
        self._clients = Clients(base_url, key, timeout)
        self._failures = Failures(model, base_url, key, timeout)

    async def complete(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST /completions, whole. Raises Refused, CallFailed."""
        sdk_client = await self._clients.client()
        try:
            whole = await sdk_client.completions.create(**self._fields(body))
        except (self._clients.sdk.OpenAIError, ValueError) as error:
            raise self._failed(error, "/completions") from error
        return cast(dict[str, Any], whole.model_dump(exclude_unset=True))

    async def stream(self, body: Mapping[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """POST /completions, chunk by chunk, the last with the usage where it tells it. Raises Refused, CallFailed."""
        sdk_client = await self._clients.client()
        asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
        begun = False
        try:
            stream = await sdk_client.completions.create(**self._fields(asked))
            begun = True
            async with stream:
                async for chunk in stream:
                    yield chunk.model_dump(exclude_unset=True)
        except (self._clients.sdk.OpenAIError, ValueError) as error:
            raise self._failed(error, "/completions", begun=begun) from error

    async def tokenizer(self, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        """What vLLM has beside /v1: /tokenize, /detokenize, /tokenizer_info. Raises Refused, CallFailed."""
        sdk_client = await self._clients.client()
        parts = urlsplit(self.base_url)
        root = parts.path.rstrip("/").removesuffix("/v1")
        url = urlunsplit((parts.scheme, parts.netloc, f"{root}{path}", parts.query, ""))
        try:
            if body is None:
                found = await sdk_client.get(url, cast_to=object)
            else:
                told = {"model": self.model, **body}
                found = await sdk_client.post(url, cast_to=object, body=told)
        except (self._clients.sdk.OpenAIError, ValueError) as error:
            raise self._failed(error, path) from error
        if not isinstance(found, dict):
            raise Refused(404, f"{self._failures.host} answers {path} with what is no JSON object")
        return cast(dict[str, Any], found)

    async def reach(self, seconds: float) -> None:
        """Ask for its models, which costs nothing: any answer will do, be it that it has no such list.

        Raises CallFailed where nobody answers in so many seconds, or says that it cannot.
        """
        sdk_client = await self._clients.client()
        try:
            await sdk_client.get("/models", cast_to=object, options={"timeout": seconds})
        except (self._clients.sdk.OpenAIError, ValueError) as error:
            status = getattr(error, "status_code", None)
            if status is None and type(error).__name__ == "APITimeoutError":
                raise self._failures.silent(seconds) from error
            if status is None or (status >= 500 and status != 501):
                raise self._failures.of(error) from error

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        await self._clients.aclose()

    def _fields(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of the SDK's call."""
        known = {name: value for name, value in body.items() if name in KNOWN}
        extra = {name: value for name, value in body.items() if name not in KNOWN | {"model"}}
        return {"model": self.model, **known, **({"extra_body": extra} if extra else {})}

    def _failed(self, error: Exception, path: str, *, begun: bool = False) -> CallFailed:
        status = getattr(error, "status_code", None)
        failure = self._failures.of(error, begun=begun)
        if status in (404, 405, 501) and "has no model" not in str(failure):
            return Refused(404, f"the server behind this model has no {path}")
        return Refused(status, str(failure)) if status in (400, 413, 422, 429) else failure
