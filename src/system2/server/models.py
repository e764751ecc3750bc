"""GET /v1/models, and whether the process lives and is ready. Spends nothing."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from system2.server.app import replied
from system2.server.cards import card
from system2.server.data.keys import Key
from system2.server.served import Served
from system2.server.server import Server


async def listed(request: Request) -> Response:
    """The models that this key may use."""
    server: Server = request.app.state.server
    key = request.state.key
    cards = [told(one, key) for one in server.models.served.values() if key.allows(one.name)]
    return replied({"object": "list", "data": cards})


async def one(request: Request) -> Response:
    """One model; its name may hold slashes, an effort or a mode."""
    server: Server = request.app.state.server
    name = request.path_params["id"]
    key = request.state.key
    served, _ = server.models.find(name, key.allows)
    return replied(told(served, key) | {"id": name})


def told(served: Served, key: Key) -> dict[str, Any]:
    """A model's card; where its backend is, is for those who run the server."""
    body = card(served, key)
    if not key.may("admin"):
        body["system2"]["backend"] = "embedded" if served.local else "server"
    return body


async def alive(request: Request) -> Response:
    """The process lives."""
    return replied({"status": "ok"})


async def ready(request: Request) -> Response:
    """It takes requests; 503 while a backend has not answered yet, and once it is shutting down."""
    server: Server = request.app.state.server
    if server.jobs.closing:
        return replied({"status": "closing"}, 503)
    if server.backends.waiting:
        return replied({"status": "waiting"}, 503)
    return replied({"status": "ok"})


async def metrics(request: Request) -> Response:
    """What Prometheus reads."""
    server: Server = request.app.state.server
    body, kind = server.metrics.text(request.headers.get("accept", ""))
    return Response(body, media_type=None, headers={"content-type": kind})
