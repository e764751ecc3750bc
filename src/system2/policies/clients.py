"""The SDK's clients, one an event loop: connections cannot move to another. Knows nothing about requests."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from collections.abc import AsyncGenerator
from typing import Any

from system2.core import CallFailed


class Clients:
    """Connections to one server. `sdk` is the `openai` module, None before the first call."""

    def __init__(self, base_url: str, key: str | None, timeout: float) -> None:
        self.base_url, self.timeout = base_url, timeout
        self.sdk: Any = None
        self._key = key
        self._loops: dict[asyncio.AbstractEventLoop, asyncio.Task[AsyncGenerator[Any]]] = {}

    async def client(self) -> Any:
        """The client of this event loop. Raises CallFailed where the SDK cannot be imported."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            self._loops = {k: v for k, v in self._loops.items() if not k.is_closed()}
            self._loops[loop] = asyncio.create_task(self._connected())
        try:
            keeper = await asyncio.shield(self._loops[loop])
        except ImportError as error:
            del self._loops[loop]
            raise CallFailed("the openai package cannot be imported", retry=False) from error
        return await keeper.asend(None)

    async def aclose(self) -> None:
        """Close the connections of this event loop."""
        if task := self._loops.pop(asyncio.get_running_loop(), None):
            await (await task).aclose()

    async def _connected(self) -> AsyncGenerator[Any]:
        keeper = _kept(await asyncio.to_thread(self._connect))
        await anext(keeper)
        return keeper

    def _connect(self) -> Any:
        """In a thread: importing the SDK takes seconds, reading certificates tens of milliseconds."""
        self.sdk = sdk = importlib.import_module("openai")
        plain = None
        if self.base_url.startswith("http://"):  # no certificate is needed, and none trusted
            plain = sdk.DefaultAsyncHttpxClient(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return sdk.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self.base_url,
            timeout=self.timeout,
            max_retries=0,
            http_client=plain,
        )


async def _kept(client: Any) -> AsyncGenerator[Any]:
    """The client, again and again. A loop that ends closes its generators, and this one the client."""
    try:
        while True:
            yield client
    finally:
        await client.close()
