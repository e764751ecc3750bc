"""A response that cannot be stored says so; its answer was paid for, and is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from policies.counting_server import Server as Backend
from server.live import RESPONSES, live, response
from sqlalchemy import text


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_what_cannot_be_stored_is_told_and_not_said_to_be_stored(
    stream: bool, tmp_path: Path
) -> None:
    async def main() -> None:
        faults: list[str] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, told: faults.append(told["message"]))
        with Backend() as backend:
            async with live(tmp_path, backend) as one:
                gone = text("ALTER TABLE responses RENAME TO lost")
                await one.server.database.write(lambda db: db.execute(gone).rowcount)
                reply = await one.ask(RESPONSES, response(stream))
                assert reply.status == 200
                body = reply.events()[-1]["response"] if stream else reply.json()
                assert body["status"] == "completed" and body["store"] is False
                assert body["output"]
        assert [told for told in faults if "cannot be stored" in told]

    asyncio.run(main())
