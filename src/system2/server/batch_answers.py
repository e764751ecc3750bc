"""One line of a batch, answered by the code that answers a request, whichever endpoint it is for."""

from __future__ import annotations

import secrets
import time
from typing import Any

from system2.server.begin import begin
from system2.server.chat import Completion, finished
from system2.server.completions import complete
from system2.server.data.keys import Key
from system2.server.responses import exchange
from system2.server.server import Server
from system2.server.terms import Behind
from system2.server.wire.chat_reply import Head
from system2.server.wire.chat_request import ChatRequest
from system2.server.wire.chat_wanted import chat_wanted
from system2.server.wire.check import checked
from system2.server.wire.completion_request import CompletionRequest
from system2.server.wire.profile import rules
from system2.server.wire.responses_request import ResponseRequest


async def answered(
    server: Server, key: Key, endpoint: str, body: dict[str, Any], request: str, behind: Behind
) -> dict[str, Any]:
    """The body of the reply. Raises ApiError; whoever is cancelled ends the searches too."""
    if endpoint == "/v1/chat/completions":
        return await chatted(server, key, checked(ChatRequest, body), request, behind)
    if endpoint == "/v1/completions":
        return await complete(server, key, checked(CompletionRequest, body), request, behind.meter)
    wanted = checked(ResponseRequest, {"store": False, **body})  # the batch's file has it
    made = await exchange(server, key, wanted, request, behind=behind)
    return await made.end()


async def chatted(
    server: Server, key: Key, body: ChatRequest, request: str, behind: Behind
) -> dict[str, Any]:
    """A chat completion."""
    served, _ = server.models.find(body.model)
    rules(body, served.profile)
    wanted = chat_wanted(body, server.may_fetch)
    begun = await begin(server, wanted, key, request, behind=behind)
    head = Head(f"chatcmpl-{secrets.token_hex(16)}", int(time.time()), body.model)
    try:
        return await finished(server, Completion(head, body, begun, wanted))
    finally:
        begun.release()
