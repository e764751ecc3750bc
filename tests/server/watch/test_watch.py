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
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError

import pytest
import uvicorn
from engine.fakes import SUM
from server.watch.seen import MODEL, metrics, read, tokens, watched
from server.watch.test_spans import ABOVE, Seen, attributes
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from system2.core import Finished, Meter, Piece, Price, Usage
from system2.engine import Engine
from system2.policies.fake import Digits
from system2.search import best_of
from system2.server.errors import ApiError
from system2.server.watch import Heading, Logs, Watch
from system2.server.watch.lines import handler

PRICE = Price(Decimal(3), Decimal(15))


def told() -> tuple[Watch, Seen, io.StringIO]:
    """All that watch, and where they write."""
    text, logger, seen = io.StringIO(), logging.Logger("test"), Seen()
    logger.addHandler(handler("json", text))
    return Watch(metrics(), Logs(logger, models={MODEL}), seen.spans), seen, text


@contextmanager
def served(watch: Watch) -> Iterator[str]:
    """A small server that streams the reply of one run, as ours does."""

    async def chat(request: Request) -> Response:
        body = await request.json()
        engine = Engine(SUM, best_of(3), Digits(), Meter(price=PRICE), reply=True, run="r1")

        async def stream() -> AsyncIterator[str]:
            with watch.request(
                request="req_1",
                method="POST",
                route="/v1/chat/completions",
                headers=request.headers,
            ) as visit:
                visit.key = "key_1"
                visit.asked(Heading(body["model"], stream=True))
                queue: asyncio.Queue[Any] = asyncio.Queue()
                engine.watchers += [visit.run(backend="digits", price=PRICE), queue.put_nowait]
                task = asyncio.create_task(engine.run())
                while not isinstance(event := await queue.get(), Finished):
                    if isinstance(event, Piece) and event.reply:
                        visit.first()
                        yield event.text
                end = await task
                visit.answered("chatcmpl-1", MODEL, ["stop"])
                assert end.answer

        return StreamingResponse(stream())

    async def refused(request: Request) -> Response:
        try:
            with watch.request(request="req_2", method="GET", route="/v1/models/{id}"):
                raise ApiError(404, "no such model", "model_not_found")
        except ApiError as error:
            return JSONResponse(error.body(), error.status)

    app = Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/models/{id:path}", refused),
        ]
    )
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
    watch, seen, text = told()
    with served(watch) as address:
        asked = urllib.request.Request(
            f"{address}/v1/chat/completions",
            json.dumps({"model": MODEL}).encode(),
            {"Content-Type": "application/json", "Traceparent": ABOVE},
        )
        with urllib.request.urlopen(asked) as reply:
            assert reply.read()
        with pytest.raises(HTTPError, match="404") as refused:
            urllib.request.urlopen(f"{address}/v1/models/CANARY")
        refused.value.close()
    run, request, other = map(json.loads, text.getvalue().splitlines())
    assert (run["event"], run["request"], run["run"]) == ("run", "req_1", "r1")
    for name in ("prompt", "reasoning", "visible", "cost", "key", "model"):
        assert request[name] == run[name]
    assert tokens(watch.metrics) == {kind: run[kind] for kind in ("prompt", "reasoning", "visible")}
    assert read(watch.metrics, "cost_usd_total", key_id="key_1") == pytest.approx(
        float(run["cost"])
    )
    assert read(watch.metrics, "requests_total", model=MODEL, status="200") == 1
    assert read(watch.metrics, "time_to_first_token_seconds_count", model=MODEL) == 1
    (root,) = [one for one in seen.all if one.name == f"chat {MODEL}"]
    usage = attributes(root)
    assert usage["gen_ai.usage.reasoning.output_tokens"] == run["reasoning"]
    assert usage["gen_ai.usage.output_tokens"] == run["reasoning"] + run["visible"]
    assert usage["gen_ai.response.finish_reasons"] == ("stop",)
    assert f"{root.context.trace_id:032x}" == ABOVE.split("-")[1]
    assert (other["status"], other["error"], other["route"]) == (
        404, "model_not_found", "/v1/models/{id}",
    )  # fmt: skip
    assert "CANARY" not in text.getvalue()


def test_a_client_that_leaves_is_told_of() -> None:
    watch, seen, text = told()
    with (
        pytest.raises(GeneratorExit),
        watch.request(request="r", method="POST", route="/v1/responses") as visit,
    ):
        visit.asked(Heading(MODEL, "responses"))
        raise GeneratorExit
    (line,) = map(json.loads, text.getvalue().splitlines())
    assert (line["status"], line["error"]) == (499, "GeneratorExit")
    assert attributes(seen.all[0])["http.response.status_code"] == 499


def test_a_run_that_no_request_waits_for() -> None:
    watch, seen, text = told()
    follower = watch.run(model=MODEL, key="key_1", backend="digits", price=PRICE)
    _, end, _ = watched(best_of(2), follower, run="r7")
    follower.close()
    (line,) = map(json.loads, text.getvalue().splitlines())
    assert (line["run"], line["why"]) == ("r7", end.why)
    assert attributes(seen.run)["system2.run"] == "r7" and "request" not in line
    assert read(watch.metrics, "runs_active") == 0


def test_many_runs_of_one_request_add_up() -> None:
    watch, _, text = told()
    ends = []
    with watch.request(request="r", method="POST", route="/v1/chat/completions") as visit:
        visit.asked(Heading(MODEL, choices=2))
        for n in range(2):
            ends.append(watched(best_of(2), visit.run(), run=f"r{n}", seed=n)[1])
    line = json.loads(text.getvalue().splitlines()[-1])
    usage = sum([end.usage for end in ends], Usage())
    assert (line["prompt"], line["reasoning"]) == (usage.prompt, usage.reasoning)
    assert "cost" not in line  # the price is unknown


def test_without_spans_the_rest_goes_on() -> None:
    watch = Watch(metrics())
    with watch.request(request="r", method="POST", route="/v1/chat/completions") as visit:
        visit.asked(Heading(MODEL))
        visit.first()
        visit.status = 400
        watched(best_of(1), visit.run())
    assert read(watch.metrics, "requests_total", status="400", model=MODEL) == 1
    watch.close()
