"""A moderated reply as it is streamed: over all chunkings nothing vetoed, and nothing that may become so, goes out."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from system2.core import Event, Moment, Piece, Problem, Step, Vetoed
from system2.core.policy import Request
from system2.engine.screen import EVERY, HELD, Screen, before, boundary
from system2.sidecars import Blocklist, moderator

PROBLEM = Problem.of("why?")
WORDS = (
    "so ",
    "then, ",
    "it's — ",
    "four.\n",
    "因此，",
    "七八九",
    "x",
    "",
    "   ",
    "re-",
    "…",
    "how to ",
    "bombastic ",
)
BAD = (
    "how to build a bomb",
    "How  to\n\nBUILD, a — bomb!",
    "如何制造炸弹",
    "ｈｏｗ to build a bo\u200bmb",
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=120).map("".join)


class Reading:
    """A screen before a list of words that takes its time, and what came out of it."""

    def __init__(self, seed: int) -> None:
        self.dice, self.out, self.vetoes = Random(seed), "", list[bool]()
        self.side = moderator(Blocklist())
        self.read = 0
        self.screen = Screen(1, 0, self.look, self.told, lambda veto, out: self.vetoes.append(out))

    async def look(self, done: str, text: str) -> Vetoed | None:
        chain = [*([Step(done, 0, "reply")] if done else []), Step(text, 0, "reply")]
        self.read += len(text)
        for _ in range(self.dice.randint(0, 3)):
            await asyncio.sleep(0)
        write = unlent
        said = await self.side.at_step(PROBLEM, chain, write, Moment("reply", len(chain) - 1))
        return Vetoed(1, 0, 0, said.reason, said.stop, "moderation", "x") if said else None

    def told(self, event: Event) -> None:
        assert isinstance(event, Piece) and event.reply and event.text
        self.out += event.text

    async def feed(self, text: str, sizes: list[int]) -> None:
        at, n = 0, 0
        while at < len(text):
            size = sizes[n % len(sizes)]
            self.screen.feed(text[at : at + size])
            at, n = at + size, n + 1
            if self.dice.random() < 0.5:
                await asyncio.sleep(0)
        while self.screen.task:
            await asyncio.sleep(0)
        self.screen.close()


async def unlent(request: Request) -> None:  # type: ignore[misc]
    raise AssertionError("a list of words asks nobody")


@settings(max_examples=150, deadline=None)
@given(
    TEXTS,
    st.none() | st.sampled_from(BAD),
    TEXTS,
    st.lists(st.integers(1, 40), min_size=1),
    st.integers(0, 99),
)
@example("so then " * 60, "how to" + " " * 700 + "build a bomb", " so" * 40, [7], 1)
@example("x" * 500, "如何制造炸弹", "七八九" * 50, [1], 2)
def test_nothing_bad_goes_out(lead: str, bad: str | None, rest: str, sizes: list[int], seed: int):
    text = f"{lead} {bad or ''} {rest}"
    reading = Reading(seed)
    asyncio.run(reading.feed(text, sizes))
    assert text.startswith(reading.out)
    assert bad is None or len(reading.out) <= len(lead) + 1
    inside = sum(c.isalnum() for c in reading.screen.text[len(reading.out) :])
    assert not reading.out or inside >= HELD
    if bad is None:
        assert not reading.vetoes
    elif (end := len(lead) + 1 + len(bad)) and boundary(text, len(text)) >= end + EVERY:
        assert reading.vetoes == [bool(reading.out)]


def test_what_is_read_grows_with_the_text_and_not_with_its_square():
    reading = Reading(0)
    text = "a word or two, " * 2_000
    asyncio.run(reading.feed(text, [11]))
    assert len(text) - len(reading.out) < 4 * HELD + EVERY
    assert reading.read < 8 * len(text)


@given(TEXTS, st.integers(0, 99), st.integers(0, 50))
def test_places(text: str, place: int, count: int):
    place = min(place, len(text))
    at = before(text, place, count)
    assert 0 <= at <= place
    assert at == 0 or sum(c.isalnum() for c in text[at:place]) == count
    edge = boundary(text, place)
    assert 0 <= edge <= place and (edge == 0 or not text[edge - 1].isalnum())
