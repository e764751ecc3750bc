"""What can be asked about a response's input without thinking: its tokens, and the whole of it as one sealed item."""

from __future__ import annotations

import secrets
import time

from starlette.requests import Request
from starlette.responses import Response

from system2.server.app import body_of, replied
from system2.server.data.keys import Key
from system2.server.errors import invalid
from system2.server.responses import conversation, earlier, own_items
from system2.server.server import Server
from system2.server.wire.check import checked, parsed
from system2.server.wire.items import NOTES
from system2.server.wire.responses_request import ResponseRequest
from system2.server.wire.responses_wanted import coherent, response_wanted


async def input_tokens(request: Request) -> Response:
    """How many tokens the input would be, or a bound on that where only the backend knows."""
    server: Server = request.app.state.server
    key: Key = request.state.key
    body = checked(ResponseRequest, parsed(await body_of(request)))
    coherent(body)
    served, _ = server.models.find(body.model, key.allows)
    server.limits.draw(key)
    before = await earlier(server, key, body.previous_response_id, {})
    own = await own_items(server, key, body, "resp_count", before)
    messages, _ = conversation(server, key, served, body, [*before, *own])
    count = served.prompt_tokens(response_wanted(body, messages).problem)
    return replied({"object": "response.input_tokens", "input_tokens": count})


async def compact(request: Request) -> Response:
    """A conversation as one sealed item, which stands for it in later requests. Spends nothing."""
    server: Server = request.app.state.server
    key: Key = request.state.key
    body = checked(ResponseRequest, parsed(await body_of(request)))
    if body.model is None:
        raise invalid("Missing required parameter: 'model'.", "model", "missing_required_parameter")
    coherent(body)
    served, _ = server.models.find(body.model, key.allows)
    server.limits.draw(key)
    before = await earlier(server, key, body.previous_response_id, {})
    own = await own_items(server, key, body, "resp_compact", before)
    messages, _ = conversation(server, key, served, body, [*before, *own])
    kept = [item for item in own if item.get("role") == "user"]
    text = "\n\n".join(
        f"{one.role}: {one.text}"
        for one in messages
        if one.role != "user" and one.text and not one.text.startswith(NOTES)
    )
    tag = secrets.token_hex(12)
    sealed = server.seal.close(text or "Nothing was said.", served.name, key.id)
    item = {"id": f"cmp_{tag}", "type": "compaction", "encrypted_content": sealed}
    count = served.prompt_tokens(response_wanted(body, messages).problem)
    usage = {
        "input_tokens": count,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": count,
    }
    return replied(
        {
            "id": f"resp_{secrets.token_hex(24)}",
            "object": "response.compaction",
            "created_at": int(time.time()),
            "output": [*kept, item],
            "usage": usage,
        }
    )
