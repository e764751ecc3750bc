"""Every endpoint there is, in one list: what the application serves, what a key must be allowed, what the schema says."""

from __future__ import annotations

from typing import Any

from system2.server import chat, compaction, models, openapi, others, responses, retrieved, runs
from system2.server.app import Spot
from system2.server.wire import shapes
from system2.server.wire.chat_request import ChatRequest
from system2.server.wire.responses_request import ResponseRequest

RESPONSE = "/v1/responses/{id}"

EVENTS = ("text/event-stream",)
RUN = ("run", "/system2/run_id")
ASK: dict[str, Any] = {
    "messages": [{"role": "user", "content": "What is 17 * 23?"}],
    "reasoning_effort": "low",
}
INPUT: dict[str, Any] = {"input": "What is 17 * 23?", "reasoning": {"effort": "low"}}

SPOTS: tuple[Spot, ...] = (
    Spot("GET", "/health", models.ready, None, "Does it take requests?", None, shapes.Health),
    Spot("GET", "/livez", models.alive, None, "Does the process live?", None, shapes.Health),
    Spot("GET", "/readyz", models.ready, None, "Does it take requests?", None, shapes.Health),
    Spot(
        "GET", "/metrics", models.metrics, "admin", "What Prometheus reads",
        kinds=("text/plain", "application/openmetrics-text"),
    ),
    Spot("GET", "/openapi.json", openapi.described, None, "This schema"),
    Spot("GET", "/v1/models", models.listed, "", "The models there are", None, shapes.ModelList),
    Spot("GET", "/v1/models/{id:path}", models.one, "", "One model", None, shapes.ModelCard),
    Spot(
        "POST", "/v1/chat/completions", chat.create, "chat", "Think, and answer a chat",
        ChatRequest, shapes.Completion, example=ASK, kinds=EVENTS, finds=(RUN, ("id", "/id")),
    ),
    Spot(
        "POST", "/v1/responses", responses.create, "chat", "Think, and answer",
        ResponseRequest, shapes.ResponseObject, example=INPUT, kinds=EVENTS,
        finds=(RUN, ("id", "/id")),
    ),
    Spot(
        "POST", "/v1/responses/input_tokens", compaction.input_tokens, "chat", "Count the tokens",
        ResponseRequest, shapes.InputTokens, example=INPUT,
    ),
    Spot(
        "POST", "/v1/responses/compact", compaction.compact, "chat", "Seal a conversation up",
        ResponseRequest, shapes.Compaction, example=INPUT,
    ),
    Spot(
        "GET", RESPONSE, retrieved.get, "chat", "A response as it stands, or its events",
        None, shapes.ResponseObject, shapes.Events, kinds=EVENTS,
    ),
    Spot("DELETE", RESPONSE, retrieved.delete, "chat", "Forget a response", None, shapes.Deleted),
    Spot(
        "POST", f"{RESPONSE}/cancel", retrieved.cancel, "chat", "End one in the background",
        None, shapes.ResponseObject,
    ),
    Spot(
        "GET", f"{RESPONSE}/input_items", retrieved.input_items, "chat", "What it was asked with",
        None, shapes.Page, shapes.Some,
    ),
    *runs.SPOTS,
    *others.SPOTS,
)  # fmt: skip
