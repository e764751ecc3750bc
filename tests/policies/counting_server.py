"""A real HTTP server on 127.0.0.1 that speaks /v1/chat/completions, misbehaves as told, and counts every token it sends.

Standard library only. `with Server(Manners(...)) as server:` runs it in a thread; `server.records` is the truth.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import threading
from collections.abc import AsyncGenerator
from typing import Any

from policies.manners import Choice, Manners, Record, answer, chain

__all__ = ["Manners", "Record", "Server", "chain"]


class Server:
    """Runs from `with` to the end of it."""

    def __init__(self, manners: Manners | None = None, port: int = 0) -> None:
        self.manners = manners or Manners()
        self.records: list[Record] = []
        self.port = port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def sent(self) -> int:
        """Completion tokens of all requests."""
        return sum(sum(record.sent) for record in self.records)

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---------------------------------------------------------------- HTTP

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                headers = {k.lower(): v for k, v in (x.split(": ", 1) for x in lines if x)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if not await self._answer(first.split()[1], headers, body, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(
        self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> bool:
        if not body:  # somebody looks whether anyone is there
            refused = self.manners.key and self.manners.key not in headers.get("authorization", "")
            status = self.manners.status or (401 if refused else 404)
            await self._plain(writer, status, {"error": {"message": self.manners.said}}, {})
            return True
        record = Record(json.loads(body), headers)
        self.records.append(record)
        dice = random.Random(f"{self.manners.seed}/{len(self.records)}")
        record.prompt = 3 + sum(len(m["content"].split()) for m in record.body["messages"])
        if refusal := self._refusal(path, record, dice):
            status, code, param, text = refusal
            record.status, record.outcome = status, "refused"
            error = {"message": text, "type": "invalid_request_error", "param": param, "code": code}
            await self._plain(writer, status, {"error": error}, self.manners.headers)
            return True
        if self.manners.hang == "start":
            record.outcome = "hung"
            await asyncio.sleep(3600)
        choices = [self._choice(record, dice, n) for n in range(self._wanted(record))]
        record.sent, record.thought = [0] * len(choices), [0] * len(choices)
        record.texts = [""] * len(choices)
        if not record.body.get("stream"):
            await self._plain(writer, 200, self._whole(record, choices), {})
            record.outcome = "done"
            return True
        return await self._stream(record, choices, dice, writer)

    async def _plain(
        self, writer: asyncio.StreamWriter, status: int, body: Any, headers: dict[str, str]
    ) -> None:
        data = json.dumps(body).encode()
        lines = {"Content-Type": "application/json", "Content-Length": len(data), **headers}
        head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        writer.write(head.encode() + b"\r\n" + data)
        await writer.drain()

    async def _stream(
        self,
        record: Record,
        choices: list[Choice],
        dice: random.Random,
        writer: asyncio.StreamWriter,
    ) -> bool:
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        manners, whole = self.manners, sum(len(choice.tokens) for choice in choices)
        breaks = dice.randrange(1, max(2, whole)) if dice.random() < manners.reset else None
        middle = whole // 2
        try:
            async for event in self._events(record, choices):
                if breaks is not None and sum(record.sent) >= breaks:
                    await asyncio.sleep(0.02)  # what was sent before arrives
                    self._reset(writer)
                    record.outcome = "reset"
                    return False
                if sum(record.sent) >= middle and (manners.hang == "middle" or manners.abort):
                    if manners.hang:
                        record.outcome = "hung"
                        await asyncio.sleep(3600)
                    if manners.abort == "event":
                        await self._frame(writer, {"error": {"message": manners.said}}, dice)
                    record.outcome = "short"
                    writer.write(b"0\r\n\r\n")
                    await writer.drain()
                    return True
                if writer.transport.is_closing():
                    raise ConnectionResetError
                count, event = event
                await self._frame(writer, event, dice)
                for n, (tokens, thoughts, text) in count.items():
                    record.sent[n] += tokens
                    record.thought[n] += thoughts
                    record.texts[n] += text
                if manners.pace:
                    await asyncio.sleep(manners.pace)
            await self._frame(writer, "[DONE]", dice)
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        except ConnectionError:
            record.outcome = "gone"
            return False
        record.outcome = "done"
        return True

    async def _frame(self, writer: asyncio.StreamWriter, event: Any, dice: random.Random) -> None:
        text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        data = f"data: {text}\n\n".encode()
        while data:
            size = dice.randint(1, 3) if self.manners.shatter else len(data)
            piece, data = data[:size], data[size:]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await writer.drain()

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    # ---------------------------------------------------------------- the reply

    def _refusal(
        self, path: str, record: Record, dice: random.Random
    ) -> tuple[int, str | None, str | None, str] | None:
        manners, body = self.manners, record.body
        given = record.headers.get("authorization", "").removeprefix("Bearer ")
        if manners.key and given != manners.key:
            return 401, "invalid_api_key", None, f"Incorrect API key provided: {given}"
        if path != "/v1/chat/completions":
            return 404, None, None, "Not Found"
        if body["model"] != manners.model:
            return 404, "model_not_found", "model", f"The model {body['model']} does not exist"
        if manners.throttled:
            manners.throttled -= 1
            return 429, "rate_limit_exceeded", None, manners.said
        if manners.status:
            return manners.status, manners.code, None, f"{manners.said} to {given}"
        if dice.random() < manners.fail:
            return 500, None, None, manners.said
        for name in sorted(manners.refuse & set(body)):
            if name != "n" or body["n"] > 1:
                return 400, "unsupported_parameter", name, f"Unsupported parameter: '{name}'"
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        if manners.most is not None and limit > manners.most:
            return 400, None, None, f"max_completion_tokens or max_tokens is too large: {limit}"
        return None

    def _wanted(self, record: Record) -> int:
        return 1 if self.manners.ignore_n else record.body.get("n") or 1

    def _choice(self, record: Record, dice: random.Random, n: int) -> Choice:
        manners, body = self.manners, record.body
        seed = body.get("seed", 0) + n
        last = body["messages"][-1]
        begun = last["content"] if last["role"] == "assistant" and manners.continues else ""
        lead: list[str] = []
        if manners.strips and begun.endswith("\n\n"):
            lead = ["\n\n"]
        thoughts = [*lead, *chain(seed, manners.paragraphs, begun.count("\n\n"))]
        reply = answer(seed)
        kind = manners.thoughts
        if kind == "inline":
            marks = ("<thi", "nk>"), ("</", "think", ">")
            texts = [*marks[0], *thoughts, *marks[1], *reply]
            tokens = [("content", t, t) for t in texts]
        elif kind == "content":
            tokens = [("content", t, t) for t in (*thoughts, *reply)]
        else:
            tokens = [(kind, t, t) for t in thoughts] + [("content", t, t) for t in reply]
        finish, met = "stop", None
        stops = body.get("stop") or []
        text = ""
        for at, (_, token, _) in enumerate(tokens):
            text += token
            hit = next((s for s in stops if s in text), None)
            if hit:
                left = len(text[: text.index(hit)])
                tokens, met = self._clipped(tokens[: at + 1], left), hit
                break
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or 10**9
        if dice.random() < manners.truncate:
            limit = min(limit, dice.randint(1, len(tokens)))
        if len(tokens) > limit and not manners.deaf:
            tokens, finish, met = tokens[:limit], "length", None
        return Choice(tokens, finish, met)

    def _clipped(self, tokens: list[tuple[str, str, str]], left: int) -> list[tuple[str, str, str]]:
        """The text up to the stop string; the tokens are paid all the same."""
        out: list[tuple[str, str, str]] = []
        for kind, text, token in tokens:
            out.append((kind, text[:left], token))
            left = max(0, left - len(text))
        return out

    async def _events(
        self, record: Record, choices: list[Choice]
    ) -> AsyncGenerator[tuple[dict[int, tuple[int, int, str]], Any]]:
        """Events, each with the (tokens, thoughts, text) a choice gets by it."""
        yield (
            {},
            self._chunk(
                record,
                [self._piece(n, {"role": "assistant", "content": ""}) for n in range(len(choices))],
            ),
        )
        size, at = self.manners.per_chunk, 0
        while any(at < len(choice.tokens) for choice in choices):
            for n, choice in enumerate(choices):
                batch = choice.tokens[at : at + size]
                while batch:
                    same = [t for t in batch if t[0] == batch[0][0]]
                    batch = batch[len(same) :]
                    text = "".join(t[1] for t in same)
                    thoughts = len(same) if same[0][0] != "content" else 0
                    piece = self._piece(n, {same[0][0]: text})
                    if record.body.get("logprobs"):
                        entries = [
                            {
                                "token": t[1],
                                "logprob": -len(t[2]) / 8,
                                "bytes": None,
                                "top_logprobs": [],
                            }
                            for t in same
                        ]
                        piece["logprobs"] = {"content": entries, "refusal": None}
                    yield {n: (len(same), thoughts, text)}, self._chunk(record, [piece])
            at += size
        for n, choice in enumerate(choices):
            piece = self._piece(n, {}) | {"finish_reason": choice.finish}
            if self.manners.tells_stop:
                piece["stop_reason"] = choice.met
            yield {}, self._chunk(record, [piece])
        if self.manners.usage and (record.body.get("stream_options") or {}).get("include_usage"):
            yield {}, self._chunk(record, []) | {"usage": self._usage(record)}

    def _piece(self, n: int, delta: dict[str, str]) -> dict[str, Any]:
        return {"index": n, "delta": delta, "logprobs": None, "finish_reason": None}

    def _chunk(self, record: Record, pieces: list[dict[str, Any]]) -> dict[str, Any]:
        usage = self._usage(record) if self.manners.running_usage else None
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": record.body["model"],
            "choices": pieces,
            "usage": usage,
        }

    def _usage(self, record: Record) -> dict[str, Any]:
        whole = sum(record.sent)
        usage: dict[str, Any] = {
            "prompt_tokens": record.prompt,
            "completion_tokens": whole,
            "total_tokens": record.prompt + whole,
            "prompt_tokens_details": {"cached_tokens": min(self.manners.cached, record.prompt)},
        }
        if self.manners.reasoning_counts and self.manners.thoughts != "content":
            usage["completion_tokens_details"] = {"reasoning_tokens": sum(record.thought)}
        if self.manners.lies is not None:
            usage |= {"prompt_tokens": self.manners.lies, "completion_tokens": self.manners.lies}
        return usage

    def _whole(self, record: Record, choices: list[Choice]) -> dict[str, Any]:
        """The reply to a request that wants no stream."""
        out: list[dict[str, Any]] = []
        for n, choice in enumerate(choices):
            message: dict[str, Any] = {"role": "assistant", "content": ""}
            for kind, text, _ in choice.tokens:
                message[kind] = message.get(kind, "") + text
                record.sent[n] += 1
                record.thought[n] += kind != "content"
                record.texts[n] += text
            out.append(
                {"index": n, "message": message, "logprobs": None, "finish_reason": choice.finish}
            )
        whole = self._chunk(record, []) | {"object": "chat.completion", "choices": out}
        return whole | {"usage": self._usage(record) if self.manners.usage else None}
