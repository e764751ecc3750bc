"""A real HTTP server on 127.0.0.1 that streams what a function says, in the pieces it says it in. Standard library only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


@dataclass
class Turn:
    """A reply: a piece is a delta, or text; odds: with log-probabilities; counts: what its usage adds."""

    pieces: Sequence[str | Body]
    finish: str = "stop"
    odds: bool = False
    counts: Body = field(default_factory=dict[str, Any])
    index: int = 0


@dataclass
class Refusal:
    """An error instead."""

    said: str
    param: str | None = None
    status: int = 400


class Speaking:
    """Runs from `with` to the end of it; `speak` is given each body. bodies: all that were sent."""

    def __init__(self, speak: Callable[[Body], Turn | list[Turn] | Refusal]) -> None:
        self.speak = speak
        self.bodies: list[Body] = []
        self.refused = 0
        told = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                told.bodies.append(body)
                said = told.speak(body)
                if isinstance(said, Refusal):
                    told.refused += 1
                    error = {"message": said.said, "param": said.param, "type": "x", "code": None}
                    self.send(said.status, "application/json", json.dumps({"error": error}))
                    return
                turns = said if isinstance(said, list) else [said]
                events = [json.dumps(event) for event in events_of(turns)] + ["[DONE]"]
                self.send(200, "text/event-stream", "".join(f"data: {e}\n\n" for e in events))

            def send(self, status: int, kind: str, text: str) -> None:
                data = text.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                with suppress(ConnectionError):
                    self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def __enter__(self) -> Speaking:
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()


def events_of(turns: Sequence[Turn]) -> list[Body]:
    """The chunks of a stream, its usage last."""
    events: list[Body] = []
    spent = 0
    counts: Body = {}
    for n, turn in enumerate(turns):
        for piece in turn.pieces:
            delta = {"content": piece} if isinstance(piece, str) else piece
            spent += 1
            choice: Body = {"index": n, "delta": delta, "finish_reason": None}
            if turn.odds and isinstance(piece, str):
                choice["logprobs"] = {"content": [odds(piece)]}
            events.append(chunk([choice]))
        events.append(chunk([{"index": n, "delta": {}, "finish_reason": turn.finish}]))
        counts |= turn.counts
    usage = {"prompt_tokens": 9, "completion_tokens": spent, "total_tokens": 9 + spent} | counts
    return [*events, chunk([]) | {"usage": usage}]


def odds(text: str) -> Body:
    """A token's entry, with one alternative."""
    other = {"token": "?", "logprob": -2.5, "bytes": [63]}
    return {
        "token": text, "logprob": -0.5, "bytes": list(text.encode()), "top_logprobs": [other],
    }  # fmt: skip


def chunk(choices: list[Body]) -> Body:
    return {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices,
    }  # fmt: skip


def calling(*calls: tuple[str, str], size: int = 3, first: int = 0) -> list[Body]:
    """Deltas of calls (name, arguments): the arguments in pieces of `size` characters, calls in turn."""
    heads = [
        {
            "tool_calls": [
                {"index": n, "id": f"call_{first + n}", "type": "function",
                 "function": {"name": name, "arguments": ""}}
            ]
        }
        for n, (name, _) in enumerate(calls)
    ]  # fmt: skip
    rest: list[Body] = []
    most = max(len(text) for _, text in calls)
    for at in range(0, most, size):
        for n, (_, text) in enumerate(calls):
            if part := text[at : at + size]:
                rest.append({"tool_calls": [{"index": n, "function": {"arguments": part}}]})
    return heads + rest
