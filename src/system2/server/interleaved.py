"""Two streams on one wire: the events of a response, and beside them those of its search. Knows neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

HELD = 64  # pieces of both that wait for a slow reader


async def interleaved(
    main: AsyncGenerator[bytes], side: AsyncGenerator[bytes]
) -> AsyncGenerator[bytes]:
    """The pieces of both as they come, each stream's in its order; the end is that of `main`.

    Both are closed when this is. What `side` has not told by the end of `main` is left out.
    """
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(HELD)

    async def pump(source: AsyncGenerator[bytes]) -> None:
        try:
            async with aclosing(source):
                async for piece in source:
                    await queue.put(piece)
        finally:
            if source is main:
                await queue.put(None)

    tasks = [asyncio.create_task(pump(source)) for source in (main, side)]
    try:
        while (piece := await queue.get()) is not None:
            yield piece
    finally:
        for task in tasks:
            task.cancel()
        while not queue.empty():  # whoever waits to put something may end
            queue.get_nowait()
        await asyncio.gather(*tasks, return_exceptions=True)
