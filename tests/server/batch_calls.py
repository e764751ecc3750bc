"""Calls of OpenAI's own client about batches: lines are written, a batch is begun, waited for and read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from openai import OpenAI

MODEL, CHAT = "system2-mini", "/v1/chat/completions"
OVER = ("completed", "failed", "cancelled", "expired")


def line(id: Any, body: Any, url: str = CHAT, **more: Any) -> str:
    return json.dumps({"custom_id": id, "method": "POST", "url": url, "body": body} | more)


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


def begun(client: OpenAI, lines: list[str], endpoint: Any = CHAT, **more: Any) -> Any:
    file = client.files.create(file=("lines.jsonl", "\n".join(lines).encode()), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint=endpoint, completion_window="24h", **more
    )


def until(look: Callable[[], Any], seconds: float = 90) -> Any:
    """What it finds, once it finds something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise TimeoutError


def ended(client: OpenAI, id: str) -> Any:
    def look() -> Any:
        batch = client.batches.retrieve(id)
        return batch if batch.status in OVER else None

    return until(look)


def rows(client: OpenAI, id: str | None) -> dict[Any, Any]:
    """A file of results, by custom id."""
    assert id is not None
    text = client.files.content(id).text
    return {row["custom_id"]: row for row in map(json.loads, text.splitlines())}
