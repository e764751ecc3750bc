"""One request through an HTTP server over a real socket, seen by metrics, spans and logs alike."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
import uvicorn
from engine.fakes import SUM
from server.watch.seen import MODEL, metrics, read, tokens
from server.watch.test_spans import ABOVE, Seen, attributes
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from system2.core import PLAIN, Finished, Meter, Piece, Price
from system2.engine import Engine
from system2.policies.fake import Digits
from system2.search import best_of
from system2.server.watch import Heading, Logs, Metrics
from system2.server.watch.lines import handler

PRICE = Price(Decimal(3), Decimal(15))
WHERE = "/v1/chat/completions"


@dataclass
class Watch:
    """All that watch, and where they write."""

    metrics: Metrics = field(default_factory=metrics)
    seen: Seen = field(default_factory=Seen)
    text: io.StringIO = field(default_factory=io.StringIO)

    def __post_init__(self) -> None:
        logger = logging.Logger("test")
        logger.addHandler(handler("json", self.text))
        self.logs = Logs(logger, models={MODEL})


@contextmanager
def served(watch: Watch) -> Iterator[str]:
    """A small server that streams the reply of one run, as ours does."""

    async def chat(request: Request) -> Response:
        body = await request.json()
        engine = Engine(SUM, best_of(3), Digits(), Meter(price=PRICE), reply=PLAIN, run="r1")

        async def stream() -> AsyncIterator[str]:
            heading = Heading(body["model"], stream=True)
            with (
                watch.metrics.request(WHERE, body["model"]) as counted,
                watch.seen.spans.request(heading, request.headers) as span,
            ):
                queue: asyncio.Queue[Any] = asyncio.Queue()
                engine.watchers += [
                    watch.metrics.run(MODEL, "key_1", "digits", price=PRICE),
                    watch.logs.run(model=MODEL, key="key_1", request="req_1"),
                    span.run(price=PRICE),
                    queue.put_nowait,
                ]
                task = asyncio.create_task(engine.run())
                while not isinstance(event := await queue.get(), Finished):
                    if isinstance(event, Piece) and event.reply:
                        counted.first()
                        span.first()
                        yield event.text
                end = await task
                span.answered("chatcmpl-1", MODEL, ["stop"])
            watch.logs.request(
                request="req_1", method="POST", route=WHERE, status=counted.status, ms=1,
                key="key_1", model=MODEL, usage=end.usage, cost=end.cost,
            )  # fmt: skip

        return StreamingResponse(stream())

    app = Starlette(routes=[Route(WHERE, chat, methods=["POST"])])
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, ws="none", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def test_a_request_and_its_run() -> None:
    watch = Watch()
    with served(watch) as address:
        asked = urllib.request.Request(
            f"{address}/v1/chat/completions",
            json.dumps({"model": MODEL}).encode(),
            {"Content-Type": "application/json", "Traceparent": ABOVE},
        )
        with urllib.request.urlopen(asked) as reply:
            assert reply.read()
    run, request = map(json.loads, watch.text.getvalue().splitlines())
    assert (run["event"], run["request"], run["run"]) == ("run", "req_1", "r1")
    for name in ("prompt", "reasoning", "visible", "cost", "key", "model"):
        assert request[name] == run[name]
    assert tokens(watch.metrics) == {kind: run[kind] for kind in ("prompt", "reasoning", "visible")}
    assert read(watch.metrics, "cost_usd_total", key_id="key_1") == pytest.approx(
        float(run["cost"])
    )
    assert read(watch.metrics, "requests_total", model=MODEL, status="200") == 1
    assert read(watch.metrics, "time_to_first_token_seconds_count", model=MODEL) == 1
    (root,) = [one for one in watch.seen.all if one.name == f"chat {MODEL}"]
    usage = attributes(root)
    assert usage["gen_ai.usage.reasoning.output_tokens"] == run["reasoning"]
    assert usage["gen_ai.usage.output_tokens"] == run["reasoning"] + run["visible"]
    assert usage["gen_ai.response.finish_reasons"] == ("stop",)
    assert f"{root.context.trace_id:032x}" == ABOVE.split("-")[1]
