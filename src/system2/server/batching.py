"""Works at the lines of batches, behind everybody else: as requests like any other, of the key that sent them.

A line is held by a lease; its searches have names made from its own, so that whoever takes a line up after a crash goes
on with what was paid for.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import IntegrityError

from system2.core import Budget, Meter
from system2.server.batch_answers import answered
from system2.server.data.batches import Batch, Line
from system2.server.data.files import File
from system2.server.data.keys import LOCAL
from system2.server.errors import ApiError
from system2.server.server import Server
from system2.server.terms import Behind
from system2.server.watch.logs import NAME
from system2.server.wire.batch_lines import WRONG, result, usage_of

AT_ONCE = 16  # lines, while nobody else asks for anything
SHARED = 4  # lines, while somebody does
PACE = 1.0  # seconds between two looks, where nothing calls for one
REST = 5.0  # and where there is no batch
LATER = 30.0  # seconds after which a line that a limit holds back is tried again, at most
KEPT = 30 * 86_400  # seconds that results are kept
PAGE = 500  # lines that are read at once
LOG = logging.getLogger(NAME)


@dataclass(slots=True, eq=False)
class Batching:
    """One worker of this process.

    lease  seconds that a line is held after its holder was last heard of
    most   searches of lines at once, whatever else goes on
    """

    server: Server
    lease: float = 60.0
    most: int = AT_ONCE
    working: dict[tuple[str, int], asyncio.Task[None]] = field(
        default_factory=dict[tuple[str, int], asyncio.Task[None]]
    )
    runs: set[str] = field(default_factory=set[str])  # names of the searches of lines under way
    meters: dict[str, Meter] = field(default_factory=dict[str, Meter])
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    def start(self) -> Batching:
        """Begin to work."""
        self._task = asyncio.create_task(self.work(), name="batches")
        return self

    def wake(self) -> None:
        """Something has changed: look now."""
        self._news.set()

    async def close(self) -> None:
        """Stop; lines under way are left to whoever comes next, and go on where they are."""
        tasks = [*self.working.values(), *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---------------------------------------------------------------- what to do next

    async def work(self) -> None:
        """Look, and look again. A database that cannot be reached is tried again later."""
        while not self.server.jobs.closing:
            self._news.clear()
            busy = True
            try:
                busy = await self.look()
            except OSError as error:
                LOG.warning("batches wait: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE if busy else REST):
                    await self._news.wait()
        await self.leave(None)

    async def look(self) -> bool:
        """End what is over and begin what there is room for; is there a batch at all?"""
        there = await self.server.stored.batches.having("in_progress", "cancelling", "finalizing")
        now = int(time.time())
        for batch in there:
            if batch.status == "cancelling":
                await self.cancelled(batch)
            elif batch.status == "finalizing":
                await self.finish(batch)
            elif batch.expires_at is not None and batch.expires_at <= now:
                await self.expired(batch)
            elif not (await self.server.stored.batches.counts(batch.id)).open:
                await self.finish(batch)
        if room := self.room():
            found = await self.server.stored.batches.claim(now, lease=self.held(), most=room)
            batches = {batch.id: batch for batch in there}
            for line in found:
                task = asyncio.create_task(self.line(batches.get(line.batch), line))
                self.working[line.batch, line.n] = task
        return bool(there)

    def room(self) -> int:
        """Lines that may be begun now: few while others ask, none while others wait for their turn."""
        jobs = self.server.jobs
        if jobs.slots.locked() or jobs.lateness.over:
            return 0
        others = any(job.run not in self.runs for job in jobs.running)
        limit = min(SHARED if others else AT_ONCE, self.most)
        return max(0, limit - max(len(self.working), len(self.runs)))

    def held(self) -> int:
        """The lease in whole seconds."""
        return max(1, round(self.lease))

    # ---------------------------------------------------------------- one line

    async def line(self, batch: Batch | None, line: Line) -> None:
        """Answer a line, and keep the reply."""
        holding = asyncio.create_task(self.hold(line, asyncio.current_task()))
        batches, names = self.server.stored.batches, set[str]()
        try:
            if batch is None:  # it has begun since the batches were looked at
                await batches.release(line)
                return
            reply = await self.reply(batch, line, names)
            if self.server.jobs.closing and reply is not None and WRONG not in reply:
                await batches.release(
                    line
                )  # it may have been told to hurry: no answer of a batch's
            elif reply is not None:
                wrong = WRONG in reply or reply["status_code"] >= 400
                await batches.finish(line, reply, failed=wrong)
        except asyncio.CancelledError:
            with suppress(OSError):
                await asyncio.shield(batches.release(line))
            raise
        except OSError as error:  # its lease runs out, and it is tried again
            LOG.warning("a line of %s waits: %s", line.batch, error)
        finally:
            holding.cancel()
            self.working.pop((line.batch, line.n), None)
            self.runs -= names
            self.wake()

    async def reply(self, batch: Batch, line: Line, names: set[str]) -> dict[str, Any] | None:
        """The reply to a line; None: it is put off."""
        if WRONG in line.request:
            return {**line.request}
        request = f"req_{secrets.token_hex(16)}"
        count = line.request.get("n")
        runs = named(batch, line.n, count if isinstance(count, int) else 1)
        names.update(runs)
        self.runs |= names
        try:
            key = LOCAL if batch.key == LOCAL.id else await self.server.keys.get(batch.key)
            if key is None or not key.holds(time.time()):
                raise ApiError(401, "The key of this batch holds no longer.", "invalid_api_key")
            behind = Behind(runs, self.meter(str(line.request.get("model"))))
            body = await answered(
                self.server, key, str(batch.body["endpoint"]), dict(line.request), request, behind
            )
        except ApiError as error:
            if error.status in (429, 503) and error.code != "insufficient_quota":
                wait = min(LATER, float(error.headers.get("Retry-After", "5")))
                await self.server.stored.batches.renew(line, int(time.time() + wait + 0.5))
                return None
            return {"status_code": error.status, "request_id": request, "body": error.body()}
        except OSError:
            raise
        except Exception:
            LOG.exception("line %s of %s broke off", line.n, line.batch)
            broken = ApiError(500, "The server had an error.", "server_error", type="server_error")
            return {"status_code": 500, "request_id": request, "body": broken.body()}
        return {"status_code": 200, "request_id": request, "body": body}

    async def hold(self, line: Line, task: asyncio.Task[None] | None) -> None:
        """Keep the lease; where another has the line, or it is no more wanted, stop."""
        while True:
            await asyncio.sleep(self.lease / 3)
            with suppress(OSError):
                if not await self.server.stored.batches.renew(line, int(time.time()) + self.held()):
                    break
        if task:
            task.cancel()

    def meter(self, model: str) -> Meter:
        """What all lines of a model share: half its calls, so that the other half is free for others."""
        try:
            served, _ = self.server.models.find(model)
        except ApiError:
            return Meter()  # nothing will be asked of it
        if served.name not in self.meters:
            half = max(1, served.options.get("at_once", 64) // 2)
            self.meters[served.name] = Meter(Budget(calls=half), parent=served.meter)
        return self.meters[served.name]

    async def leave(self, batch: str | None) -> None:
        """Break off the lines under way, of a batch or of all."""
        tasks = [task for (id, _), task in self.working.items() if batch in (None, id)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---------------------------------------------------------------- the end of a batch

    async def cancelled(self, batch: Batch) -> None:
        """Nothing more of it."""
        await self.server.stored.batches.cancel_lines(batch.id)
        await self.leave(batch.id)
        await self.close_batch(batch, "cancelled", "batch_cancelled")

    async def expired(self, batch: Batch) -> None:
        """Its time is over."""
        await self.server.stored.batches.cancel_lines(batch.id)
        await self.leave(batch.id)
        await self.close_batch(batch, "expired", "batch_expired")

    async def finish(self, batch: Batch) -> None:
        """Every line has its reply."""
        if batch.status == "in_progress":
            body = {**batch.body, "status": "finalizing", "finalizing_at": int(time.time())}
            change = self.server.stored.batches.change
            await change(batch.id, was=("in_progress",), status="finalizing", body=body)
            batch = Batch(
                batch.id, batch.key, "finalizing", batch.created_at, body, batch.expires_at
            )
        await self.close_batch(batch, "completed", "batch_cancelled")

    async def close_batch(self, batch: Batch, status: str, absent: str) -> None:
        """Write its files and say how it ended. Whoever does so again, after a crash, does the same."""
        batches, out, err = self.server.stored.batches, bytearray(), bytearray()
        replies: list[dict[str, Any]] = []
        after = -1
        while page := await batches.lines(batch.id, after=after, limit=PAGE):
            for line in page:
                good = line.status == "completed"
                reply = line.reply if line.status in ("completed", "failed") else None
                (out if good else err).extend(
                    result(batch.id, line.n, line.custom_id, reply, absent)
                )
                if reply is not None:
                    replies.append(usage_of([reply]))
            after = page[-1].n
        counts, now = await batches.counts(batch.id), int(time.time())
        told = {"total": counts.total, "completed": counts.completed}
        body = {
            **batch.body,
            "status": status,
            f"{status}_at": now,
            "output_file_id": await self.kept(batch, "output", bytes(out), now),
            "error_file_id": await self.kept(batch, "error", bytes(err), now),
            "request_counts": told | {"failed": counts.failed},
            "usage": usage_of([{"body": {"usage": one}} for one in replies]),
        }
        await batches.change(batch.id, was=(batch.status,), status=status, body=body)

    async def kept(self, batch: Batch, kind: str, content: bytes, now: int) -> str | None:
        """The id of a file of results; None: there are none."""
        if not content:
            return None
        id = f"file-{hashlib.sha256(f'{batch.id} {kind}'.encode()).hexdigest()[:24]}"
        file = File(
            id, batch.key, f"{batch.id}_{kind}.jsonl", "batch_output", len(content), now, now + KEPT
        )
        with suppress(IntegrityError):  # it was written before a crash
            await self.server.stored.files.add(file, content)
        return id


def named(batch: Batch, n: int, count: int) -> tuple[str, ...]:
    """The names of a line's searches: they sort by time as others do, and are always the same."""
    begun = time.strftime("%Y%m%d-%H%M%S", time.localtime(batch.created_at))
    return tuple(
        f"{begun}-{hashlib.sha256(f'{batch.id} {n} {k}'.encode()).hexdigest()[:16]}"
        for k in range(min(128, max(1, count)))
    )
