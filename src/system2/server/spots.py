"""Every endpoint there is, in one list: what the application serves, what a key must be allowed, what the schema says."""

from __future__ import annotations

from system2.server import chat, models, responses, runs
from system2.server.app import Spot
from system2.server.wire.chat_request import ChatRequest
from system2.server.wire.responses_request import ResponseRequest

RESPONSE = "/v1/responses/{id}"

SPOTS: tuple[Spot, ...] = (
    Spot("GET", "/health", models.ready, None, "Does it take requests?"),
    Spot("GET", "/livez", models.alive, None, "Does the process live?"),
    Spot("GET", "/readyz", models.ready, None, "Does it take requests?"),
    Spot("GET", "/metrics", models.metrics, "", "What Prometheus reads"),
    Spot("GET", "/v1/models", models.listed, "", "The models there are"),
    Spot("GET", "/v1/models/{id:path}", models.one, "", "One model"),
    Spot(
        "POST", "/v1/chat/completions", chat.create, "chat", "Think, and answer a chat", ChatRequest
    ),
    Spot("POST", "/v1/responses", responses.create, "chat", "Think, and answer", ResponseRequest),
    Spot(
        "POST",
        "/v1/responses/input_tokens",
        responses.input_tokens,
        "chat",
        "Count the tokens",
        ResponseRequest,
    ),
    Spot(
        "POST",
        "/v1/responses/compact",
        responses.compact,
        "chat",
        "Seal a conversation up",
        ResponseRequest,
    ),
    Spot("GET", RESPONSE, responses.get, "chat", "A response as it stands, or its events"),
    Spot("DELETE", RESPONSE, responses.delete, "chat", "Forget a response"),
    Spot("POST", f"{RESPONSE}/cancel", responses.cancel, "chat", "End one in the background"),
    Spot("GET", f"{RESPONSE}/input_items", responses.input_items, "chat", "What it was asked with"),
    *runs.SPOTS,
    *runs.SPOTS,
)
