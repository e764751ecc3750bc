"""Every endpoint there is, in one list: what the application serves, what a key must be allowed, what the schema says."""

from __future__ import annotations

from system2.server import chat, models, runs
from system2.server.app import Spot
from system2.server.wire.chat_request import ChatRequest

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
    *runs.SPOTS,
)
