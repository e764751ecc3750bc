"""HTTP to one OpenAI-compatible server: JSON goes out, JSON or a stream of it comes back. Knows nothing of what it says.

aiohttp is imported at the first call, in a thread: it takes tenths of a second.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import ssl
import urllib.request
from base64 import b64encode
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from typing import Any, Literal, cast
from urllib.parse import unquote, urlsplit, urlunsplit
from weakref import WeakSet

from system2.core import CallFailed
from system2.policies.events import Events

IDLE = {"http": 1.5, "https": 4.0}
"""Seconds that a connection is kept. vLLM's server closes an idle one after five, and a loop that is seconds late does
not see it; to connect anew costs a fraction of a millisecond. Whoever serves with TLS keeps them for a minute."""
AT_ONCE = 1_000  # connections to one server
ENDS = 0.1  # seconds that the end of a stream may come after its last event, for its connection to be kept
WORDS = 64 * 1024  # bytes that are read of an error
WHOLE = 256 * 1024 * 1024  # bytes of a reply that is no stream

Kind = Literal["refused", "told", "unreached", "untrusted", "misdirected", "silent", "lost"]


class Fault(Exception):  # noqa: N818  the word of the field
    """A call that failed.

    kind    refused: answered with an error's status; told: an error came in the stream; unreached: nobody
            answers there; untrusted: not with a certificate we believe; misdirected: there is no such address;
            silent: for too long; lost: the connection broke
    message, code, param: of the error as the server tells it
    """

    def __init__(
        self,
        kind: Kind,
        body: Any = None,
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind: Kind = kind
        self.status, self.headers = status, headers or {}
        told = cast(dict[str, Any], body) if isinstance(body, dict) else {}
        told = inner(told.get("error")) or told
        self.message = str(told.get("message") or words(body))
        self.code, self.param = str(told.get("code") or ""), told.get("param")


class Stream:
    """The events of a reply that is under way. Close it, however it ends."""

    def __init__(self, response: Any, faults: Faults) -> None:
        self._response, self._faults = response, faults
        self._events, self.loop = Events(), asyncio.get_running_loop()
        self._over = False
        self._fault: Fault | ValueError | None = None  # told once all that came before it is

    async def read(self) -> list[Any]:
        """What has come: one event or more; none: the stream is over.

        Raises Fault, and ValueError where it is no stream of JSON.
        """
        while not self._over:
            try:
                with self._faults:
                    data: bytes = await self._response.content.readany()
                self._over = not data
                data = data or b"\n"  # what the last line may wait for
            except Fault as fault:
                data = self._left()
                self._fault, self._over = fault, True
            if came := self._taken(data):
                return came
        if fault := self._fault:
            raise fault
        await self._rest()
        return []

    async def aclose(self) -> None:
        """Leave it; where it is not over, the server sees that we went."""
        self._response.close()

    def _taken(self, data: bytes) -> list[Any]:
        """The events that are whole now."""
        came: list[Any] = []
        try:
            for event in self._events.take(data):
                if event.strip() == b"[DONE]":
                    self._over = True
                    break
                value = loaded(event)
                if isinstance(value, dict) and (error := cast(dict[str, Any], value).get("error")):
                    raise Fault("told", {"error": error})
                came.append(value)
        except (Fault, ValueError) as fault:
            self._fault, self._over = fault, True
        return came

    def _left(self) -> bytes:
        """What had come when the connection broke: aiohttp itself no longer gives it."""
        return self._response.content._read_nowait(-1)  # pyright: ignore

    async def _rest(self) -> None:
        """The end of the body, so that the next call finds the connection free."""
        if self._response.content.at_eof():
            return
        try:
            async with asyncio.timeout(ENDS):
                while await self._response.content.readany():
                    pass
        except (TimeoutError, self._faults.any):
            return


class Endpoint:
    """Calls to one server. key: sent to it and nowhere else; timeout: seconds it may be silent."""

    def __init__(self, base_url: str, key: str | None, timeout: float) -> None:
        parts = urlsplit(base_url)
        self.base_url, self.timeout = base_url, timeout
        self._parts = parts._replace(netloc=parts.netloc.rpartition("@")[2])
        self._headers = {
            "Accept": "application/json",
            **identity(key, parts.username, parts.password),
        }
        self._loops: dict[asyncio.AbstractEventLoop, asyncio.Task[AsyncGenerator[Any]]] = {}
        self._faults = Faults()
        self._streams: WeakSet[Stream] = WeakSet()

    async def stream(self, path: str, body: Mapping[str, Any]) -> Stream:
        """POST `path` beneath the base URL; its events. Raises Fault, CallFailed."""
        stream = Stream(await self._open("POST", self.url(path), body), self._faults)
        self._streams.add(stream)
        return stream

    async def json(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Any:
        """The reply of a call, whole. Raises Fault, CallFailed, and ValueError where it is no JSON."""
        response = await self._open(method, url, body)
        try:
            with self._faults:
                return loaded(await limited(response, WHOLE))
        finally:
            response.close()

    def url(self, path: str, *, root: bool = False) -> str:
        """The address of a path beneath the base URL; root: beside its /v1."""
        base = self._parts.path.rstrip("/")
        base = base.removesuffix("/v1") if root else base
        return urlunsplit(self._parts._replace(path=base + path))

    async def aclose(self) -> None:
        """Close the connections of this event loop; who reads from one is told that it broke."""
        loop = asyncio.get_running_loop()
        for stream in [one for one in self._streams if one.loop is loop]:
            await stream.aclose()
        if task := self._loops.pop(asyncio.get_running_loop(), None):
            await (await task).aclose()

    async def _open(self, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
        session = await self._session()
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = (
            self._headers if data is None else self._headers | {"Content-Type": "application/json"}
        )
        with self._faults:
            response = await session.request(method, url, data=data, headers=headers)
        if 200 <= response.status < 300:
            return response
        try:
            with self._faults:
                said: Any = (await limited(response, WORDS, cut=True)).decode(errors="replace")
        finally:
            response.close()
        with suppress(ValueError):
            said = loaded(said)
        raise Fault("refused", said, status=response.status, headers=response.headers)

    async def _session(self) -> Any:
        """The session of this event loop: connections cannot move to another."""
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            self._loops = {k: v for k, v in self._loops.items() if not k.is_closed()}
            self._loops[loop] = asyncio.create_task(self._connected())
        try:
            keeper = await asyncio.shield(self._loops[loop])
        except (ImportError, OSError) as error:
            self._loops.pop(loop, None)
            raise CallFailed(
                f"aiohttp or its certificates cannot be read ({error})", retry=False
            ) from error
        except CallFailed:
            self._loops.pop(loop, None)
            raise
        return await keeper.asend(None)

    async def _connected(self) -> AsyncGenerator[Any]:
        http, trusted = await asyncio.to_thread(self._load)
        limits = http.ClientTimeout(total=None, connect=self.timeout, sock_connect=self.timeout, sock_read=self.timeout)  # fmt: skip
        session = http.ClientSession(
            connector=http.TCPConnector(
                limit=AT_ONCE, keepalive_timeout=IDLE.get(self._parts.scheme, 1.5), ssl=trusted
            ),
            cookie_jar=http.DummyCookieJar(),
            timeout=limits,
            proxy=proxy(self._parts.scheme, self._parts.netloc),
            headers={"User-Agent": "system2"},
        )
        keeper = kept(session)
        await anext(keeper)
        return keeper

    def _load(self) -> tuple[Any, ssl.SSLContext | bool]:
        """In a thread: the import takes tenths of a second, reading certificates tens of milliseconds."""
        http = importlib.import_module("aiohttp")
        self._faults.know(http)
        if self._parts.scheme != "https":
            return http, True
        trusted = ssl.create_default_context()
        trusted.load_verify_locations(importlib.import_module("certifi").where())
        return http, trusted


class Faults:
    """As a context: what aiohttp raises within becomes a Fault."""

    def __init__(self) -> None:
        self.any: type[Exception] = Fault
        self._kinds: list[tuple[Any, Kind]] = []

    def know(self, http: Any) -> None:
        """The exceptions of aiohttp, the special before the general."""
        self.any = http.ClientError
        self._kinds = [
            (http.InvalidURL, "misdirected"),
            (http.NonHttpUrlClientError, "misdirected"),
            (http.ConnectionTimeoutError, "unreached"),
            (http.ServerTimeoutError, "silent"),
            (http.ClientConnectorCertificateError, "untrusted"),
            (http.ClientConnectorError, "unreached"),
            (http.ClientError, "lost"),
            (OSError, "lost"),
        ]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        for one, fault in self._kinds:
            if isinstance(error, one):
                raise Fault(fault, str(error)) from error


async def kept(session: Any) -> AsyncGenerator[Any]:
    """The session, again and again. A loop that ends closes its generators, and this one the session."""
    try:
        while True:
            yield session
    finally:
        await session.close()


async def limited(response: Any, most: int, *, cut: bool = False) -> bytes:
    """A body of at most so many bytes. Raises ValueError where it has more and may not be cut."""
    whole = bytearray()
    async for piece in response.content.iter_any():
        whole += piece
        if len(whole) > most:
            if cut:
                break
            raise ValueError(f"a reply of more than {most:,} bytes")
    return bytes(whole[:most])


def loaded(text: str | bytes) -> Any:
    """JSON. Raises ValueError, however it is broken."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON that is nested too deep") from None


def identity(key: str | None, user: str | None, word: str | None) -> dict[str, str]:
    """Who asks: as the URL says, else the key; and for which organisation, where OpenAI's variables are set."""
    told = {
        "OpenAI-Organization": os.environ.get("OPENAI_ORG_ID", ""),
        "OpenAI-Project": os.environ.get("OPENAI_PROJECT_ID", ""),
    }
    if user or word:
        pair = f"{unquote(user or '')}:{unquote(word or '')}"
        told["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    elif key:
        told["Authorization"] = f"Bearer {key}"
    return {name: value for name, value in told.items() if value}


def proxy(scheme: str, place: str) -> str | None:
    """The proxy that the environment names for a server, a host with or without a port. Raises CallFailed."""
    host = urlsplit(f"//{place}").hostname or ""
    if urllib.request.proxy_bypass(host) or urllib.request.proxy_bypass(place):
        return None
    every = urllib.request.getproxies()
    if not (found := every.get(scheme) or every.get("all")):
        return None
    found = found if "://" in found else f"http://{found}"
    if urlsplit(found).scheme not in ("http", "https"):
        raise CallFailed(
            f"the environment names a {urlsplit(found).scheme} proxy; only http and https ones are spoken "
            "to: set HTTPS_PROXY or HTTP_PROXY to one, or name the server in NO_PROXY",
            retry=False,
        )
    return found


def inner(error: Any) -> dict[str, Any]:
    """The error of an error's body, which some servers tell as a mere string."""
    if isinstance(error, str):
        return {"message": error}
    return cast(dict[str, Any], error) if isinstance(error, dict) else {}


def words(body: Any) -> str:
    """A body in its own words."""
    if body is None or isinstance(body, str):
        return body or ""
    return json.dumps(body, ensure_ascii=False)
