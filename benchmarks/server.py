"""An OpenAI-compatible server on 127.0.0.1 that misbehaves as told and counts every token it ever sent.

    python benchmarks/server.py [--port 8000] [--recorded] [--manners '{"rate": 50, "fail": 0.1}']

It writes pretend chains of thought, or with --recorded those of last_letters_gpt35_40x250.jsonl.gz in
$SYSTEM2_DATA. POST /manners sets how it behaves and counts from nought; GET /counts is the truth.
Without --port it answers one request of its own, to show that it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from replies import Manners, Replies, cut, recorded

ODD = ("throttle", "garbage", "short", "stall", "loris", "reset_after")


@dataclass
class Record:
    """One request and the truth about it.

    outcome  done | failed | throttled | hung | reset | garbage | short | gone | open
    said     the end of what was asked; ended, times: when it ended, and every chunk was sent, by a clock
             that all processes share
    """

    prompt: int
    sent: int = 0
    outcome: str = "open"
    said: str = ""
    ended: float = 0.0
    times: list[float] = field(default_factory=list)


class Backend:
    """The application, and the records of what it did."""

    def __init__(self, replies: Replies, manners: Manners) -> None:
        self.replies, self.manners = replies, manners
        self.records: list[Record] = []

    async def chat(self, request: Any) -> Any:
        """POST /v1/chat/completions."""
        from starlette.responses import JSONResponse, StreamingResponse

        body, manners = await request.json(), self.manners
        said = " ".join(str(message["content"]) for message in body["messages"])
        record = Record(3 + len(cut(said)), said=said[-200:])
        self.records.append(record)
        dice = Random(f"{manners.seed} {len(self.records)}")
        fails, hangs, resets, truncates = (
            dice.random() < share
            for share in (manners.fail, manners.hang, manners.reset, manners.truncate)
        )
        odd = next((n for n in ODD if dice.random() < getattr(manners, n)), "")
        if fails:
            record.outcome = "failed"
            return JSONResponse({"error": {"message": "the pretend server fails"}}, 500)
        if odd == "throttle":
            record.outcome = "throttled"
            error = {"error": {"message": "the pretend server is busy"}}
            return JSONResponse(error, 429, headers={"retry-after": "0"})
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or 10**9
        replies = [self.replies.of(said, manners, dice) for _ in range(body.get("n") or 1)]
        limits = [min(limit, dice.randrange(1, len(r)) if truncates else limit) for r in replies]
        ends = ["length" if len(r) > most else "stop" for r, most in zip(replies, limits)]
        texts = [reply[:most] for reply, most in zip(replies, limits)]
        if body.get("stream"):
            odd = "reset" if resets else "hang" if hangs else odd
            at = dice.randrange(1, max(2, min(map(len, texts))))
            stream = self.stream(record, texts, ends, manners, odd=odd, breaks=at)
            if odd == "loris":
                stream = dribbled(stream)
            return StreamingResponse(stream, media_type="text/event-stream")
        return await self.whole(request, record, texts, ends, manners, silent=hangs or resets)

    async def whole(
        self,
        request: Any,
        record: Record,
        texts: list[list[str]],
        ends: list[str],
        manners: Manners,
        *,
        silent: bool,
    ) -> Any:
        """A reply in one piece: written at the same rate, and given up when the client has gone."""
        from starlette.responses import JSONResponse, Response

        longest, size = max(map(len, texts)), manners.per_chunk
        record.outcome = "hung" if silent else "open"
        for at in range(0, longest, size):
            await asyncio.sleep(size / manners.rate if manners.rate else 0)
            while silent and not await request.is_disconnected():
                await asyncio.sleep(0.1)
            if await request.is_disconnected():
                record.outcome = "hung" if silent else "gone"
                return Response(status_code=499)
            record.sent += sum(len(text[at : at + size]) for text in texts)
        record.outcome = "done"
        choices = [
            {"index": n, "message": {"role": "assistant", "content": "".join(text)}, "finish_reason": end}
            for n, (text, end) in enumerate(zip(texts, ends))
        ]  # fmt: skip
        return JSONResponse(chunk(choices) | {"object": "chat.completion", "usage": bill(record)})

    async def stream(
        self,
        record: Record,
        texts: list[list[str]],
        ends: list[str],
        manners: Manners,
        *,
        odd: str,
        breaks: int,
    ) -> AsyncGenerator[str]:
        """Server-sent events. A token counts when it is handed to the connection; at `breaks` it is odd."""
        try:
            if odd == "hang":
                record.outcome = "hung"
                await asyncio.sleep(3600)
            began, size = time.monotonic(), manners.per_chunk
            for at in range(0, max(map(len, texts)), size):
                if manners.rate:  # by the clock, so that a busy machine does not slow it down
                    await asyncio.sleep(max(0.0, began + at / manners.rate - time.monotonic()))
                if at >= breaks and odd in ("reset", "garbage", "short", "stall"):
                    if odd == "reset":
                        record.outcome = odd
                        raise ConnectionResetError("as told")
                    if odd == "stall":
                        await asyncio.sleep(manners.stalled)
                        odd = ""
                    else:
                        record.outcome = odd
                        if odd == "garbage":
                            yield 'data: {"choices": [{"delta\n\n'
                        return
                for n, text in enumerate(texts):
                    if piece := text[at : at + size]:
                        record.sent += len(piece)
                        record.times.append(time.monotonic())
                        delta = {"content": "".join(piece)}
                        yield event(chunk([{"index": n, "delta": delta, "finish_reason": None}]))
            last = [{"index": n, "delta": {}, "finish_reason": end} for n, end in enumerate(ends)]
            yield event(chunk(last))
            usage = bill(record)
            if manners.lies:
                usage |= {"completion_tokens": manners.lies}
            yield event(chunk([]) | {"usage": usage}) + "data: [DONE]\n\n"
            record.outcome = "done"
            if odd == "reset_after":
                raise ConnectionResetError("as told")
        finally:
            record.ended = time.monotonic()
            record.outcome = "gone" if record.outcome == "open" else record.outcome

    async def behave(self, request: Any) -> Any:
        """POST /manners."""
        from starlette.responses import JSONResponse

        self.manners = replace(Manners(), **await request.json())
        self.records, self.replies.asked = [], Counter()
        return JSONResponse(asdict(self.manners))

    async def counts(self, request: Any) -> Any:
        """GET /counts: once no stream is under way, or after two seconds."""
        from starlette.responses import JSONResponse

        end = time.monotonic() + 2
        while any(r.outcome == "open" for r in self.records) and time.monotonic() < end:
            await asyncio.sleep(0.02)
        return JSONResponse([asdict(record) for record in self.records])


async def dribbled(stream: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """The same, a few characters at a time."""
    async with aclosing(stream):
        async for text in stream:
            for at in range(0, len(text), 7):
                await asyncio.sleep(0)
                yield text[at : at + 7]


def chunk(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """A chunk of a reply."""
    return {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1, "model": "pretend",
            "choices": choices}  # fmt: skip


def bill(record: Record) -> dict[str, int]:
    """The usage of a request."""
    return {"prompt_tokens": record.prompt, "completion_tokens": record.sent,
            "total_tokens": record.prompt + record.sent}  # fmt: skip


def event(body: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(body)}\n\n"


class Server:
    """The server as a process of its own, from `with` to the end of it."""

    def __init__(self, *, recorded: bool = False) -> None:
        self.command = [sys.executable, __file__, "--port", "0", *["--recorded"] * recorded]
        self.url = ""

    def __enter__(self) -> Server:
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("the server did not start; see above")
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(10)

    def behave(self, manners: Manners) -> None:
        """Behave so from now on, and count from nought."""
        self._call("/manners", json.dumps(asdict(manners)).encode())

    def counts(self) -> list[Record]:
        """What happened since."""
        return [Record(**record) for record in self._call("/counts", None)]

    def _call(self, path: str, data: bytes | None) -> Any:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + path, data, timeout=30) as reply:
            return json.load(reply)


def serve(backend: Backend, port: int) -> None:
    """Run until the process is ended; print the address first."""
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Route

    routes = [
        Route("/v1/chat/completions", backend.chat, methods=["POST"]),
        Route("/manners", backend.behave, methods=["POST"]),
        Route("/counts", backend.counts),
    ]
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(1024)
    print(f"http://127.0.0.1:{sock.getsockname()[1]}/v1", flush=True)
    config = uvicorn.Config(Starlette(routes=routes), log_level="critical", access_log=False,
                            timeout_graceful_shutdown=1)  # fmt: skip
    uvicorn.Server(config).run(sockets=[sock])


def main() -> None:
    """Serve, or show that it would."""
    parser = argparse.ArgumentParser(description="a server that counts what it sends")
    parser.add_argument("--port", type=int, help="0: any free one; left out: only a trial")
    parser.add_argument("--recorded", action="store_true")
    parser.add_argument("--manners", type=json.loads, default={})
    given = parser.parse_args()
    if given.port is None:
        with Server() as server:
            body = {"messages": [{"role": "user", "content": "why?"}], "model": "pretend"}
            server._call("/v1/chat/completions", json.dumps(body).encode())
            print(f"one request answered: {server.counts()[0]}")
        return
    kept: dict[str, list[str]] = {}
    if given.recorded:
        folder = os.environ.get("SYSTEM2_DATA")
        if not folder:
            sys.exit("SYSTEM2_DATA is not set: it names the folder of the recorded answers")
        kept, _ = recorded(Path(folder))
    serve(Backend(Replies(kept), replace(Manners(), **given.manners)), given.port)


if __name__ == "__main__":
    main()
