"""A loopback backend that calls tools, fills schemas and answers sums: what a model that can do these would reply.

    python tests/clients/toolbackend.py [--port 8001]

It writes what the request itself asks for, so that a client that gets something else has found a fault.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncGenerator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Wire = dict[str, Any]
SUM = re.compile(r"(\d+)\s*([-+*×])\s*(\d+)")
EXACTLY = re.compile(r"[Rr]eply with exactly:\s*(\S+)")


class Backend:
    """Serves in a thread from `with` to the end of it. asked: the bodies that came."""

    def __init__(self, port: int = 0) -> None:
        self.asked: list[Wire] = []
        self.pause = 0.0  # seconds between two chunks of a reply
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", port))
        self.sock.listen(256)
        app = Starlette(routes=[Route("/v1/chat/completions", self.chat, methods=["POST"])])
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.sock.getsockname()[1]}/v1"

    def __enter__(self) -> Backend:
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(10)

    def run(self) -> None:
        """Serve until told to end."""
        asyncio.run(self.server.serve(sockets=[self.sock]))

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions."""
        body = await request.json()
        self.asked.append(body)
        message = reply(body)
        if body.get("stream"):
            return StreamingResponse(self.stream(body, message), media_type="text/event-stream")
        return JSONResponse(whole(body, message))

    async def stream(self, body: Wire, message: Wire) -> AsyncGenerator[str]:
        """The reply in words, then the bill."""
        slow = any("Take your time" in text_of(one) for one in body["messages"])
        pause = 30.0 if slow else self.pause
        for n in range(body.get("n") or 1):
            for delta in pieces(message):
                yield event([choice(body, n, delta)])
                await asyncio.sleep(pause)
            yield event([{"index": n, "delta": {}, "finish_reason": finish(message)}])
        yield event([], usage=usage(body, message)) + "data: [DONE]\n\n"


def reply(body: Wire) -> Wire:
    """The message that answers a request."""
    tools = body.get("tools") or []
    chosen = body.get("tool_choice", "auto")
    messages = body["messages"]
    told = [text_of(m) for m in messages if m["role"] == "user"]
    said = "\n".join(told)
    if tools and chosen != "none" and not any(m["role"] == "tool" for m in messages):
        wanted = chosen["function"]["name"] if isinstance(chosen, dict) else None
        tool = next((t for t in tools if t["function"]["name"] == wanted), tools[0])["function"]
        return {"call": tool["name"], "arguments": json.dumps(filled(tool.get("parameters") or {}))}
    results = [text_of(m) for m in messages if m["role"] == "tool"]
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        answer = json.dumps(filled(form["json_schema"].get("schema") or {}))
    elif form.get("type") == "json_object":
        answer = '{"answer": "4"}'
    elif results:
        answer = results[-1]
    else:
        answer = computed(said)
    if "<notes>" in said or "Think step by step" not in said:
        return {"text": answer}
    return {"text": f"The question asks for one thing.\n\nI work it out.\n\nAnswer: {answer}"}


def computed(said: str) -> str:
    """The answer to what was asked."""
    if found := EXACTLY.findall(said):
        return str(found[-1]).strip(".\"'")
    if found := SUM.findall(said):
        left, sign, right = found[-1]
        a, b = int(left), int(right)
        return str(a + b if sign == "+" else a - b if sign == "-" else a * b)
    return "Hello there, friend."


def filled(schema: Wire) -> Any:
    """An instance of a schema, as plain as it can be."""
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return filled(options[0])
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: filled(one) for name, one in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [filled(schema.get("items") or {"type": "string"})]
    return {"string": "Paris", "integer": 4, "number": 4.5, "boolean": True}.get(kind)


def text_of(message: Wire) -> str:
    """The text of a message."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content)


def pieces(message: Wire) -> list[Wire]:
    """The deltas of a reply."""
    if "call" not in message:
        words = re.findall(r"\s*\S+\s*?", message["text"])
        return [{"role": "assistant", "content": ""}, *({"content": word} for word in words)]
    name, arguments = message["call"], message["arguments"]
    half = len(arguments) // 2
    begun = {
        "index": 0,
        "id": "call_0",
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    return [
        {"role": "assistant", "tool_calls": [begun]},
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[:half]}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": arguments[half:]}}]},
    ]


def choice(body: Wire, n: int, delta: Wire) -> Wire:
    """One choice of a chunk, its tokens' log-probabilities with it where they were asked for."""
    out: Wire = {"index": n, "delta": delta, "finish_reason": None}
    text = delta.get("content")
    if body.get("logprobs") and text:
        entry = {"token": text, "logprob": -0.1, "bytes": list(text.encode()), "top_logprobs": []}
        out["logprobs"] = {"content": [entry]}
    return out


def whole(body: Wire, message: Wire) -> Wire:
    """The reply in one piece."""
    told: Wire = {"role": "assistant", "content": message.get("text")}
    if "call" in message:
        function = {"name": message["call"], "arguments": message["arguments"]}
        told["tool_calls"] = [{"id": "call_0", "type": "function", "function": function}]
    choices = [
        {"index": n, "message": told, "finish_reason": finish(message)}
        for n in range(body.get("n") or 1)
    ]
    return head("chat.completion", choices) | {"usage": usage(body, message)}


def finish(message: Wire) -> str:
    """Why a reply ends."""
    return "tool_calls" if "call" in message else "stop"


def usage(body: Wire, message: Wire) -> Wire:
    """What a request cost: a token a word."""
    prompt = sum(3 + len(text_of(m).split()) for m in body["messages"])
    text = message.get("text") or message["call"] + message["arguments"]
    sent = len(text.split()) * (body.get("n") or 1)
    return {"prompt_tokens": prompt, "completion_tokens": sent, "total_tokens": prompt + sent}


def head(kind: str, choices: list[Wire]) -> Wire:
    """An object of the API."""
    return {
        "id": "chatcmpl-0",
        "object": kind,
        "created": 1,
        "model": "pretend",
        "choices": choices,
    }


def event(choices: list[Wire], **more: Any) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(head('chat.completion.chunk', choices) | more)}\n\n"


def models(url: str) -> str:
    """The configuration of a server that offers the embedded model, and this backend by two names."""
    mini = '[[model]]\nname = "system2-mini"\neffort = "low"\n'
    other = '[[model]]\nname = "{}"\nmodel = "{}"\nmodel_name = "pretend"\neffort = "low"\n'
    return mini + other.format("tooled", url) + other.format("qwen3", url)


def main() -> None:
    """Serve until ended; print the address first."""
    parser = argparse.ArgumentParser(description="a backend that calls tools and fills schemas")
    parser.add_argument("--port", type=int, default=8001)
    backend = Backend(parser.parse_args().port)
    print(backend.url, flush=True)
    backend.run()


if __name__ == "__main__":
    main()
