"""A response under way: its events, kept for all who follow, stored for those who come later. Knows no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from system2.core import Finished
from system2.server.begin import Begun
from system2.server.data.responses import Response
from system2.server.data.stored import Stored
from system2.server.errors import ApiError
from system2.server.wire.outcome import Outcome, spelt
from system2.server.wire.response_object import FINAL, ended
from system2.server.wire.response_writer import ResponseWriter, Told
from system2.server.wire.usage import extension, response_usage
from system2.server.wire.wanted import Wanted

PACE = 0.25  # seconds between two writes of a response's events
KEPT = 30 * 86_400  # seconds that a response is stored
LAST = ("response.completed", "response.incomplete", "response.failed")


@dataclass(slots=True, eq=False)
class Exchange:
    """One response, from its first event to its last.

    stored   None: it is not to be
    input    its own items, as they are stored
    """

    id: str
    begun: Begun
    writer: ResponseWriter
    wanted: Wanted
    stored: Stored | None
    input: list[dict[str, Any]]
    background: bool
    events: list[Told] = field(default_factory=list[Told])
    body: Told = field(default_factory=dict[str, Any])  # as it was last told
    error: ApiError | None = None
    cancelled: bool = False
    paused: bool = False
    followers: int = 0
    task: asyncio.Task[None] | None = None
    final: asyncio.Event = field(default_factory=asyncio.Event)  # all is said
    there: bool = False  # is it stored already?
    saved: int = 0  # events that are
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def over(self) -> bool:
        """Is the response final?"""
        return self.body.get("status") in FINAL

    async def start(self, *, again: bool = False) -> None:
        """Begin; in the background it is stored before anything is spent on it. again: it was given up."""
        if not self.events:
            self.add(self.writer.open(queued=self.background))
        self.body = {**self.writer.body}
        self.there = self.background or again
        if self.stored and self.background and not again:
            await self.stored.responses.add(self.row("in_progress"))
        self.task = asyncio.create_task(self.write(), name=f"response {self.id}")
        self.task.add_done_callback(lambda _: self.begun.release())

    def add(self, events: list[Told]) -> None:
        """More events, for everybody."""
        self.events += events
        self._more.set()
        self._more = asyncio.Event()

    async def write(self) -> None:
        """Follow the search to its end, and say what it comes to; nobody but the search ends this."""
        saving = asyncio.create_task(self.save()) if self.stored and self.background else None
        try:
            await self.follow()
        finally:
            try:
                await self.settled()
            finally:
                self.final.set()
                self.add([])
                if saving:
                    await saving
                try:
                    await self.keep()
                except (OSError, SQLAlchemyError) as error:
                    self.body["store"] = False  # it was to be, and nobody will find it
                    told = {"message": f"response {self.id} cannot be stored", "exception": error}
                    asyncio.get_running_loop().call_exception_handler(told)

    async def settled(self) -> None:
        """Once the searches have ended, say how it stands."""
        tasks = [job.task for job in self.begun.jobs if job.task]
        if tasks and not self.over:
            await asyncio.wait(tasks)
            if not self.paused:
                self.finish("cancelled")

    async def follow(self) -> None:
        """Events of the search become events of the response."""
        job, raw = self.begun.jobs[0], self.begun.show == "raw"
        try:
            async with aclosing(job.follow(thoughts=raw)) as told:
                async for _, event in told:
                    self.add(self.writer.take(event))
                    if isinstance(event, Finished) and not self.cancelled:
                        self.close(event)
        except ApiError as error:
            self.fail(error)
        except Exception as error:
            self.fail(ApiError(500, "The search broke off.", "server_error", type="server_error"))
            raise RuntimeError(f"response {self.id} broke off") from error

    def close(self, end: Finished) -> None:
        """The search is over. Raises ApiError where the backend failed."""
        job = self.begun.jobs[0]
        if job.left or self.paused or end.why == "cancelled":
            return
        one = self.begun.outcome(0, self.id.removeprefix("resp_"), self.wanted)
        status = "completed" if one.finish in ("stop", "tool_calls") else "incomplete"
        self.add(
            self.writer.close(
                one,
                spelt(job.events, job.answers),
                final=lambda body: self.finish(status, reason=reason(one), why=one.why, base=body),
            )
        )

    def fail(self, error: ApiError) -> None:
        """It cannot be answered."""
        self.error = error
        code = "server_error" if error.status >= 500 else "invalid_prompt"
        said = {"code": code, "message": error.message}
        self.add(self.writer.fail(lambda body: self.finish("failed", error=said, base=body)))

    def finish(
        self,
        status: str,
        *,
        reason: str | None = None,
        why: str = "",
        error: dict[str, str] | None = None,
        base: Told | None = None,
    ) -> Told:
        """The response as it stands at its end."""
        spent = self.begun.spent()
        ends = [job.finished for job in self.begun.jobs if job.finished]
        own = extension(self.begun.jobs[0].run, spent, ends, self.begun.settings(), why)
        self.body = ended(
            base or self.writer.body, status, usage=response_usage(spent), own=own, error=error, reason=reason
        )  # fmt: skip
        return self.body

    # ---------------------------------------------------------------- who reads

    def join(self) -> None:
        """A request wants this; whoever calls it must `leave`, however the request ends."""
        self.followers += 1

    async def told(self, after: int = -1) -> AsyncGenerator[Told]:
        """Its events with a sequence number above `after`, to the last one, which is told once it is stored.

        Whoever stops must close the generator: a response that nobody follows any more, and that is not
        in the background, is given up.
        """
        self.join()
        try:
            at = after + 1
            while True:
                more = self._more
                while at < len(self.events):
                    if self.task and self.events[at]["type"] in LAST:
                        await asyncio.wait({self.task})  # it is stored by then
                    yield self.events[at]
                    at += 1
                if self.task is None or self.final.is_set() or self.over:
                    if at >= len(self.events):
                        return
                    continue
                await more.wait()
        finally:
            self.leave()

    async def end(self) -> Told:
        """The response at its end. Raises ApiError where it failed."""
        self.join()
        try:
            if self.task:
                await asyncio.wait({self.task})
        finally:
            self.leave()
        if self.error:
            raise self.error
        return self.body

    def leave(self) -> None:
        """Somebody has left: was it the last?"""
        self.followers -= 1
        if not self.followers and not self.background and not self.over:
            for job in self.begun.jobs:
                job.give_up()

    async def cancel(self) -> Told:
        """End it, whoever follows; what was spent is told."""
        if not self.over:
            self.cancelled = True
            for job in self.begun.jobs:
                job.cancel()
        if self.task:  # until it is stored, where it is to be
            await asyncio.wait({self.task})
        return self.body

    def pause(self) -> None:
        """The process ends: what is in the background, and stored, is left as it is for the next one."""
        if self.background and self.stored and not self.over:
            self.paused = True
            for job in self.begun.jobs:
                job.cancel()

    # ---------------------------------------------------------------- what is stored

    async def save(self) -> None:
        """Store events as they come, some at a time. What cannot be stored now is with the last ones."""
        while not self.final.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.final.wait(), PACE)
            with suppress(OSError):
                await self.append()

    async def append(self) -> None:
        """Store the events that are not stored yet; a response that was deleted meanwhile has none."""
        new = self.events[self.saved :]
        if new and self.stored:
            with suppress(IntegrityError):
                await self.stored.responses.append(
                    self.id, [(one["sequence_number"], one) for one in new]
                )
            self.saved += len(new)

    async def keep(self) -> None:
        """Store how it ended; whoever waited for it has seen to it that it went on until here."""
        if self.stored is None:
            return
        if self.paused:
            await self.append()
            return
        new = self.events[self.saved :]
        self.saved += len(new)
        events = [(one["sequence_number"], one) for one in new]
        status, body, put = self.body["status"], self.body, self.stored.responses
        if self.there:
            await put.change(self.id, status=status, body=body, events=events)
        else:
            self.there = True
            await put.add(self.row(status), events)

    def row(self, status: str) -> Response:
        """The response as it is stored."""
        return Response(
            id=self.id,
            key=self.begun.key.id,
            model=self.body["model"],
            status=status,
            created_at=self.body["created_at"],
            body=self.body,
            input=self.input,
            run=self.begun.jobs[0].run,
            previous=self.body["previous_response_id"],
            background=self.background,
            expires_at=self.body["created_at"] + KEPT,
        )


def reason(one: Outcome) -> str | None:
    """Why a response is incomplete."""
    return {"length": "max_output_tokens", "content_filter": "content_filter"}.get(one.finish)
