"""A server on 127.0.0.1 that has completions and vLLM's tokenizer, and keeps what it was asked. Standard library only."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class PlainBackend:
    """Runs from `with` to its end. chat: what it writes to a conversation; `usage`: does it count?

    The model `pretend` writes the words of its prompt backwards, one a token; any other has no completions.
    """

    def __init__(self, chat: Callable[[str], str] = lambda asked: "Answer: 4") -> None:
        self.chat, self.usage, self.size = chat, True, 10**9  # characters of a chunk
        self.gate, self.held = threading.Event(), 0  # the reply whose second half waits for it
        self.asked: list[tuple[str, dict[str, Any]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append((self.path, {}))
                self.reply(200, {"eos_token": "</s>", "chat_template": "t"})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append((self.path, body))
                if self.path == "/tokenize":
                    self.reply(
                        200,
                        {"tokens": [*range(len(body["prompt"].split()))], "model": body["model"]},
                    )
                elif self.path == "/v1/chat/completions":
                    self.stream(outer.answered(body))
                elif self.path == "/v1/completions" and body["model"] == "pretend":
                    whole = outer.completed(body)
                    if body.get("stream"):
                        told = whole.pop("usage")
                        self.stream(
                            [whole, *([{**whole, "choices": [], "usage": told}] if told else [])]
                        )
                    else:
                        self.reply(200, whole)
                else:
                    error = {"message": "Not Found", "type": "x", "param": None, "code": None}
                    self.reply(404, {"error": error})

            def reply(self, status: int, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def stream(self, chunks: list[Any]) -> None:
                lines = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
                data, number = f"{lines}data: [DONE]\n\n".encode(), len(outer.asked)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                half = data.find(b"\n\n", len(data) // 2) + 2
                self.wfile.write(data[:half])
                self.wfile.flush()
                if number == outer.held:
                    outer.gate.wait(30)
                self.wfile.write(data[half:])

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)

    def __enter__(self) -> PlainBackend:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join(10)

    def completed(self, body: dict[str, Any]) -> dict[str, Any]:
        """A completion of each prompt."""
        prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
        texts = [" ".join(reversed(prompt.split())) for prompt in prompts]
        read, wrote = (sum(len(one.split()) for one in some) for some in (prompts, texts))
        choices = [
            {"index": n, "text": text, "logprobs": None, "finish_reason": "stop"}
            for n, text in enumerate(texts)
        ]
        return {
            "id": "cmpl-x", "object": "text_completion", "created": 1, "model": body["model"], "choices": choices,
            "usage": {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
            if self.usage else None,
        }  # fmt: skip

    def answered(self, body: dict[str, Any]) -> list[Any]:
        """The chunks of a chat's reply."""
        said = self.chat(body["messages"][-1]["content"])
        head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        parts = [said[at : at + self.size] for at in range(0, len(said), self.size)] or [""]
        pieces = [
            {"index": 0, "delta": {"role": "assistant", "content": part}, "finish_reason": None}
            for part in parts
        ]
        usage = {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49}
        return [
            *({**head, "choices": [piece]} for piece in pieces),
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {**head, "choices": [], "usage": usage},
        ]
