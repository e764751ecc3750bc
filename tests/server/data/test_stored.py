"""What is kept for clients: found again by its key alone, paged, changed, gone when its time is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from system2.server.data import (
    Batch,
    Chat,
    Claim,
    Counts,
    Database,
    Expired,
    File,
    Line,
    Response,
    Stored,
)
from system2.server.data import stored as module
from system2.server.data.tables import response_events

NOON = 1_795_348_800
ODD = "\x00 \ud800 é 答 \u2028"  # what a model may write and a database may refuse
RESPONSE = Response(
    "resp_1", "key_a", "m", "in_progress", NOON, {"id": "resp_1", "text": ODD, "n": None},
    ({"id": "i1", "text": ODD}, {"id": "i2"}, {"id": "i3"}), run="20261122", previous="resp_0",
    background=True, expires_at=NOON + 60,
)  # fmt: skip


@asynccontextmanager
async def stored(url: str) -> AsyncGenerator[Stored]:
    """What is stored in a new database."""
    async with Database.open(url) as db:
        yield Stored(db)


def test_responses(url: str) -> None:
    async def main() -> None:
        async with stored(url) as all_:
            kept = all_.responses
            await kept.add(RESPONSE)
            with pytest.raises(IntegrityError):
                await kept.add(RESPONSE)
            assert await kept.get("resp_1", "key_a") == RESPONSE
            assert await kept.get("resp_1", "key_b") is None
            assert await kept.unfinished() == [RESPONSE]
            assert not await kept.change("resp_2", status="completed", body={})
            assert await kept.change("resp_1", status="cancelled", body={"a": 1})
            late = await kept.change("resp_1", status="completed", body={}, unless=("cancelled",))
            assert not late and await kept.unfinished() == []
            found = await kept.get("resp_1", "key_a")
            assert found == replace(RESPONSE, status="cancelled", body={"a": 1})
            assert not await kept.delete("resp_1", "key_b")
            assert await kept.delete("resp_1", "key_a")
            assert not await kept.delete("resp_1", "key_a")

    asyncio.run(main())


def test_events_of_a_response(url: str) -> None:
    events = [(n, {"sequence_number": n, "delta": ODD}) for n in range(30)]

    async def main() -> None:
        async with stored(url) as all_:
            kept = all_.responses
            await kept.add(RESPONSE)
            await kept.append("resp_1", events[:10])
            await kept.append("resp_1", [])
            with pytest.raises(IntegrityError):  # one of them is known: none is kept
                await kept.append("resp_1", events[9:20])
            with pytest.raises(IntegrityError):
                await kept.append("resp_none", events)
            assert await kept.events("resp_1") == events[:10]
            done = await kept.change("resp_1", status="completed", body={}, events=events[10:])
            assert done and await kept.events("resp_1", 7, limit=5) == events[8:13]
            assert await kept.events("resp_1", 29) == [] == await kept.events("resp_2")
            await kept.delete("resp_1", "key_a")
            assert await kept.events("resp_1") == []

    asyncio.run(main())


def test_input_items(url: str) -> None:
    async def main() -> None:
        async with stored(url) as all_:
            kept = all_.responses
            await kept.add(RESPONSE)

            async def ids(**given: object) -> tuple[list[object], bool]:
                page = await kept.input_items("resp_1", "key_a", **given)  # type: ignore[arg-type]
                assert page
                return [item["id"] for item in page.entries], page.more

            assert await ids() == (["i3", "i2", "i1"], False)
            assert await ids(order="asc", limit=2) == (["i1", "i2"], True)
            assert await ids(order="asc", after="i1") == (["i2", "i3"], False)
            assert await ids(after="i1") == ([], False) == await ids(after="nobody")
            assert await kept.input_items("resp_1", "key_b") is None

    asyncio.run(main())


def chat(n: int, **given: object) -> Chat:
    """The n-th."""
    made = Chat(
        f"chatcmpl-{n}", "key_a", "m", NOON, {"text": ODD}, ({"role": "user"},), {"n": str(n % 2)}
    )
    return replace(made, **given)


def test_chats(url: str) -> None:
    async def main() -> None:
        async with stored(url) as all_:
            kept = all_.chats
            chats = [
                chat(n) for n in (3, 1, 2, 5, 4)
            ]  # all of one second: the order is that of birth
            for one in [*chats, chat(9, key="key_b"), chat(8, model="n", metadata={ODD: ODD})]:
                await kept.add(one)
            assert await kept.get("chatcmpl-3", "key_a") == chats[0]
            assert await kept.get("chatcmpl-9", "key_a") is None
            page = await kept.list("key_a", model="m", limit=2)
            assert [*page.entries] == chats[:2] and page.more
            page = await kept.list("key_a", model="m", after="chatcmpl-1", limit=3)
            assert [*page.entries] == chats[2:] and not page.more
            page = await kept.list("key_a", order="desc", after="chatcmpl-2")
            assert [*page.entries] == [chats[1], chats[0]]
            assert (await kept.list("key_a", after="nobody")).entries == ()
            odd = (await kept.list("key_a", metadata={"n": "1"})).entries
            assert [one.id for one in odd] == ["chatcmpl-3", "chatcmpl-1", "chatcmpl-5"]
            assert (await kept.list("key_a", metadata={"n": "1", "m": "1"})).entries == ()
            assert [one.id for one in (await kept.list("key_a", metadata={ODD: ODD})).entries] == [
                "chatcmpl-8"
            ]
            changed = await kept.change("chatcmpl-3", "key_a", {"other": "x"})
            assert changed == replace(chats[0], metadata={"other": "x"})
            assert await kept.get("chatcmpl-3", "key_a") == changed
            assert await kept.change("chatcmpl-3", "key_b", {}) is None
            assert not await kept.delete("chatcmpl-3", "key_b")
            assert await kept.delete("chatcmpl-3", "key_a")
            assert await kept.get("chatcmpl-3", "key_a") is None

    asyncio.run(main())


def test_files(url: str) -> None:
    files = [File(f"file-{n}", "key_a", ODD, "batch", n, NOON) for n in range(3)]

    async def main() -> None:
        async with stored(url) as all_:
            kept = all_.files
            for file in files:
                await kept.add(file, b"\x00\xff"[:1] * file.bytes)
            with pytest.raises(ValueError, match="2 bytes were announced, 1 came"):
                await kept.add(replace(files[2], id="file-9"), b"x")
            assert await kept.get("file-2", "key_a") == files[2]
            assert await kept.content("file-2", "key_a") == b"\x00\x00"
            assert await kept.content("file-0", "key_a") == b""
            assert (
                await kept.get("file-2", "key_b") is await kept.content("file-2", "key_b") is None
            )
            page = await kept.list("key_a", limit=2)
            assert [*page.entries] == [files[2], files[1]] and page.more
            assert (await kept.list("key_a", purpose="other")).entries == ()
            assert not await kept.delete("file-2", "key_b")
            assert await kept.delete("file-2", "key_a")
            assert await kept.get("file-2", "key_a") is None

    asyncio.run(main())


BATCH = Batch("batch_1", "key_a", "validating", NOON, {"id": "batch_1"})
LINES = [(f"c{n}{ODD}", {"body": {"n": n}}) for n in range(4)]


def test_batches_and_who_works_at_which_line(url: str) -> None:
    async def main() -> None:
        async with stored(url) as all_:
            kept = all_.batches
            await kept.add(BATCH, LINES)
            await kept.add(replace(BATCH, id="batch_2", status="in_progress"), LINES[:1])
            assert await kept.get("batch_1", "key_a") == BATCH
            assert await kept.get("batch_1", "key_b") is None
            assert [one.id for one in (await kept.list("key_a")).entries] == ["batch_2", "batch_1"]
            assert await kept.claim(NOON, batch="batch_1") == []  # it has not begun
            body = {"b": 1}
            assert await kept.change("batch_1", was=["validating"], status="in_progress", body=body)
            assert not await kept.change("batch_1", was=["validating"], status="failed", body={})
            assert [one.id for one in await kept.having("in_progress")] == ["batch_1", "batch_2"]
            first = await kept.claim(NOON, lease=60, most=3, batch="batch_1")
            assert [(line.n, line.custom_id, line.request, line.fence) for line in first] == [
                (n, *LINES[n], 1) for n in range(3)
            ]
            rest = await kept.claim(NOON + 59, lease=60, most=9)
            assert [(line.batch, line.n) for line in rest] == [("batch_1", 3), ("batch_2", 0)]
            assert await kept.claim(NOON + 59, most=9) == []
            assert await kept.renew(first[2], NOON + 100)
            again = await kept.claim(NOON + 60, lease=60, most=9)  # whoever held them was too slow
            assert [(line.n, line.fence) for line in again] == [(0, 2), (1, 2)]
            assert not await kept.finish(first[0], {"late": True})
            assert not await kept.renew(first[0], NOON + 999)
            assert await kept.finish(again[0], {"reply": ODD})
            assert not await kept.finish(again[0], {"reply": "another"})
            assert await kept.finish(again[1], {"error": 1}, failed=True)
            assert await kept.release(first[2])
            assert [line.n for line in await kept.claim(NOON + 61, lease=60)] == [2]
            assert await kept.counts("batch_1") == Counts(4, 1, 1, 0)
            assert (await kept.counts("batch_1")).open == 2
            assert await kept.cancel_lines("batch_1") == 2
            assert not await kept.finish(rest[0], {})
            lines = await kept.lines("batch_1", after=-1, limit=2)
            assert lines[0] == Line("batch_1", 0, *LINES[0], "completed", {"reply": ODD}, 2)
            assert [line.status for line in await kept.lines("batch_1", after=1)] == [
                "cancelled"
            ] * 2
            assert await kept.counts("batch_none") == Counts(0, 0, 0, 0)

    asyncio.run(main())


def test_many_workers_never_hold_the_same_line(url: str) -> None:
    async def work(db: Database, mine: list[int]) -> None:
        kept = Stored(db).batches
        while lines := await kept.claim(NOON, most=3):
            for line in lines:
                mine.append(line.n)
                assert await kept.finish(line, {"n": line.n})

    async def main() -> None:
        async with Database.open(url) as one, Database.open(url) as other:
            lines = [(str(n), {}) for n in range(60)]
            await Stored(one).batches.add(replace(BATCH, status="in_progress"), lines)
            taken: list[int] = []
            await asyncio.gather(*(work(db, taken) for db in (one, other) for _ in range(4)))
            assert sorted(taken) == [*range(60)]

    asyncio.run(main())


def test_requests_that_come_twice(url: str) -> None:
    async def main() -> None:
        async with stored(url) as all_:
            kept = all_.requests

            async def claim(n: int, digest: str = "d") -> Claim:
                return await kept.claim("key_a", "once", digest=digest, target=f"t{n}", now=NOON)

            claims = await asyncio.gather(*(claim(n) for n in range(10)))
            (first,) = [one for one in claims if one.first]
            assert {one.target for one in claims} == {first.target}
            assert await claim(11, "other") == Claim(first.target, first=False, same=False)
            assert await kept.get("key_a", "once") == first.target
            assert await kept.get("key_b", "once") is None
            await kept.forget("key_a", "once", "t99")  # it stands for something else
            assert not (await claim(12)).first
            await kept.forget("key_a", "once", first.target)
            assert (await claim(13)).first

    asyncio.run(main())


def test_what_is_past_its_time_goes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 10)

    async def main() -> None:
        async with Database.open(url) as db:
            all_ = Stored(db)
            for n in range(45):  # more than one transaction takes
                end = NOON + 60 if n else None
                await all_.chats.add(chat(n, expires_at=end))
            running = replace(RESPONSE, id="resp_2")
            for response in (replace(RESPONSE, status="completed"), running):
                await all_.responses.add(response)
                await all_.responses.append(response.id, [(0, {})])
            file = File("file-1", "key_a", "x", "batch", 0, NOON, NOON + 60)
            await all_.files.add(file, b"")
            await all_.requests.claim("key_a", "x", digest="d", target="t", now=NOON)
            assert await all_.expire(NOON + 59) == Expired(0, 0, 0, 0)
            assert await all_.expire(NOON + 60, remember=60) == Expired(1, 44, 1, 1)
            assert await all_.expire(NOON + 60, remember=60) == Expired(0, 0, 0, 0)
            assert [one.id for one in (await all_.chats.list("key_a")).entries] == ["chatcmpl-0"]
            assert await all_.responses.unfinished() == [running]
            left = select(func.count()).select_from(response_events)
            assert await db.read(lambda connection: connection.execute(left).scalar()) == 1

    asyncio.run(main())
