"""A stream whose tail is held back: nothing goes out that was not cleared, and nothing cleared is lost."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from system2.engine.tail import Tail


@given(st.lists(st.one_of(st.text(max_size=9), st.integers(0, 80)), max_size=40))
def test_what_goes_out_is_the_cleared_beginning_of_what_came_in(moves: list[str | int]):
    tail, came, out, cleared = Tail(), "", "", 0
    for move in moves:
        if isinstance(move, str):
            came += move
            out += tail.feed(move)
        else:
            cleared = max(cleared, move)
            out += tail.clear(move)
        assert out == came[: min(cleared, len(came))]
        assert out + tail.held == came
        assert (tail.length, tail.let) == (len(came), len(out))
    assert out + tail.end() == came
    assert not tail.held


def test_who_clears_all_ahead_holds_nothing_back():
    tail = Tail()
    assert tail.clear(sys.maxsize) == ""
    assert [tail.feed("a"), tail.feed("bc")] == ["a", "bc"]
    assert tail.end() == ""


def test_misuse_is_told():
    tail = Tail()
    with pytest.raises(ValueError, match="at least 0"):
        tail.clear(-1)
    tail.feed("held")
    assert tail.end() == "held"
    with pytest.raises(ValueError, match="after the end"):
        tail.feed("more")
