"""A reply that is over, told as a stream to whoever asks for it again: as few events as say the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from system2.server.wire.chat_reply import Head

Told = dict[str, Any]


def chunks(out: Told, *, usage: bool) -> Iterator[Told]:
    """The chunks of a whole chat completion. usage: they were asked to end with it."""
    head = Head(
        out["id"], out["created"], out["model"], out["service_tier"], out["system_fingerprint"]
    )
    for choice in out["choices"]:
        message = choice["message"]
        thought = {k: message[k] for k in ("reasoning_content", "reasoning") if k in message}
        deltas: list[Told] = [{"role": "assistant", "content": "", "refusal": None}]
        deltas += [thought] if thought else []
        for n, call in enumerate(message.get("tool_calls") or ()):
            deltas.append({"tool_calls": [{**call, "index": n}]})
        said = len(deltas)
        deltas += [{"content": message["content"]}] if message["content"] else []
        deltas.append({})
        for n, delta in enumerate(deltas):
            told = {
                "index": choice["index"],
                "delta": delta,
                "logprobs": choice["logprobs"] if n == said and delta else None,
                "finish_reason": None if delta else choice["finish_reason"],
            }
            chunk = head.of("chat.completion.chunk", [told])
            yield chunk | {"usage": None} if usage else chunk
    if usage:
        last = {name: out[name] for name in ("usage", "system2")}
        yield head.of("chat.completion.chunk", []) | last


def merged(events: Sequence[Told]) -> list[Told]:
    """The events of a response, numbered from nought: what was said in pieces, in one."""
    out: list[Told] = []
    for event in events:
        last = out[-1] if out else {}
        if "delta" in event and all(last.get(k) == event.get(k) for k in ("type", "item_id")):
            last["delta"] += event["delta"]
            if "logprobs" in event:
                last["logprobs"] = [*last["logprobs"], *event["logprobs"]]
        else:
            out.append({**event, "sequence_number": len(out)})
    return out
